// Messages signed by an externally owned address, before and after it becomes an account by delegation.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const chain = arbitrumSepolia;
const signer = privateKeyToAccount(generatePrivateKey());
const reader = createPublicClient({ chain, transport: http(url) });
const client = createSmartWalletClient({
  transport: alchemyWalletTransport({ url }),
  chain,
  signer,
  paymaster: { policyId: "11111111-2222-4333-8444-555555555555" },
});
const typed = {
  domain: { name: "Ether Mail" },
  types: { Mail: [{ name: "contents", type: "string" }] },
  primaryType: "Mail",
  message: { contents: "Hello" },
} as const;

for (const delegated of [false, true]) {
  if (delegated) {
    const { id } = await client.sendCalls({ calls: [] });
    assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
  }
  const { address } = signer;
  const message = await client.signMessage({ message: "hello world" });
  assert.equal(await reader.verifyMessage({ address, message: "hello world", signature: message }), true);
  assert.equal(await reader.verifyMessage({ address, message: "another", signature: message }), false);
  const signature = await client.signTypedData(typed);
  assert.equal(await reader.verifyTypedData({ address, ...typed, signature }), true);
}

// Messages and typed data signed by an account, verified with viem before and after its deployment.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const reader = createPublicClient({ chain, transport: http(url) });
const client = createSmartWalletClient({
  transport: alchemyWalletTransport({ url }),
  chain,
  signer: privateKeyToAccount(generatePrivateKey()),
  paymaster: { policyId },
});
const typed = {
  domain: { name: "Ether Mail", version: "1", chainId: chain.id },
  types: {
    Mail: [
      { name: "contents", type: "string" },
      { name: "amount", type: "uint256" },
    ],
  },
  primaryType: "Mail",
  message: { contents: "Hello", amount: 10n },
} as const;
const magic = "6492649264926492649264926492649264926492649264926492649264926492";

async function checkSignatures(account: `0x${string}`, wrapped: boolean) {
  for (const message of ["hello world", { raw: "0x48656c6c6f" }] as const) {
    const signature = await client.signMessage({ account, message });
    assert.equal(signature.endsWith(magic), wrapped);
    assert.equal(await reader.verifyMessage({ address: account, message, signature }), true);
    assert.equal(await reader.verifyMessage({ address: account, message: "another", signature }), false);
  }
  const signature = await client.signTypedData({ account, ...typed });
  assert.equal(await reader.verifyTypedData({ address: account, ...typed, signature }), true);
  const changed = { ...typed, message: { ...typed.message, amount: 11n } };
  assert.equal(await reader.verifyTypedData({ address: account, ...changed, signature }), false);
}

const { address } = await client.requestAccount();
await checkSignatures(address, true); // not deployed yet: the signature includes how to deploy it (ERC-6492)
const { id } = await client.sendCalls({ account: address, calls: [] });
assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
await checkSignatures(address, false); // verified by the account's contract (ERC-1271)

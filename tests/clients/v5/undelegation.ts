// Removal of a delegation: the address is externally owned again. The server sends and pays for that transaction.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const transport = alchemyWalletTransport({ url });
const signer = privateKeyToAccount(generatePrivateKey());
const { address } = signer;
const reader = createPublicClient({ chain, transport: http(url) });
const client = createSmartWalletClient({ transport, chain, signer, paymaster: { policyId } });

for (let round = 0; round < 2; round++) {
  const delegated = await client.sendCalls({ calls: [] });
  assert.equal((await client.waitForCallsStatus({ id: delegated.id, pollingInterval: 50 })).status, "success");
  assert.match((await reader.getCode({ address })) ?? "", /^0xef0100/);

  const undelegated = await client.undelegateAccount();
  assert.equal(undelegated.details.type, "delegation");
  const done = await client.waitForCallsStatus({ id: undelegated.id, pollingInterval: 50 });
  assert.equal(done.status, "success");
  assert.equal(await reader.getCode({ address }), undefined);
}

// Account Kit (v4): wallet calls and chain calls to different URLs, a chain unknown to the kit, and errors.
import assert from "node:assert/strict";
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia, defineAlchemyChain } from "@account-kit/infra";
import { createSmartWalletClient } from "@account-kit/wallet-client";
import { createPublicClient, http, zeroAddress } from "viem";
import { generatePrivateKey } from "viem/accounts";
import { foundry } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614 --chain 31337`
const policyId = "11111111-2222-4333-8444-555555555555";
const signer = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
const at = (path: string) => new URL(path, url).href;
const local = defineAlchemyChain({ chain: foundry, rpcBaseUrl: at("/v2") });

for (const [chain, transport] of [
  [arbitrumSepolia, alchemy({ alchemyConnection: { rpcUrl: at("/v2/any-key") }, nodeRpcUrl: at("/chain/421614") })],
  [arbitrumSepolia, alchemy({ rpcUrl: at("/chain/421614"), chainAgnosticUrl: at("/v2") })],
  [arbitrumSepolia, alchemy({ rpcUrl: url, jwt: "any.json.token" })],
  [local, alchemy({ alchemyConnection: { rpcUrl: at("/") }, nodeRpcUrl: at("/chain/31337") })],
] as const) {
  const reader = createPublicClient({ chain, transport: http(at(`/chain/${chain.id}`)) });
  const client = createSmartWalletClient({ transport, chain, signer, policyId });
  const { address } = await client.requestAccount();
  const { preparedCallIds } = await client.sendCalls({ from: address, calls: [{ to: zeroAddress }] });
  assert(preparedCallIds[0]);
  const done = await client.waitForCallsStatus({ id: preparedCallIds[0], pollingInterval: 50 });
  assert.equal(done.status, "success");
  assert.equal(done.chainId, chain.id);
  const signature = await client.signMessage({ account: address, message: "hello" });
  assert.equal(await reader.verifyMessage({ address, message: "hello", signature }), true);
}

const client = createSmartWalletClient({ transport: alchemy({ rpcUrl: url }), chain: arbitrumSepolia, signer });
const { address: from } = await client.requestAccount();
const token = "0x7e57000000000000000000000000000000000001";
const capabilities = { paymasterService: { policyId } };
await assert.rejects(client.prepareCalls({ from, calls: [{ to: token, data: "0xa9059cbb" }], capabilities }), { code: -32521 });
await assert.rejects(client.prepareCalls({ from: "0x12", calls: [] }), { code: -32602 });
await assert.rejects(client.getCallsStatus(`0x${"00".repeat(64)}`), /./);

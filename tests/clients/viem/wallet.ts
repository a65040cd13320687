// viem alone: the wallet's methods by `request`, without types, and the standard ones (EIP-5792) by viem's actions.
import assert from "node:assert/strict";
import { createPublicClient, createTestClient, createWalletClient, http, parseEther, type Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const chain = arbitrumSepolia;
const transport = http(url);
const owner = privateKeyToAccount(generatePrivateKey());
const sessionKey = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey()).address;
const chainId = `0x${chain.id.toString(16)}`;
const reader = createPublicClient({ chain, transport });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const client = createWalletClient({ chain, transport });
const wallet = (method: string, ...params: unknown[]) => client.request({ method, params } as never) as Promise<any>;

const { accountAddress: account } = await wallet("wallet_requestAccount", { signerAddress: owner.address });
await faucet.setBalance({ address: account, value: parseEther("1") });

const created = await wallet("wallet_createSession", {
  account,
  chainId,
  expirySec: Math.floor(Date.now() / 1000) + 60 * 60,
  key: { type: "secp256k1", publicKey: sessionKey.address },
  permissions: [
    { type: "native-token-transfer", data: { allowance: "0x64" } },
    { type: "contract-access", data: { address: friend } },
  ],
});
const permissions = {
  sessionId: created.sessionId as Hex,
  signature: await owner.signTypedData(created.signatureRequest.data),
};
assert.equal(permissions.signature, await owner.sign({ hash: created.signatureRequest.rawPayload }));

async function pay(value: Hex) {
  const calls = [{ to: friend, value }];
  const capabilities = { permissions, paymasterService: { policyId: "11111111-2222-4333-8444-555555555555" } };
  const prepared = await wallet("wallet_prepareCalls", { from: account, chainId, calls, capabilities });
  const signature = await sessionKey.signMessage({ message: prepared.signatureRequest.data });
  const sent = await wallet("wallet_sendPreparedCalls", {
    type: prepared.type,
    data: prepared.data,
    chainId: prepared.chainId,
    capabilities: { permissions },
    signature: { type: "secp256k1", data: signature },
  });
  return client.waitForCallsStatus({ id: sent.id, pollingInterval: 50 });
}

for (const value of ["0x32", "0x31"] as const) {
  const done = await pay(value);
  assert.deepEqual([done.status, done.statusCode, done.chainId, done.atomic], ["success", 200, chain.id, true]);
  assert.equal(typeof done.receipts?.[0]?.blockNumber, "bigint");
}
await assert.rejects(pay("0x2"), /native-token-transfer/);
assert.equal(await reader.getBalance({ address: friend }), 99n);

// A server has no keys: the error of viem's sendCalls names the method to call instead.
await assert.rejects(client.sendCalls({ account: owner, calls: [{ to: friend }] }), /call wallet_prepareCalls/);

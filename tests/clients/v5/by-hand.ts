// Prepare, sign and send as three steps: the payload to sign, the cost, and the caller's overrides.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, createTestClient, hashMessage, http, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const signer = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey()).address;

const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const client = createSmartWalletClient({ transport: alchemyWalletTransport({ url }), chain, signer });
const { address: account } = await client.requestAccount();
await faucet.setBalance({ address: account, value: parseEther("1") });
const calls = [{ to: friend, value: 1n }];

// An estimate of the cost has nothing to sign.
const estimated = await client.prepareCalls({
  account,
  calls,
  capabilities: { paymaster: { policyId, onlyEstimation: true } },
});
assert.equal(estimated.type, "user-operation-v070");
assert.equal(estimated.signatureRequest, undefined);
await assert.rejects(client.signPreparedCalls(estimated), /onlyEstimation/);

// The payload to sign: rawPayload is the hash for keys that sign bare hashes.
const prepared = await client.prepareCalls({ account, calls });
assert.equal(prepared.type, "user-operation-v070");
assert.equal(prepared.feePayment.sponsored, false);
assert.equal(prepared.details?.data.calls.length, 1);
const request = prepared.signatureRequest;
assert(request?.type === "personal_sign" && typeof request.data === "object");
assert.equal(request.data.raw, prepared.details?.data.hash);
assert.equal(request.rawPayload, hashMessage(request.data));
const signature = { type: "secp256k1", data: await signer.sign({ hash: request.rawPayload }) } as const;
const { signatureRequest, feePayment, ...unsigned } = prepared;
const sent = await client.sendPreparedCalls({ ...unsigned, signature });
assert.equal(sent.id, `0x${chain.id.toString(16).padStart(64, "0")}${request.data.raw.slice(2)}`);
assert.equal((await client.waitForCallsStatus({ id: sent.id, pollingInterval: 50 })).status, "success");

// Overrides by the caller: gas, and a nonce key so that two operations do not wait for each other.
const adjusted = await client.prepareCalls({
  account,
  calls,
  capabilities: {
    paymaster: { policyId },
    gasParamsOverride: { callGasLimit: 100_000n, maxFeePerGas: { multiplier: 1.5 } },
    nonceOverride: { nonceKey: 7n },
  },
});
assert(adjusted.type === "user-operation-v070");
assert.equal(adjusted.feePayment.sponsored, true);
assert.equal(adjusted.data.callGasLimit, 100_000n);
assert.equal(adjusted.data.nonce >> 64n, (7n << 40n) + 1n);
const [one, other] = [await client.signPreparedCalls(adjusted), await client.prepareCalls({ account, calls })];
const ids = [await client.sendPreparedCalls(one), await client.sendPreparedCalls(await client.signPreparedCalls(other))];
for (const { id } of ids) {
  assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
}
assert.equal(await reader.getBalance({ address: friend }), 3n);

// Account Kit (v4): a session key makes calls within its permissions, and no others.
import assert from "node:assert/strict";
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia } from "@account-kit/infra";
import { createSmartWalletClient, signPreparedCalls } from "@account-kit/wallet-client";
import { createPublicClient, createTestClient, http, parseEther, toHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const signer = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
const sessionKey = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey()).address;

const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const client = createSmartWalletClient({ transport: alchemy({ rpcUrl: url }), chain, signer });

const { address: account } = await client.requestAccount();
await faucet.setBalance({ address: account, value: parseEther("1") });

const permissions = await client.grantPermissions({
  account,
  expirySec: Math.floor(Date.now() / 1000) + 60 * 60,
  key: { publicKey: await sessionKey.getAddress(), type: "secp256k1" },
  permissions: [
    { type: "native-token-transfer", data: { allowance: toHex(parseEther("0.01")) } },
    { type: "functions-on-all-contracts", data: { functions: ["0x00000000"] } },
  ],
});

async function pay(value: bigint) {
  const prepared = await client.prepareCalls({
    from: account,
    calls: [{ to: friend, value: toHex(value) }],
    capabilities: { permissions, paymasterService: { policyId } },
  });
  const signed = await signPreparedCalls(sessionKey, prepared);
  const { preparedCallIds } = await client.sendPreparedCalls({ ...signed, capabilities: { permissions } });
  assert(preparedCallIds[0]);
  return client.waitForCallsStatus({ id: preparedCallIds[0], pollingInterval: 50 });
}

assert.equal((await pay(parseEther("0.004"))).status, "success"); // deploys the account, installs the session, pays
assert.equal((await pay(parseEther("0.004"))).status, "success"); // only pays
await assert.rejects(pay(parseEther("0.004")), /native-token-transfer/); // the allowance is spent
assert.equal(await reader.getBalance({ address: friend }), parseEther("0.008"));

// A root session may make any call.
const root = await client.grantPermissions({
  account,
  expirySec: Math.floor(Date.now() / 1000) + 60 * 60,
  key: { publicKey: await sessionKey.getAddress(), type: "secp256k1" },
  permissions: [{ type: "root" }],
});
const acting = createSmartWalletClient({ transport: alchemy({ rpcUrl: url }), chain, signer: sessionKey, account });
const sent = await acting.sendCalls({
  calls: [{ to: friend, value: toHex(parseEther("0.1")) }],
  capabilities: { permissions: root, paymasterService: { policyId } },
});
assert(sent.preparedCallIds[0]);
assert.equal((await acting.waitForCallsStatus({ id: sent.preparedCallIds[0], pollingInterval: 50 })).status, "success");
assert.equal(await reader.getBalance({ address: friend }), parseEther("0.108"));

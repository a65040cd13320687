// A session key makes calls within its permissions, and no others.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, createTestClient, http, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const transport = alchemyWalletTransport({ url });
const friend = privateKeyToAccount(generatePrivateKey()).address;
const sessionKey = privateKeyToAccount(generatePrivateKey());

const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });

// The owner grants the session.
const owner = createSmartWalletClient({ transport, chain, signer: privateKeyToAccount(generatePrivateKey()) });
const { address: account } = await owner.requestAccount();
await faucet.setBalance({ address: account, value: parseEther("1") });
const permissions = await owner.grantPermissions({
  account,
  expirySec: Math.floor(Date.now() / 1000) + 60 * 60,
  key: { publicKey: sessionKey.address, type: "secp256k1" },
  permissions: [
    { type: "native-token-transfer", data: { allowance: parseEther("0.01") } },
    { type: "contract-access", data: { address: friend } },
  ],
});
assert.match(permissions.context, /^0x00[0-9a-f]{162}$/);

// The session key needs the account's address and the context, but not the owner.
const session = createSmartWalletClient({ transport, chain, signer: sessionKey, account, paymaster: { policyId } });

async function pay(value: bigint, to = friend) {
  const { id } = await session.sendCalls({ calls: [{ to, value }], capabilities: { permissions } });
  return session.waitForCallsStatus({ id, pollingInterval: 50 });
}

assert.equal((await pay(parseEther("0.004"))).status, "success"); // deploys the account, installs the session, pays
assert.equal((await pay(parseEther("0.004"))).status, "success"); // only pays

// The same in three steps.
const prepared = await session.prepareCalls({
  calls: [{ to: friend, value: parseEther("0.002") }],
  capabilities: { permissions },
});
const signed = await session.signPreparedCalls(prepared);
const { id } = await session.sendPreparedCalls({ ...signed, capabilities: { permissions } });
assert.equal((await session.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
assert.equal(await reader.getBalance({ address: friend }), parseEther("0.01"));

await assert.rejects(pay(1n), /native-token-transfer/); // the allowance is spent
await assert.rejects(pay(0n, sessionKey.address), /contract-access/); // no other contract may be called
await assert.rejects(session.sendCalls({ calls: [{ to: friend, value: 0n }] })); // without the grant
assert.equal(await reader.getBalance({ address: friend }), parseEther("0.01"));

// The client's default: the signer's address is the account, by delegation (EIP-7702).
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, createTestClient, http, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const policyId = "11111111-2222-4333-8444-555555555555";
const token = "0x7e57000000000000000000000000000000000001"; // of the embedded chain
const chain = arbitrumSepolia;
const transport = alchemyWalletTransport({ url });
const signer = privateKeyToAccount(generatePrivateKey());
const sessionKey = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey()).address;

const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const client = createSmartWalletClient({ transport, chain, signer, paymaster: { policyId } });
await faucet.setBalance({ address: signer.address, value: parseEther("1") });

const requested = await client.requestAccount({ creationHint: { accountType: "7702" } });
assert.equal(requested.address, signer.address);

// Not delegated yet: an authorization comes with the operation.
const calls = [{ to: friend, value: 1n }];
const before = await client.prepareCalls({ calls });
assert.equal(before.type, "array");
assert.deepEqual(before.data.map(({ type }) => type), ["authorization", "user-operation-v070"]);
const first = await client.sendCalls({ calls });
assert.equal((await client.waitForCallsStatus({ id: first.id, pollingInterval: 50 })).status, "success");
const code = await reader.getCode({ address: signer.address });
assert.equal(code?.toLowerCase(), "0xef010069007702764179f14f51cdce752f4f775d74e139");

// Later calls are operations without an authorization.
const after = await client.prepareCalls({ calls });
assert.equal(after.type, "user-operation-v070");
const second = await client.sendCalls({ calls });
assert.equal((await client.waitForCallsStatus({ id: second.id, pollingInterval: 50 })).status, "success");
assert.equal(await reader.getBalance({ address: friend }), 2n);

// Sessions work as they do for other accounts.
const permissions = await client.grantPermissions({
  key: { publicKey: sessionKey.address, type: "secp256k1" },
  expirySec: 0,
  permissions: [{ type: "contract-access", data: { address: friend } }],
});
const session = createSmartWalletClient({
  transport,
  chain,
  signer: sessionKey,
  account: signer.address,
  paymaster: { policyId },
});
const third = await session.sendCalls({ calls, capabilities: { permissions } });
assert.equal((await session.waitForCallsStatus({ id: third.id, pollingInterval: 50 })).status, "success");
assert.equal(await reader.getBalance({ address: friend }), 3n);

// A delegation to an unsupported contract is replaced.
await faucet.setCode({ address: signer.address, bytecode: `0xef0100${token.slice(2)}` });
const replacing = await client.prepareCalls({ calls });
assert.equal(replacing.type, "array");
const signed = await client.signPreparedCalls(replacing);
const fourth = await client.sendPreparedCalls(signed);
assert.equal((await client.waitForCallsStatus({ id: fourth.id, pollingInterval: 50 })).status, "success");
assert.equal(await reader.getCode({ address: signer.address }), code);

// Account Kit (v4) up to 4.88.4 retries failed requests: the operation is sent once. 4.88.5 retries only on request.
import assert from "node:assert/strict";
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia } from "@account-kit/infra";
import { createSmartWalletClient as current } from "@account-kit/wallet-client";
import { createSmartWalletClient as older } from "@account-kit/wallet-client-4.88.4";
import { createPublicClient, createTestClient, http, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { startLossyProxy } from "../lossy_proxy.ts";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const friend = privateKeyToAccount(generatePrivateKey()).address;
const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });

for (const [index, [create, options]] of ([[older, {}], [current, { retryCount: 3 }]] as const).entries()) {
  const proxy = await startLossyProxy(url, "wallet_sendPreparedCalls", 503);
  const transport = alchemy({ rpcUrl: proxy.url, ...options });
  const signer = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
  const client = create({ transport, chain, signer, policyId });
  const { address } = await client.requestAccount();
  await faucet.setBalance({ address, value: parseEther("1") });
  const { preparedCallIds } = await client.sendCalls({ from: address, calls: [{ to: friend, value: "0x1" }] });
  assert(preparedCallIds[0]);
  assert.equal((await client.waitForCallsStatus({ id: preparedCallIds[0], pollingInterval: 50 })).status, "success");
  assert(proxy.seen() >= 2);
  assert.equal(await reader.getBalance({ address: friend }), BigInt(index + 1));
  proxy.close();
}

// 4.88.5 does not retry by default; the operation was sent anyway, and sending it again has no effect.
const proxy = await startLossyProxy(url, "wallet_sendPreparedCalls", 503);
const signer = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
const client = current({ transport: alchemy({ rpcUrl: proxy.url }), chain, signer, policyId });
const { address } = await client.requestAccount();
await faucet.setBalance({ address, value: parseEther("1") });
const prepared = await client.prepareCalls({ from: address, calls: [{ to: friend, value: "0x1" }] });
const signed = await client.signPreparedCalls(prepared);
await assert.rejects(client.sendPreparedCalls(signed));
assert.equal(proxy.seen(), 1);
const { preparedCallIds } = await client.sendPreparedCalls(signed);
assert(preparedCallIds[0]);
assert.equal((await client.waitForCallsStatus({ id: preparedCallIds[0], pollingInterval: 50 })).status, "success");
assert.equal(await reader.getBalance({ address: friend }), 3n);
proxy.close();

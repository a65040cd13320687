// A response is lost and the client repeats its request: the operation is sent once.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, createTestClient, http, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";
import { startLossyProxy } from "../lossy_proxy.ts";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const chain = arbitrumSepolia;
const friend = privateKeyToAccount(generatePrivateKey()).address;
const signer = privateKeyToAccount(generatePrivateKey());
const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const policyId = "11111111-2222-4333-8444-555555555555";

for (const [index, method] of ["wallet_sendPreparedCalls", "wallet_prepareCalls", "wallet_requestAccount"].entries()) {
  const proxy = await startLossyProxy(url, method, 503);
  const transport = alchemyWalletTransport({ url: proxy.url });
  const client = createSmartWalletClient({ transport, chain, signer, paymaster: { policyId } });

  const { address: account } = await client.requestAccount();
  await faucet.setBalance({ address: account, value: parseEther("1") });
  const { id } = await client.sendCalls({ account, calls: [{ to: friend, value: 1n }] });
  const done = await client.waitForCallsStatus({ id, pollingInterval: 50 });

  assert.equal(done.status, "success");
  assert(proxy.seen() >= 2, method);
  assert.equal(await reader.getBalance({ address: friend }), BigInt(index + 1), method);
  proxy.close();
}

// The same with a delegation in the same request, and with a connection that breaks.
const proxy = await startLossyProxy(url, "wallet_sendPreparedCalls", "hang up");
const transport = alchemyWalletTransport({ url: proxy.url });
const client = createSmartWalletClient({ transport, chain, signer, paymaster: { policyId } });
await faucet.setBalance({ address: signer.address, value: parseEther("1") });
const { id } = await client.sendCalls({ account: signer.address, calls: [{ to: friend, value: 1n }] });
assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
assert(proxy.seen() >= 2);
assert.equal(await reader.getBalance({ address: friend }), 4n);
proxy.close();

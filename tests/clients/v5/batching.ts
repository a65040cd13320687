// Concurrent requests are sent as one JSON-RPC batch.
import assert from "node:assert/strict";
import { type AlchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
let posts = 0;
const transport = http(url, { batch: { wait: 20 }, onFetchRequest: () => void posts++ });
const client = createSmartWalletClient({
  transport: transport as unknown as AlchemyWalletTransport, // a plain viem transport works; only its type differs
  chain: arbitrumSepolia,
  signer: privateKeyToAccount(generatePrivateKey()),
  paymaster: { policyId: "11111111-2222-4333-8444-555555555555" },
});

const salts = [0n, 1n, 2n, 3n, 4n];
const accounts = await Promise.all(salts.map((salt) => client.requestAccount({ creationHint: { salt } })));
assert.equal(new Set(accounts.map(({ address }) => address)).size, salts.length);
assert.equal(posts, 1);

const prepared = await Promise.all(accounts.map((account) => client.prepareCalls({ account, calls: [] })));
assert.equal(posts, 2);
assert.deepEqual(
  prepared.map((each) => each.type === "user-operation-v070" && each.data.sender.toLowerCase()),
  accounts.map(({ address }) => address.toLowerCase()), // each request gets its own response
);

// An error of one request does not affect the others.
const [good, bad] = await Promise.allSettled([
  client.prepareCalls({ account: accounts[0], calls: [] }),
  client.prepareCalls({ account: accounts[0], chainId: 1, calls: [] }),
]);
assert.deepEqual([good.status, bad.status], ["fulfilled", "rejected"]);
assert.equal(posts, 3);

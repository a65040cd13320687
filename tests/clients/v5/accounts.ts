// Accounts: an owner gets the same accounts by salt and by address, from any client, and can list them.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const signer = privateKeyToAccount(generatePrivateKey());
const client = createSmartWalletClient({
  transport: alchemyWalletTransport({ url }),
  chain: arbitrumSepolia,
  signer,
});

const first = await client.requestAccount();
const second = await client.requestAccount({ creationHint: { salt: 1n } });
const third = await client.requestAccount({ id: crypto.randomUUID(), creationHint: { salt: 2n } });
assert.equal(new Set([first, second, third].map(({ address }) => address)).size, 3);

const secondClient = createSmartWalletClient({
  transport: alchemyWalletTransport({ url, apiKey: "any-key" }),
  chain: arbitrumSepolia,
  signer,
});
assert.equal((await secondClient.requestAccount()).address, first.address);
assert.equal((await secondClient.requestAccount({ creationHint: { salt: 1n } })).address, second.address);
assert.equal((await secondClient.requestAccount({ accountAddress: first.address })).address, first.address);

const addresses: string[] = [];
let after: string | undefined;
do {
  const page = await client.listAccounts({ limit: 2, after });
  assert.equal(page.meta.totalCount, 3);
  assert(page.accounts.length <= 2);
  addresses.push(...page.accounts.map(({ accountAddress }) => accountAddress));
  after = page.meta.after ?? undefined;
} while (after !== undefined);
assert.deepEqual(addresses.toSorted(), [first, second, third].map(({ address }) => address).toSorted());

const stranger = privateKeyToAccount(generatePrivateKey());
assert.deepEqual((await client.listAccounts({ signerAddress: stranger.address })).accounts, []);

// Account Kit (v4): an account, a sponsored batch, a call that the account pays for, and a client for one account.
import assert from "node:assert/strict";
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia } from "@account-kit/infra";
import { createSmartWalletClient } from "@account-kit/wallet-client";
import { createPublicClient, createTestClient, encodeFunctionData, http, parseAbi, parseEther, toHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const policyId = "11111111-2222-4333-8444-555555555555";
const token = "0x7e57000000000000000000000000000000000001"; // an ERC-20 of the embedded chain; anyone may mint
const abi = parseAbi(["function mint(address to, uint256 amount)", "function balanceOf(address) view returns (uint256)"]);
const chain = arbitrumSepolia;
const transport = alchemy({ rpcUrl: url });
const signer = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey()).address;

const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const client = createSmartWalletClient({ transport, chain, signer, policyId });

const { address: account } = await client.requestAccount();
const another = await client.requestAccount({ creationHint: { salt: "0x1" } });
assert.notEqual(another.address, account);
const list = await client.listAccounts({});
assert.deepEqual(new Set(list.accounts.map((each) => each.accountAddress)), new Set([account, another.address]));

const mint = { to: token, data: encodeFunctionData({ abi, functionName: "mint", args: [account, 5n] }) } as const;
const sent = await client.sendCalls({ from: account, calls: [mint, mint] });
const id = sent.preparedCallIds[0];
assert(id);
const done = await client.waitForCallsStatus({ id, pollingInterval: 50 });
assert.equal(done.status, "success");
assert.equal(done.chainId, chain.id);
assert.equal(await reader.readContract({ address: token, abi, functionName: "balanceOf", args: [account] }), 10n);
const status = await client.getCallsStatus(id);
assert.equal(status.status, 200);
assert.equal(status.id, id);
assert.equal(status.receipts?.length, 1);

const several = createSmartWalletClient({ transport, chain, signer, account, policyIds: [policyId] });
const again = await several.sendCalls({ calls: [mint] });
assert(again.preparedCallIds[0]);
await several.waitForCallsStatus({ id: again.preparedCallIds[0], pollingInterval: 50, throwOnFailure: true });

const own = createSmartWalletClient({ transport, chain, signer, account });
assert.equal((await own.requestAccount()).address, account);
await faucet.setBalance({ address: account, value: parseEther("1") });
const paid = await own.sendCalls({ calls: [{ to: friend, value: toHex(parseEther("0.25")) }] });
assert(paid.preparedCallIds[0]);
assert.equal((await own.waitForCallsStatus({ id: paid.preparedCallIds[0], pollingInterval: 50 })).status, "success");
assert.equal(await reader.getBalance({ address: friend }), parseEther("0.25"));

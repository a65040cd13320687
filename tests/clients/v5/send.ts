// A batch of calls that deploys the smart account, with and without sponsorship.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, createTestClient, encodeFunctionData, http, parseAbi, parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const policyId = "11111111-2222-4333-8444-555555555555";
const token = "0x7e57000000000000000000000000000000000001"; // an ERC-20 of the embedded chain; anyone may mint
const abi = parseAbi(["function mint(address to, uint256 amount)", "function balanceOf(address) view returns (uint256)"]);
const chain = arbitrumSepolia;
const signer = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey()).address;

const reader = createPublicClient({ chain, transport: http(url) });
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const client = createSmartWalletClient({
  transport: alchemyWalletTransport({ url }),
  chain,
  signer,
  paymaster: { policyId },
});

const { address: account } = await client.requestAccount();
const mint = { to: token, data: encodeFunctionData({ abi, functionName: "mint", args: [account, 5n] }) } as const;
const tokenBalance = () => reader.readContract({ address: token, abi, functionName: "balanceOf", args: [account] });

// Sponsored by the client's policy: the account has no balance.
const sponsored = await client.sendCalls({ account, calls: [mint, mint] });
assert.equal(sponsored.details.type, "user-operation");
assert.equal(sponsored.preparedCallIds[0], sponsored.id);
const done = await client.waitForCallsStatus({ id: sponsored.id, pollingInterval: 50 });
assert.equal(done.status, "success");
assert.equal(done.statusCode, 200);
assert.equal(done.chainId, chain.id);
assert.equal(done.atomic, true);
assert.equal(done.receipts?.length, 1);
assert.equal(done.receipts?.[0]?.status, "success");
assert(done.receipts?.[0]?.logs.some((log) => log.address.toLowerCase() === token));
assert.equal(await tokenBalance(), 10n);
assert.equal(await reader.getBalance({ address: account }), 0n);
assert.notEqual(await reader.getCode({ address: account }), undefined);

// Sponsored by the first of several policies that applies.
const { id } = await client.sendCalls({
  account,
  calls: [mint],
  capabilities: { paymaster: { policyIds: [policyId, "99999999-2222-4333-8444-555555555555"], webhookData: "hello" } },
});
assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
assert.equal(await tokenBalance(), 15n);

// Paid from the account's own balance.
const paying = createSmartWalletClient({ transport: alchemyWalletTransport({ url }), chain, signer, account });
await faucet.setBalance({ address: account, value: parseEther("1") });
const paid = await paying.sendCalls({ calls: [{ to: friend, value: parseEther("0.25") }] });
assert.equal((await paying.waitForCallsStatus({ id: paid.id, pollingInterval: 50 })).status, "success");
assert.equal(await reader.getBalance({ address: friend }), parseEther("0.25"));
assert((await reader.getBalance({ address: account })) < parseEther("0.75"));

// An operation that reverts on chain: it is included and paid for, and its status is a failure.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, encodeFunctionData, http, parseAbi } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const token = "0x7e57000000000000000000000000000000000001"; // an ERC-20 of the embedded chain; anyone may mint
const abi = parseAbi(["function mint(address to, uint256 amount)", "function balanceOf(address) view returns (uint256)"]);
const chain = arbitrumSepolia;
const reader = createPublicClient({ chain, transport: http(url) });
const client = createSmartWalletClient({
  transport: alchemyWalletTransport({ url }),
  chain,
  signer: privateKeyToAccount(generatePrivateKey()),
  paymaster: { policyId: "11111111-2222-4333-8444-555555555555" },
});

const { address: account } = await client.requestAccount();
const { id } = await client.sendCalls({
  account,
  calls: [{ to: token, data: encodeFunctionData({ abi, functionName: "mint", args: [account, 5n] }) }],
  capabilities: { gasParamsOverride: { callGasLimit: 30_000n } }, // too low
});
const done = await client.waitForCallsStatus({ id, pollingInterval: 50 });
assert.deepEqual([done.status, done.statusCode], ["failure", 500]);
assert.equal(done.receipts?.length, 1);
assert.equal(await reader.readContract({ address: token, abi, functionName: "balanceOf", args: [account] }), 0n);
await assert.rejects(client.waitForCallsStatus({ id, pollingInterval: 50, throwOnFailure: true, retryCount: 0 }), /fail/i);

// viem's public client at the wallet's URL: chain reads, a transaction, logs, batches, and another chain by its path.
import assert from "node:assert/strict";
import { createPublicClient, createTestClient, createWalletClient, http, parseAbi, parseEther, parseEventLogs } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia, foundry } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614 --chain 31337`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const token = "0x7e57000000000000000000000000000000000001"; // an ERC-20 of the embedded chain; anyone may mint
const abi = parseAbi([
  "function mint(address to, uint256 amount)",
  "function balanceOf(address) view returns (uint256)",
  "function transfer(address to, uint256 amount) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 amount)",
]);
const account = privateKeyToAccount(generatePrivateKey());
const transport = http(url, { batch: true });
const reader = createPublicClient({ chain: arbitrumSepolia, transport, pollingInterval: 50 });
const wallet = createWalletClient({ chain: arbitrumSepolia, transport, account });
const faucet = createTestClient({ chain: arbitrumSepolia, mode: "anvil", transport: http(node) });

assert.equal(await reader.getChainId(), arbitrumSepolia.id);
await faucet.setBalance({ address: account.address, value: parseEther("1") });
const [block, balance, gasPrice, nonce, fees] = await Promise.all([
  reader.getBlock(),
  reader.getBalance({ address: account.address }),
  reader.getGasPrice(),
  reader.getTransactionCount({ address: account.address }),
  reader.estimateFeesPerGas(),
]);
assert(block.number >= 0n);
assert.deepEqual([balance, nonce], [parseEther("1"), 0]);
assert(gasPrice > 0n && fees.maxFeePerGas > 0n);

const { request } = await reader.simulateContract({
  account,
  address: token,
  abi,
  functionName: "mint",
  args: [account.address, 5n],
});
const hash = await wallet.writeContract(request);
const receipt = await reader.waitForTransactionReceipt({ hash });
assert.equal(receipt.status, "success");
const [log] = parseEventLogs({ abi, logs: receipt.logs });
assert.deepEqual([log?.args.to, log?.args.amount], [account.address, 5n]);
const [found] = await reader.getContractEvents({
  address: token,
  abi,
  eventName: "Transfer",
  args: { to: account.address },
  fromBlock: receipt.blockNumber,
});
assert.equal(found?.transactionHash, hash);
await assert.rejects(
  reader.simulateContract({ account, address: token, abi, functionName: "transfer", args: [token, 6n] }),
  /revert/,
);

const elsewhere = createPublicClient({ chain: foundry, transport: http(new URL(`/chain/${foundry.id}`, url).href) });
assert.equal(await elsewhere.getChainId(), foundry.id);
assert.equal(await elsewhere.getBalance({ address: account.address }), 0n);

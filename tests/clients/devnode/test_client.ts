// Every action of viem's test client (mode anvil), against a node: prints what can be seen of each as a line of JSON.
import assert from "node:assert/strict";
import { JsonRpcProvider } from "ethers";
import {
  type Hex, createPublicClient, createTestClient, createWalletClient, http, parseEther, parseGwei, testActions, toHex,
} from "viem";
import { foundry } from "viem/chains";

const transport = http(String(process.env.NODE_URL));
const used = new Set<string>();
const plain = createTestClient({ mode: "anvil", chain: foundry, transport });
const test = new Proxy(plain, {
  get(target, name) {
    used.add(String(name));
    return Reflect.get(target, name);
  },
});
const node = createPublicClient({ chain: foundry, transport, cacheTime: 0, pollingInterval: 50 });
const wallet = createWalletClient({ chain: foundry, transport });
const [alice, bob] = (await wallet.getAddresses()) as [Hex, Hex];
const contract: Hex = "0xc0de00000000000000000000000000000000c0de";
const value = 5n;

const say = (name: string, seen: unknown) =>
  console.log(JSON.stringify([name, seen], (_, each) => (typeof each === "bigint" ? toHex(each) : each)));
const fails = (action: Promise<unknown>) => action.then(() => "succeeds", () => "fails");
const latest = () => node.getBlock({ includeTransactions: true });
const start = await latest();

// mining and the mempool
say("getAutomine", await test.getAutomine());
say("setAutomine", [await test.setAutomine(false), await test.getAutomine()]);
const pending = await node.createPendingTransactionFilter();
const blocks = await node.createBlockFilter();
const first = await wallet.sendTransaction({ account: alice, to: bob, value });
const second = await wallet.sendTransaction({ account: alice, to: bob, value });
await wallet.sendTransaction({ account: alice, to: bob, value, nonce: 9, gas: 21_000n });
say("getTxpoolStatus", await test.getTxpoolStatus());
const { hash: _, r: __, s: ___, v: ____, yParity: _____, ...listed } =
  Object.values(Object.values((await test.getTxpoolContent()).queued)[0]!)[0]! as Record<string, unknown>;
say("getTxpoolContent", listed);
say("inspectTxpool", await test.inspectTxpool());
say("pending", [
  (await node.getBlock({ blockTag: "pending" })).transactions.length,
  await node.getTransactionCount({ address: alice, blockTag: "pending" }),
  await node.getTransactionCount({ address: alice }),
  (await node.getTransaction({ hash: first })).blockHash,
]);
say("dropTransaction", [await test.dropTransaction({ hash: second }), await test.getTxpoolStatus()]);
say("mine", await test.mine({ blocks: 2, interval: 3 }));
const [mined, empty] = await Promise.all([1n, 2n].map((more) => node.getBlock({ blockNumber: start.number! + more })));
const isApart = empty!.timestamp - mined!.timestamp >= 3n; // anvil adds the seconds that pass between the two
say("mined", [mined!.transactions.length, empty!.transactions.length, isApart]);
assert.deepEqual(await node.getFilterChanges({ filter: pending }), [first, second]);
assert.deepEqual(await node.getFilterChanges({ filter: blocks }), [mined!.hash, empty!.hash]);
say("uninstallFilter", [
  await node.uninstallFilter({ filter: blocks }), await fails(node.getFilterChanges({ filter: blocks })),
]);
say("setIntervalMining", await test.setIntervalMining({ interval: 1 }));
while ((await node.getBlockNumber()) < start.number! + 4n) await new Promise((done) => setTimeout(done, 50));
await test.setIntervalMining({ interval: 0 });
await test.setAutomine(true);

// accounts
await test.setBalance({ address: contract, value: parseEther("2") });
await test.setCode({ address: contract, bytecode: "0x5f545f5260205ff3" });
await test.setStorageAt({ address: contract, index: 0, value: toHex(7n, { size: 32 }) });
say("call", (await node.call({ to: contract })).data);
await test.impersonateAccount({ address: contract });
const impersonated = await wallet.sendTransaction({ account: contract, to: bob, value });
const receipt = await node.waitForTransactionReceipt({ hash: impersonated });
say("impersonateAccount", [receipt.status, receipt.from, (await node.getTransaction({ hash: impersonated })).from]);
const ethers = new JsonRpcProvider(String(process.env.NODE_URL), foundry.id, { staticNetwork: true, pollingInterval: 50 });
const sent = await (await ethers.getSigner(contract)).sendTransaction({ to: bob, value });
say("impersonated signer of ethers", [(await sent.wait())?.status, sent.from]);
await test.stopImpersonatingAccount({ address: contract });
say("stopped signer of ethers", await fails(ethers.getSigner(contract)));
ethers.destroy();
say("stopImpersonatingAccount", await fails(wallet.sendTransaction({ account: contract, to: bob, value })));
const unsigned = await test.sendUnsignedTransaction({ from: contract, to: bob, value });
say("sendUnsignedTransaction", (await node.waitForTransactionReceipt({ hash: unsigned })).from);
await test.setNonce({ address: contract, nonce: 77 });
say("setNonce", await node.getTransactionCount({ address: contract }));

// snapshots and dumps
await test.setBalance({ address: contract, value: parseEther("3") });
const id = await test.snapshot();
await test.setBalance({ address: contract, value: 1n });
await test.revert({ id });
say("revert", await node.getBalance({ address: contract }));
const state = await test.dumpState();
await test.setBalance({ address: contract, value: 1n });
await test.loadState({ state });
say("loadState", await node.getBalance({ address: contract }));

// the next blocks
const before = await latest();
await test.setNextBlockTimestamp({ timestamp: before.timestamp + 1_000n });
await test.mine({ blocks: 1 });
const jumped = await latest();
say("setNextBlockTimestamp", jumped.timestamp - before.timestamp);
await test.setBlockTimestampInterval({ interval: 7 });
await test.mine({ blocks: 2 });
say("setBlockTimestampInterval", (await latest()).timestamp - jumped.timestamp);
say("removeBlockTimestampInterval", await test.removeBlockTimestampInterval());
const ahead = (await latest()).timestamp;
await test.increaseTime({ seconds: 5_000 });
await test.mine({ blocks: 1 });
const gone = (await latest()).timestamp - ahead;
say("increaseTime", gone >= 5_000n && gone < 5_100n);
await test.setBlockGasLimit({ gasLimit: 12_345_678n });
await test.setCoinbase({ address: contract });
await test.setNextBlockBaseFeePerGas({ baseFeePerGas: parseGwei("3") });
await test.mine({ blocks: 1 });
const { gasLimit, miner, baseFeePerGas } = await latest();
say("block", [gasLimit, miner, baseFeePerGas]);
say("setMinGasPrice", await fails(test.setMinGasPrice({ gasPrice: 1n })));
say("setLoggingEnabled", await test.setLoggingEnabled(false));
say("setRpcUrl", await test.setRpcUrl("http://127.0.0.1:1"));

// reads of other parts of the node
await test.setBlockGasLimit({ gasLimit: 30_000_000n });
say("createAccessList", (await node.createAccessList({ account: alice, to: contract })).accessList);
const simulated = await node.simulateBlocks({ blocks: [{ calls: [{ account: alice, to: contract }] }] });
say("simulateBlocks", simulated[0]!.calls.map(({ status, data }) => [status, data]));

say("reset", await fails(test.reset()));
await node.request({ method: "anvil_reset" as never, params: [] as never });
say("after a reset", [await node.getBlockNumber(), await node.getBalance({ address: contract })]);

const missing = Object.keys(testActions({ mode: "anvil" })(plain)).filter((name) => !used.has(name));
assert.deepEqual(missing, []);

// Subscriptions of viem and ethers over a WebSocket, against a node: prints what each watcher saw as a line of JSON.
import { WebSocketProvider } from "ethers";
import { createPublicClient, createTestClient, encodeFunctionData, parseAbi, toHex, webSocket } from "viem";
import { foundry } from "viem/chains";

const url = String(process.env.NODE_URL).replace("http", "ws");
const transport = webSocket(url);
const node = createPublicClient({ chain: foundry, transport });
const test = createTestClient({ mode: "anvil", chain: foundry, transport });
const ethers = new WebSocketProvider(url, foundry.id, { staticNetwork: true });
const [alice, bob] = (await node.request({ method: "eth_accounts" as never })) as [`0x${string}`, `0x${string}`];
const token = "0x7e57000000000000000000000000000000000001";
const abi = parseAbi(["function mint(address,uint256)", "event Transfer(address indexed from, address indexed to, uint256 value)"]);

const start = await test.snapshot();
const seen: Record<string, unknown[]> = {};
let last = -1;  // the last block that does not count, once every watcher has begun
const early = new Set<string>();  // the transactions before it
const counts = (block: bigint | number | null) => Number(block) > last;
const saw = (name: string) => (value: unknown) => void (seen[name] ??= []).push(value);
const until = async (condition: () => boolean, act = async () => {}) => {
  for (; !condition(); await new Promise((done) => setTimeout(done, 20))) await act();
};
const mint = (to: string, value: bigint) =>
  test.request({
    method: "eth_sendTransaction" as never,
    params: [{ from: alice, to: token, data: encodeFunctionData({ abi, functionName: "mint", args: [to as never, value] }) }] as never,
  }) as Promise<string>;

const stops = [
  node.watchBlocks({ onBlock: ({ hash, number, transactions }) => counts(number) && saw("viem blocks")([number, hash, transactions.length]) }),
  node.watchBlockNumber({ onBlockNumber: (number) => counts(number) && saw("viem block numbers")(number) }),
  node.watchEvent({
    address: token, event: abi[1], args: { to: bob },
    onLogs: (logs) => logs.forEach(({ args, blockNumber, removed }) =>
      counts(blockNumber) && saw("viem events")([args, blockNumber, removed])),
  }),
  node.watchPendingTransactions({ onTransactions: (hashes) => hashes.filter((each) => !early.has(each)).forEach(saw("viem pending")) }),
];
await ethers.on("block", (number) => counts(number) && saw("ethers blocks")(number));
await ethers.on("pending", (hash) => !early.has(hash) && saw("ethers pending")(hash));
await ethers.on({ address: token }, ({ data, blockNumber, removed }) =>
  counts(blockNumber) && saw("ethers logs")([data, blockNumber, removed]));
const watchers = 7;
const sentFirst: string[] = [];
await until(() => Object.keys(seen).length === watchers, async () => void sentFirst.push(await mint(bob, 1n)));

// every watcher has begun: what follows is seen by all, once each
const hash = async () => (await node.request({ method: "eth_getBlockByNumber", params: ["latest", false] }))!.hash;
const settle = async (blocks: number, logs: number) =>
  until(() => ["viem blocks", "ethers blocks"].every((name) => seen[name]!.length >= blocks)
    && seen["ethers logs"]!.length >= logs);
last = Number((await node.request({ method: "eth_blockNumber" })));
sentFirst.forEach((each) => early.add(each));
for (const each of Object.values(seen)) each.length = 0;

const snapshot = await test.snapshot();
const sent = [await mint(bob, 7n)];
await settle(1, 1);
sent.push(await mint(alice, 8n));
await settle(2, 2);
for (const blocks of [3, 4, 5]) {
  await test.mine({ blocks: 1 });
  await settle(blocks, 2);  // viem reads each block that is announced, in no order
}
const before = await hash();
await test.revert({ id: snapshot });
await test.mine({ blocks: 1 });
await until(() => seen["viem blocks"]!.length === 6);
sent.push(await mint(bob, 9n));
await until(() => seen["viem events"]!.length === 2 && seen["viem blocks"]!.length === 7
  && seen["viem pending"]!.length === 3 && seen["ethers logs"]!.length === 3);

const relative = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(relative)
  : typeof value === "bigint" || typeof value === "number" ? Number(value) - last
  : value;
const print = (name: string, value: unknown) =>
  console.log(JSON.stringify([name, value], (_, each) => (typeof each === "bigint" ? toHex(each) : each)));
print("viem blocks", seen["viem blocks"]!.map((each) => relative((each as unknown[])[0])));
print("viem hash", (seen["viem blocks"]![4] as unknown[])[1] === before);
print("viem transactions", seen["viem blocks"]!.map((each) => (each as unknown[])[2]));
print("viem block numbers", relative(seen["viem block numbers"]));
print("viem events", seen["viem events"]!.map((each) => [(each as unknown[])[0], relative((each as unknown[])[1]), (each as unknown[])[2]]));
print("viem pending", JSON.stringify(seen["viem pending"]) === JSON.stringify(sent));
print("ethers pending", JSON.stringify(seen["ethers pending"]) === JSON.stringify(sent));
print("ethers blocks", relative(seen["ethers blocks"]));
print("ethers logs", seen["ethers logs"]!.map((each) => [(each as unknown[])[0], relative((each as unknown[])[1]), (each as unknown[])[2]]));

// the ends
stops.forEach((stop) => stop());
await ethers.removeAllListeners();
const count = () => Object.values(seen).map((each) => each.length).join();
const ended = count();
await test.mine({ blocks: 2 });
await node.request({ method: "eth_blockNumber" });
print("after the end", count() === ended);
await test.revert({ id: start });
await test.setNextBlockBaseFeePerGas({ baseFeePerGas: 1_000_000_000n });  // in anvil, a revert leaves it as it is
await ethers.destroy();
(await transport({ chain: foundry }).value!.getRpcClient()).close();

// Faults on demand: which failures viem repeats, over HTTP and a WebSocket, also of requests that were executed.
import assert from "node:assert/strict";
import { createTestClient, http, publicActions, webSocket, type Hex } from "viem";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const test = createTestClient({ chain: arbitrumSepolia, mode: "anvil", transport: http(url) }).extend(publicActions);
const fault = (method: string, request: object) =>
  test.request({ method: `wallet_test_${method}`, params: [request] } as never) as Promise<{ id: Hex }>;
const left = async () => ((await test.request({ method: "wallet_test_listFaults" } as never)) as any).faults.length;

// errors that viem takes for passing ones are repeated, others are not
await fault("failNext", { method: "eth_chainId", code: -32603, count: 2 });
assert.equal(await test.getChainId(), arbitrumSepolia.id);
await fault("failNext", { method: "eth_chainId", code: -32005, status: 429 });
assert.equal(await test.getChainId(), arbitrumSepolia.id);
await fault("failNext", { method: "eth_chainId", code: -32000, message: "never", count: 2 });
await assert.rejects(test.getChainId(), /never/);
assert.equal(await left(), 1);
await fault("clearFaults", {});

// a lost answer is repeated, and so is a write that was executed
const height = await test.getBlockNumber({ cacheTime: 0 });
await fault("cutNext", { method: "evm_mine", executes: true });
await test.request({ method: "evm_mine" } as never);
assert.equal(await test.getBlockNumber({ cacheTime: 0 }), height + 2n);

// so is a request that viem has given up
const hasty = createTestClient({ chain: arbitrumSepolia, mode: "anvil", transport: http(url, { timeout: 2000 }) });
await fault("timeOutNext", { method: "eth_chainId" });
assert.equal(Number(await hasty.request({ method: "eth_chainId" } as never)), arbitrumSepolia.id);

// a WebSocket is opened again, for a request that is repeated later than that
const transport = webSocket(url.replace("http", "ws"), { reconnect: { delay: 10 }, retryDelay: 500 });
const socket = createTestClient({ chain: arbitrumSepolia, mode: "anvil", transport });
await socket.request({ method: "eth_chainId" } as never);
await fault("cutNext", { method: "eth_chainId" });
assert.equal(Number(await socket.request({ method: "eth_chainId" } as never)), arbitrumSepolia.id);
(await socket.transport.getRpcClient()).close();
assert.equal(await left(), 0);

// What an idle Alto does, of which the tests' machine has many: it wakes up a hundred times a second to measure its
// event loop delay, for metrics that are not used here.
import performance from "node:perf_hooks";

performance.monitorEventLoopDelay = undefined;

// And after its last bundle is included it asks for the newest block fourteen times a second, until there is another.
const { ExecutorManager } = await import(
  new URL("./node_modules/@pimlico/alto/esm/executor/executorManager.js", import.meta.url)
);
const { handleBlock } = ExecutorManager.prototype;

ExecutorManager.prototype.handleBlock = async function (block) {
  await handleBlock.call(this, block);
  if (this.bundleManager.getPendingBundles().length === 0) this.stopWatchingBlocks();
};

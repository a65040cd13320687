// Alto wakes up a hundred times a second to measure its event loop delay for metrics, which are not used here.
import performance from "node:perf_hooks";

performance.monitorEventLoopDelay = undefined;

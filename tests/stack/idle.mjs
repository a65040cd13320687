// Alto wakes up a hundred times a second to measure its own delay, for metrics that nobody reads here.
import performance from "node:perf_hooks";

performance.monitorEventLoopDelay = undefined;

// Alto 0.0.20 in safe mode accepts no operation of EntryPoint v0.7: it decodes another contract's revert as the result
// of its simulation. Here the result is that of its unsafe mode, and the trace is checked against the rules (ERC-7562)
// as Alto does. anvil 1.7.1 traces almost as geth: no error is `undefined` instead of `null`, and a step's cost is
// wrong after a call, so that Alto would see failures and empty gas everywhere.
import { encodeFunctionData, zeroAddress } from "viem";

const alto = new URL("./node_modules/@pimlico/alto/esm/", import.meta.url);
const parts = ["types/index.js", "utils/index.js"].concat(
  ["tracer", "BundlerCollectorTracerV07", "SafeValidator", "UnsafeValidator"].map((name) => `rpc/validation/${name}.js`),
);
const [types, utils, tracing, { bundlerCollectorTracer }, { SafeValidator }, { UnsafeValidator }] = await Promise.all(
  parts.map((path) => import(new URL(path, alto))),
);
const tracer = tracing
  .getTracerBodyString(bundlerCollectorTracer)
  .replace("getError() === null", "getError() == null")
  .replace("log.getGas() < log.getCost()", "false");

SafeValidator.prototype.getValidationResultWithTracerV07 = async function (userOp, queuedUserOps, entryPoint) {
  const result = await UnsafeValidator.prototype.getValidationResult07.call(this, { userOp, queuedUserOps, entryPoint });
  const version = utils.getViemEntryPointVersion(userOp, entryPoint);
  const simulations = utils.getEntryPointSimulationsAddress({ version, config: this.config });
  const args = [simulations, entryPoint, queuedUserOps.map(utils.toPackedUserOp), utils.toPackedUserOp(userOp)];
  const data = encodeFunctionData({ abi: types.pimlicoSimulationsAbi, functionName: "simulateValidation", args });
  const call = { from: zeroAddress, to: this.config.pimlicoSimulationContract, data };
  const stateOverrides = utils.getAuthorizationStateOverrides({ userOps: [userOp] });
  return [result, await tracing.debug_traceCall(this.config.publicClient, call, { tracer, stateOverrides })];
};

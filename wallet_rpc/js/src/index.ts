export { walletRpcActions, type WalletRpcActions } from "./actions.ts";
export * from "./methods.ts";
export {
  announceProvider,
  createTestProvider,
  ProviderError,
  type ProviderInfo,
  type TestProvider,
  type TestProviderOptions,
} from "./provider.ts";
export { createPool, startWalletRpc, type StartOptions, type WalletRpc } from "./server.ts";

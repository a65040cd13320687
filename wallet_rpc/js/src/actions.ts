// viem actions: one for each of the wallet's methods, typed from openrpc.yaml.
import { METHODS, type WalletRpcSchema } from "./methods.ts";

type Names = typeof METHODS;
type Of<Method> = Extract<WalletRpcSchema[number], { Method: Method }>;
type Parameters<Method> = Of<Method>["Parameters"] extends readonly unknown[] ? Of<Method>["Parameters"] : never;

/** The wallet's methods as functions: `createSession(request)` calls `wallet_createSession`. */
export type WalletRpcActions = {
  [Name in keyof Names]: (...parameters: Parameters<Names[Name]>) => Promise<Of<Names[Name]>["ReturnType"]>;
};

type Requester = { request: (request: { method: never; params: never }) => Promise<unknown> };

/** Return the actions of a viem client: `createClient({ transport: http(url) }).extend(walletRpcActions())`. */
export function walletRpcActions() {
  return (client: Requester): WalletRpcActions =>
    Object.fromEntries(
      Object.entries(METHODS).map(([name, method]) => [
        name,
        (...params: unknown[]) => client.request({ method, params } as never),
      ]),
    ) as unknown as WalletRpcActions;
}

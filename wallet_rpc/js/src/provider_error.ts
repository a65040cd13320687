// Errors of the provider, each with a code of JSON-RPC, EIP-1193 or EIP-5792.

/** An error of EIP-1193 or EIP-5792, with its code. */
export class ProviderError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = "ProviderError";
    this.code = code;
    this.data = data;
  }
}

export const UNREACHABLE = "no wallet server answers at the provider's URL";

/** Return an error with a code: that of the node, which viem keeps as a cause, or the one of wrong parameters. */
export function toProviderError(method: string, error: any): ProviderError {
  for (let cause = error; cause; cause = cause.cause) {
    if (cause instanceof ProviderError) return cause;
    if (cause.name === "HttpRequestError") return new ProviderError(4900, UNREACHABLE);
    if (typeof cause.code === "number") return new ProviderError(cause.code, cause.details ?? cause.message, cause.data);
  }
  return new ProviderError(-32602, `${method}: the parameters are not valid: ${error.shortMessage ?? error.message}`);
}

/** Throw a ProviderError. */
export function fail(code: number, message: string): never {
  throw new ProviderError(code, message);
}

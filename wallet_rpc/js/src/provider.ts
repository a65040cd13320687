// An EIP-1193 provider for test dapps: it signs with local keys, without asking, and sends through wallet-rpc.
import { createClient, hexToNumber, http, isHex, numberToHex, type Address, type EIP1193Provider, type Hex } from "viem";
import { privateKeyToAccount, type PrivateKeyAccount } from "viem/accounts";
import { sendTransaction } from "viem/actions";
import type { PreparedAuthorization, PreparedUserOperation } from "./methods.ts";
import { fail, ProviderError, toProviderError, UNREACHABLE } from "./provider_error.ts";
import { getOwn, openState, type StorageName } from "./provider_state.ts";
import { readTransaction } from "./provider_transaction.ts";

export { announceProvider, type ProviderInfo } from "./announcement.ts";
export { ProviderError };

export type TestProviderOptions = {
  /** URL of the Wallet API. */
  url: string;
  /** Ids of its chains; the first one is selected at the start. */
  chainIds: readonly number[];
  /** Private keys of the accounts; the first one is selected. */
  privateKeys: readonly [Hex, ...Hex[]];
  /** Called with each request that a person would confirm; return false to reject it (4001). */
  confirm?: (request: { method: string; params: readonly unknown[] }) => boolean | Promise<boolean>;
  /**
   * Storage of the browser in which the wallet remembers its permission, chains and bundles between page loads; false:
   * none. Default: "sessionStorage", that of the tab. It counts for an equal `url` and the same accounts.
   */
  storage?: StorageName | false;
};

export type TestProvider = EIP1193Provider & {
  /** Requests of `wallet_showCallsStatus`, by call id. */
  shown: string[];
};

type Listener = (value: never) => void;
type Call = { to?: Address; data?: Hex; value?: Hex; capabilities?: Record<string, { optional?: boolean }> };
type SendCalls = {
  version: string;
  id?: string;
  chainId: Hex;
  from?: Address;
  atomicRequired: boolean;
  calls: readonly Call[];
  capabilities?: Record<string, { optional?: boolean }>;
};

const VERSION = "2.0.0";
const CONFIRMED = new Set([
  "eth_requestAccounts",
  "eth_sendTransaction",
  "eth_signTypedData_v4",
  "personal_sign",
  "wallet_addEthereumChain",
  "wallet_grantPermissions",
  "wallet_requestExecutionPermissions",
  "wallet_sendCalls",
  "wallet_switchEthereumChain",
]);

/** Return a provider whose accounts act through the wallet server; `wallet_sendCalls` delegates them (EIP-7702). */
export function createTestProvider(options: TestProviderOptions): TestProvider {
  const owners = options.privateKeys.map((key) => privateKeyToAccount(key));
  const accounts = owners.map((each) => each.address);
  const listeners = new Map<string, Set<Listener>>();
  const sending = new Map<string, Promise<Hex>>();
  const shown: string[] = [];
  const first = options.chainIds[0] ?? fail(4902, "chainIds: expected at least one chain, got none");
  const initial = { isConnected: false, chainId: first, addedChains: {}, bundles: {} };
  const state = openState([options.url, ...accounts], initial, options.storage ?? "sessionStorage");

  const wallet = (method: string, params: readonly unknown[]) => request(options.url, method, params);
  const emit = (event: string, value: unknown) => {
    for (const listener of listeners.get(event) ?? []) listener(value as never);
  };
  const urlOf = (id: number): string | undefined =>
    options.chainIds.includes(id) ? chainUrl(options.url, id) : getOwn(state.read().addedChains, String(id));
  const selected = (): number => {
    const { chainId } = state.read();
    return urlOf(chainId) === undefined ? first : chainId; // another test may have had other chains
  };
  const owner = (address: unknown = accounts[0]): PrivateKeyAccount => {
    if (!state.read().isConnected) fail(4100, "call eth_requestAccounts first");
    const found = owners.find((each) => each.address.toLowerCase() === String(address).toLowerCase());
    return found ?? fail(4100, `expected one of ${accounts.join(", ")}, got ${address}`);
  };
  const bundle = (id: string): Hex | Promise<Hex> | undefined => sending.get(id) ?? getOwn(state.read().bundles, id);

  const sendCalls = async (prepare: unknown, signer: PrivateKeyAccount): Promise<Hex> => {
    const prepared = await wallet("wallet_prepareCalls", [prepare]);
    const answer = await wallet("wallet_sendPreparedCalls", [await sign(prepared, signer)]);
    return answer.preparedCallIds === undefined ? answer.id : answer.preparedCallIds[0];
  };

  const methods: Record<string, (params: readonly any[]) => unknown> = {
    eth_accounts: () => (state.read().isConnected ? [...accounts] : []),
    eth_chainId: () => numberToHex(selected()),
    eth_coinbase: () => (state.read().isConnected ? accounts[0] : null),
    eth_requestAccounts: () => {
      if (!state.read().isConnected) {
        state.change({ isConnected: true });
        emit("connect", { chainId: numberToHex(selected()) });
        emit("accountsChanged", [...accounts]);
      }
      return [...accounts];
    },
    wallet_revokePermissions: () => {
      state.change({ isConnected: false });
      emit("accountsChanged", []);
      return null;
    },
    wallet_getPermissions: () => (state.read().isConnected ? [{ parentCapability: "eth_accounts" }] : []),
    wallet_requestPermissions: async () => {
      await methods.eth_requestAccounts?.([]);
      return [{ parentCapability: "eth_accounts" }];
    },
    wallet_addEthereumChain: ([chain]) => {
      const [url] = chain?.rpcUrls ?? [];
      if (!isHex(chain?.chainId) || typeof url !== "string") fail(-32602, "expected chainId and rpcUrls, got another form");
      const id = hexToNumber(chain.chainId);
      if (urlOf(id) === undefined) state.change({ addedChains: { ...state.read().addedChains, [id]: url } });
      return null;
    },
    wallet_switchEthereumChain: ([chain]) => {
      const id = isHex(chain?.chainId) ? hexToNumber(chain.chainId) : fail(-32602, "expected chainId in hex, got another form");
      if (urlOf(id) === undefined) fail(4902, `the wallet has no chain ${id}; add it with wallet_addEthereumChain`);
      if (id !== selected()) {
        state.change({ chainId: id });
        emit("chainChanged", numberToHex(id));
      }
      return null;
    },
    personal_sign: ([message, address]) => {
      if (typeof message !== "string") fail(-32602, `params[0]: expected the message, a string, got ${typeof message}`);
      return owner(address).signMessage({ message: isHex(message) ? { raw: message } : message });
    },
    eth_signTypedData_v4: ([address, data]) =>
      owner(address).signTypedData(typeof data === "string" ? JSON.parse(data) : data),
    eth_sendTransaction: ([transaction]) => {
      const id = selected();
      const client = createClient({ account: owner(transaction.from ?? undefined), transport: http(urlOf(id)) });
      const chain = { id, name: "", nativeCurrency: { name: "", symbol: "", decimals: 18 }, rpcUrls: { default: { http: [] } } };
      return sendTransaction(client, { ...readTransaction(transaction, id), chain });
    },
    wallet_getCapabilities: ([address, ids]) => {
      owner(address);
      return wallet("wallet_getCapabilities", ids === undefined ? [address] : [address, ids]);
    },
    wallet_sendCalls: async ([given]) => {
      const { id, chain, from, calls, capabilities } = readCalls(given);
      if (id !== undefined && bundle(id) !== undefined) fail(5720, `a bundle with the id ${id} was sent before`);
      if (urlOf(hexToNumber(chain)) === undefined) fail(5710, `the wallet has no chain ${chain}`);
      const signer = owner(from);
      const work = sendCalls({ from: signer.address, chainId: chain, calls, ...(capabilities && { capabilities }) }, signer);
      if (id !== undefined) sending.set(id, work); // at once, so that the same id is refused until then
      try {
        const called = await work;
        state.change({ bundles: { ...state.read().bundles, [id ?? called]: called } });
        return { id: id ?? called };
      } finally {
        if (id !== undefined) sending.delete(id);
      }
    },
    wallet_getCallsStatus: async ([id]) => {
      const called = await (bundle(id) ?? fail(5730, `no bundle with the id ${id} was sent`));
      const { details: _, ...status } = await wallet("wallet_getCallsStatus", [called]);
      return { version: VERSION, ...status, id };
    },
    wallet_showCallsStatus: ([id]) => {
      if (bundle(id) === undefined) fail(5730, `no bundle with the id ${id} was sent`);
      shown.push(id);
      return null;
    },
    wallet_grantPermissions: async ([given]) => {
      const signer = owner(given.address ?? given.account);
      const granted = await wallet("wallet_grantPermissions", [
        { ...given, address: signer.address, chainId: given.chainId ?? numberToHex(selected()) },
      ]);
      const { signatureRequest, ...answer } = granted;
      const context = `${granted.context}${(await signTyped(signer, signatureRequest.data)).slice(2)}`;
      return { ...answer, context, permissionsContext: context };
    },
    wallet_requestExecutionPermissions: async (requests) => {
      const all = requests.flat();
      const signer = owner(all[0]?.from ?? all[0]?.account);
      const filled = all.map((each) => ({ ...each, from: signer.address, chainId: each.chainId ?? numberToHex(selected()) }));
      const answers = await wallet("wallet_requestExecutionPermissions", filled);
      return Promise.all(
        answers.map(async ({ signatureRequest, ...answer }: any) => ({
          ...answer,
          context: `${answer.context}${(await signTyped(signer, signatureRequest.data)).slice(2)}`,
        })),
      );
    },
  };

  return {
    shown,
    request: async ({ method, params }: { method: string; params?: unknown }) => {
      const given: readonly unknown[] = Array.isArray(params) ? params : params === undefined ? [] : [params];
      if (typeof method !== "string") fail(-32600, `method: expected a string, got ${typeof method}`);
      if (CONFIRMED.has(method) && options.confirm !== undefined && !(await options.confirm({ method, params: given })))
        fail(4001, "the user rejected the request");
      if (Object.hasOwn(methods, method)) {
        try {
          return await methods[method]?.(given);
        } catch (error) {
          throw toProviderError(method, error);
        }
      }
      if (method.startsWith("wallet_")) fail(4200, `the method ${method} is not supported by this provider`);
      return request(urlOf(selected()) ?? "", method, given);
    },
    on: (event: string, listener: Listener) => {
      listeners.set(event, (listeners.get(event) ?? new Set()).add(listener));
    },
    removeListener: (event: string, listener: Listener) => {
      listeners.get(event)?.delete(listener);
    },
  } as unknown as TestProvider;
}

/** Read a request of wallet_sendCalls (EIP-5792, version 2.0.0). */
function readCalls(given: SendCalls | undefined) {
  if (given === undefined || given.version !== VERSION)
    fail(-32602, `version: expected ${VERSION}, got ${given?.version ?? "none"}`);
  if (!isHex(given.chainId)) fail(-32602, `chainId: expected a hex number, got ${given.chainId}`);
  if (!Array.isArray(given.calls)) fail(-32602, "calls: expected a list");
  for (const { capabilities = {} } of given.calls as readonly Call[])
    for (const [name, { optional }] of Object.entries(capabilities))
      if (optional !== true) fail(5700, `calls: the capability ${name} of a call is not supported`);
  const calls = (given.calls as readonly Call[]).map(({ capabilities: _, ...call }) => call);
  return { id: given.id, chain: given.chainId, from: given.from, calls, capabilities: given.capabilities };
}

/** Sign what wallet_prepareCalls returned: a user operation, an authorization, or both. */
async function sign(prepared: any, signer: PrivateKeyAccount): Promise<unknown> {
  if (prepared.type === "array")
    return { type: "array", data: await Promise.all(prepared.data.map((each: any) => sign(each, signer))) };
  if (prepared.type === "authorization") {
    const { address, nonce } = (prepared as PreparedAuthorization).data;
    const chainId = hexToNumber(prepared.chainId);
    const { r, s, yParity } = await signer.signAuthorization({ address, chainId, nonce: hexToNumber(nonce) });
    return { ...prepared, signature: { type: "secp256k1", data: { r, s, yParity: numberToHex(yParity ?? 0) } } };
  }
  const { signatureRequest } = prepared as PreparedUserOperation;
  if (signatureRequest?.type !== "personal_sign") fail(5700, `a payload of type ${prepared.type} is not supported`);
  const data = await signer.signMessage({ message: signatureRequest.data as { raw: Hex } });
  return { ...prepared, signature: { type: "secp256k1", data } };
}

function signTyped(signer: PrivateKeyAccount, data: unknown): Promise<Hex> {
  return signer.signTypedData(data as Parameters<PrivateKeyAccount["signTypedData"]>[0]);
}

/** Return the URL of a chain's methods at a URL of the Wallet API, whose path may have a key. */
function chainUrl(wallet: string, id: number): string {
  const url = new URL(wallet, globalThis.location?.href);
  url.searchParams.set("chainId", String(id));
  return url.href;
}

/** Send a JSON-RPC request, and pass the server's errors on with their codes. */
async function request(url: string, method: string, params: readonly unknown[]): Promise<any> {
  const { result, error } = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  })
    .then((response) => response.json())
    .catch(() => fail(4900, UNREACHABLE));
  if (error !== undefined) throw new ProviderError(error.code, error.message, error.data);
  return result;
}

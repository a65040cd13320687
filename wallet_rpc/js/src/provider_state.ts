// What a test wallet remembers: that it is connected, its chains, and the bundles that were sent.
import { keccak256, stringToHex, type Hex } from "viem";

/** The browser's storage that keeps the state between page loads: that of the tab, or that of the whole context. */
export type StorageName = "sessionStorage" | "localStorage";

export type WalletState = {
  isConnected: boolean;
  /** Id of the selected chain. */
  chainId: number;
  /** URLs of the chains that pages added, by id. */
  addedChains: Readonly<Record<string, string>>;
  /** Ids of the server's calls, by the id of the bundle. */
  bundles: Readonly<Record<string, Hex>>;
};

/** Return a function that reads a wallet's state, and one that changes parts of it. */
export function openState(identity: readonly string[], initial: WalletState, name: StorageName | false) {
  const key = `wallet-rpc test wallet ${keccak256(stringToHex(JSON.stringify(identity)))}`;
  let storage = findStorage(name);
  let state = initial;
  // The storage is read each time, since the frames of a tab have one wallet.
  const read = (): WalletState => {
    const text = storage?.getItem(key) ?? null;
    if (text !== null) state = JSON.parse(text);
    return state;
  };
  const change = (part: Partial<WalletState>): void => {
    state = { ...read(), ...part };
    try {
      storage?.setItem(key, JSON.stringify(state));
    } catch {
      storage = undefined; // it is full: the page's own state counts from now on
    }
  };
  return { read, change };
}

/** Return the value that a page stored under a name, which may be that of a member of every object. */
export function getOwn<Value>(values: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

/** Return a browser's storage; Node.js has none, and pages of an opaque origin may not read theirs. */
function findStorage(name: StorageName | false): Storage | undefined {
  if (name === false || typeof window === "undefined") return undefined;
  try {
    return window[name] ?? undefined;
  } catch {
    return undefined;
  }
}

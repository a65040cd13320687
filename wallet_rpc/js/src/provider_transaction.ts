// Reads the transaction of an `eth_sendTransaction` as dapps write it, in the form of JSON-RPC.
import { hexToNumber, isHex, type Hex } from "viem";
import { fail } from "./provider_error.ts";

const TYPES: Readonly<Record<number, string>> = { 0: "legacy", 1: "eip2930", 2: "eip1559", 4: "eip7702" };
const AMOUNTS = ["gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value"];

/** Return the parameters of viem's sendTransaction on the chain of that id; null fields are absent ones. */
export function readTransaction(transaction: object, chainId: number): any {
  const given = Object.entries(transaction).filter(([, value]) => value !== undefined && value !== null);
  const { from: _, type, chainId: chain, nonce, data, input, ...rest } = Object.fromEntries(given);
  if (chain !== undefined && Number(chain) !== chainId) fail(-32602, `chainId: expected the selected chain ${chainId}, got ${chain}`);
  if (data !== undefined && input !== undefined && String(data).toLowerCase() !== String(input).toLowerCase())
    fail(-32602, "data and input: expected the same call data, got different ones");
  const amounts = AMOUNTS.filter((name) => name in rest).map((name) => [name, BigInt(rest[name] as Hex)]);
  const called = data ?? input;
  return {
    ...rest,
    ...Object.fromEntries(amounts),
    ...(called !== undefined && { data: called }),
    ...(nonce !== undefined && { nonce: Number(nonce) }),
    ...(type !== undefined && { type: readType(type) }),
  };
}

function readType(type: unknown): string {
  const name = isHex(type) ? TYPES[hexToNumber(type)] : Object.values(TYPES).find((each) => each === type);
  return name ?? fail(-32602, `type: expected 0x0, 0x1, 0x2 or 0x4, got ${type}`);
}

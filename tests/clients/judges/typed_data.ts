// Typed-data hashes of viem and ethers: one JSON text per line on standard input, one result per line on stdout.
import { createInterface } from "node:readline";
import { TypedDataEncoder, type TypedDataField } from "ethers";
import { hashTypedData, type TypedDataDefinition } from "viem";
import { privateKeyToAccount } from "viem/accounts";

type Types = Record<string, TypedDataField[]>;

/** The intended form of the JSON, which test cases often violate. */
interface TypedData {
  domain?: Record<string, unknown>;
  message: Record<string, unknown>;
  primaryType: string;
  types: Types;
}

interface Case {
  data: TypedData;
  /** True if a local account of viem signs it too, where it can. */
  signed: boolean;
}

const account = privateKeyToAccount("0xd7b061ef04d29cf68b3c89356678eccec9988de8d5ed892c19461c4a9d65925d");
Error.stackTraceLimit = 0; // most cases are invalid, and their stack traces are not used

function resultOrNull<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}

/** ethers uses the one struct that no other contains as primaryType: pass only the structs that primaryType reaches. */
function reachableTypes(types: Types, name: string, found: Types = {}): Types {
  const members = Object.hasOwn(types, name) && !Object.hasOwn(found, name) ? types[name] : undefined;
  if (members === undefined) return found;
  found[name] = members;
  for (const member of members) reachableTypes(types, String(member.type).split("[")[0] ?? "", found);
  return found;
}

function byEthers({ domain, message, primaryType, types }: TypedData): string {
  const { EIP712Domain: _, ...rest } = types; // ethers adds it itself, and rejects it as input
  return TypedDataEncoder.hash(domain ?? {}, reachableTypes(rest, primaryType), message);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { data, signed } = JSON.parse(line) as Case;
  const viem = resultOrNull(() => hashTypedData(data as unknown as TypedDataDefinition));
  const ethers = resultOrNull(() => byEthers(data));
  const signature = signed && viem !== null ? await account.signTypedData(data as unknown as TypedDataDefinition) : null;
  process.stdout.write(`${JSON.stringify({ viem, ethers, signature, signer: account.address })}\n`);
}

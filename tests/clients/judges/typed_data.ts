// What viem and ethers make of typed data: a JSON text a line on standard input, and an answer a line on standard output.
import { createInterface } from "node:readline";
import { TypedDataEncoder, type TypedDataField } from "ethers";
import { hashTypedData, type TypedDataDefinition } from "viem";
import { privateKeyToAccount } from "viem/accounts";

type Types = Record<string, TypedDataField[]>;

/** What the JSON should be, and often is not. */
interface TypedData {
  domain?: Record<string, unknown>;
  message: Record<string, unknown>;
  primaryType: string;
  types: Types;
}

interface Case {
  data: TypedData;
  /** Whether a local account of viem signs it too, where it can. */
  signed: boolean;
}

const account = privateKeyToAccount("0xd7b061ef04d29cf68b3c89356678eccec9988de8d5ed892c19461c4a9d65925d");
Error.stackTraceLimit = 0; // most cases are refused, and nobody reads why

function tried<T>(act: () => T): T | null {
  try {
    return act();
  } catch {
    return null;
  }
}

/** ethers has no primaryType: it finds the one struct that no other uses. So it gets those that primaryType reaches. */
function reached(types: Types, name: string, found: Types = {}): Types {
  const members = Object.hasOwn(types, name) && !Object.hasOwn(found, name) ? types[name] : undefined;
  if (members === undefined) return found;
  found[name] = members;
  for (const member of members) reached(types, String(member.type).split("[")[0] ?? "", found);
  return found;
}

function byEthers({ domain, message, primaryType, types }: TypedData): string {
  const { EIP712Domain: _, ...rest } = types; // ethers writes it itself, and refuses it here
  return TypedDataEncoder.hash(domain ?? {}, reached(rest, primaryType), message);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { data, signed } = JSON.parse(line) as Case;
  const viem = tried(() => hashTypedData(data as unknown as TypedDataDefinition));
  const ethers = tried(() => byEthers(data));
  const signature = signed && viem !== null ? await account.signTypedData(data as unknown as TypedDataDefinition) : null;
  process.stdout.write(`${JSON.stringify({ viem, ethers, signature, signer: account.address })}\n`);
}

// viem's getCapabilities (EIP-5792): of all chains, and of one.
import assert from "node:assert/strict";
import { createWalletClient, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const chain = arbitrumSepolia;
const account = privateKeyToAccount(generatePrivateKey());
const client = createWalletClient({ account, chain, transport: http(url) });

const all = (await client.getCapabilities()) as Record<number, any>;
const each = all[chain.id] ?? all[0];
assert.equal(each.atomic.status, "supported");
assert.equal(each.paymasterService.supported, true);
const one = (await client.getCapabilities({ chainId: chain.id })) as any;
assert.equal(one.atomic.status, "supported");

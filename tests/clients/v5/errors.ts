// Errors arrive as viem's error classes, with a readable message.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { swapActions } from "@alchemy/wallet-apis/experimental";
import { BaseError, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia, mainnet } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const signer = privateKeyToAccount(generatePrivateKey());
const token = "0x7e57000000000000000000000000000000000001";
const client = createSmartWalletClient({ transport: alchemyWalletTransport({ url }), chain, signer });
const { address: account } = await client.requestAccount();

async function fails(promise: Promise<unknown>, name: string, text: RegExp, code?: number) {
  const error = await promise.then(
    () => assert.fail(`expected ${name}`),
    (error: unknown) => error,
  );
  assert(error instanceof BaseError, String(error));
  const found = error.walk((each) => (each as Error).name === name) as (Error & { code?: number }) | null;
  assert(found, `expected ${name}, got ${error.name}: ${error.message}`);
  assert.match(found.message, text);
  if (code !== undefined) assert.equal(found.code, code);
}

const unknown = `0x${chain.id.toString(16).padStart(64, "0")}${"ab".repeat(32)}` as const;
const elsewhere = `0x${(99).toString(16).padStart(64, "0")}${"ab".repeat(32)}` as const;
await fails(client.getCallsStatus({ id: unknown }), "UnknownBundleIdError", /bundle|call/i);
await fails(client.getCallsStatus({ id: elsewhere }), "UnknownBundleIdError", /./);
await fails(client.getCallsStatus({ id: "0x1234" }), "UnknownBundleIdError", /64 bytes/);
await fails(client.prepareCalls({ account, chainId: mainnet.id, calls: [] }), "UnsupportedChainIdError", /./);
await fails(client.prepareCalls({ account: token, calls: [] }), "InvalidParamsRpcError", /from/);
await fails(
  client.grantPermissions({
    account,
    key: { type: "secp256k1", publicKey: "0x12" },
    expirySec: 0,
    permissions: [{ type: "root" }],
  }),
  "InvalidParamsRpcError",
  /key\.publicKey/,
);

// A call that reverts, an account without funds, a signature by another key.
const paymaster = { policyId };
const reverting = [{ to: token, data: "0xa9059cbb" }] as const;
await fails(client.prepareCalls({ account, calls: [...reverting], capabilities: { paymaster } }), "RpcRequestError", /revert/, -32521);
await fails(client.sendCalls({ account, calls: [] }), "InvalidInputRpcError", /balance|deposit|prefund/i);
const prepared = await client.prepareCalls({ account, calls: [], capabilities: { paymaster } });
const thief = createSmartWalletClient({
  transport: alchemyWalletTransport({ url }),
  chain,
  signer: privateKeyToAccount(generatePrivateKey()),
});
const forged = await thief.signPreparedCalls(prepared);
await fails(client.sendPreparedCalls(forged), "RpcRequestError", /signature/, -32507);

// The client itself rejects a malformed request.
await assert.rejects(
  client.prepareCalls({ account, calls: [], capabilities: { paymaster: { policyId: "not-a-uuid" } } }),
  /policyId/,
);

// Unsupported methods are rejected by name.
const swaps = client.extend(swapActions);
await fails(
  swaps.requestQuoteV0({ account, fromToken: token, toToken: account, fromAmount: 1n }),
  "UnsupportedNonOptionalCapabilityError",
  /swaps are not supported here/,
);

// Unknown methods, and parameters that are not an object.
const raw = http(url)({ chain });
await fails(raw.request({ method: "wallet_flyToTheMoon", params: [] }), "MethodNotFoundRpcError", /wallet_flyToTheMoon/);
await fails(raw.request({ method: "wallet_requestAccount", params: ["0x12"] }), "InvalidParamsRpcError", /params: expected an object/);
await fails(raw.request({ method: "wallet_requestAccount", params: [{}] }), "InvalidParamsRpcError", /signerAddress/);

// viem alone: an address becomes an account by delegation; every signature is made by hand.
import assert from "node:assert/strict";
import { createPublicClient, createWalletClient, http, parseSignature, type Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const chain = arbitrumSepolia;
const owner = privateKeyToAccount(generatePrivateKey());
const chainId = `0x${chain.id.toString(16)}`;
const reader = createPublicClient({ chain, transport: http(url) });
const client = createWalletClient({ chain, transport: http(url) });
const wallet = (method: string, ...params: unknown[]) => client.request({ method, params } as never) as Promise<any>;
const paymasterService = { policyId: "11111111-2222-4333-8444-555555555555" };
const prepare = () =>
  wallet("wallet_prepareCalls", {
    from: owner.address,
    chainId,
    calls: [{ to: "0x000000000000000000000000000000000000dEaD" }],
    capabilities: { paymasterService },
  });

const { type, data } = await prepare();
assert.equal(type, "array");
const [authorization, operation] = data;
assert.deepEqual([authorization.type, operation.type], ["authorization", "user-operation-v070"]);
assert.equal(authorization.signatureRequest.type, "eip7702Auth");

// The authorization may be signed by viem or as a bare hash; both give the same signature.
const { address, nonce } = authorization.data;
const { r, s, yParity = 0 } = await owner.signAuthorization({ address, chainId: chain.id, nonce: Number(nonce) });
const bare = parseSignature(await owner.sign({ hash: authorization.signatureRequest.rawPayload }));
assert.deepEqual([r, s, yParity], [bare.r, bare.s, bare.yParity]);
const signed = [
  { ...operation, signature: { type: "secp256k1", data: await owner.signMessage({ message: operation.signatureRequest.data }) } },
  { ...authorization, signature: { type: "secp256k1", data: { r, s, yParity: `0x${yParity.toString(16)}` } } },
]; // in any order
const { id } = await wallet("wallet_sendPreparedCalls", { type, data: signed });
assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
assert.equal(await reader.getCode({ address: owner.address }), `0xef0100${address.slice(2).toLowerCase()}` as Hex);
assert.equal((await prepare()).type, "user-operation-v070");

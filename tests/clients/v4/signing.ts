// Account Kit (v4): messages and typed data, signed by the client alone, verified with viem.
import assert from "node:assert/strict";
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia } from "@account-kit/infra";
import { createSmartWalletClient, formatSign, prepareSign } from "@account-kit/wallet-client";
import { createPublicClient, http, zeroAddress, type Hex } from "viem";
import { generatePrivateKey } from "viem/accounts";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const chain = arbitrumSepolia;
const signer = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
const reader = createPublicClient({ chain, transport: http(url) });
const policyId = "11111111-2222-4333-8444-555555555555";
const client = createSmartWalletClient({ transport: alchemy({ rpcUrl: url }), chain, signer, policyId });
const { address } = await client.requestAccount();
const typed = {
  domain: { name: "Ether Mail", version: "1", chainId: chain.id },
  types: { Mail: [{ name: "contents", type: "string" }] },
  primaryType: "Mail",
  message: { contents: "Hello" },
} as const;

for (const deployed of [false, true]) {
  if (deployed) {
    const { preparedCallIds } = await client.sendCalls({ from: address, calls: [{ to: zeroAddress }] });
    assert(preparedCallIds[0]);
    assert.equal((await client.waitForCallsStatus({ id: preparedCallIds[0], pollingInterval: 50 })).status, "success");
  }
  const message = await client.signMessage({ account: address, message: "hello world" });
  assert.equal(message.length === 2 + 2 * 72, deployed);
  assert.equal(await reader.verifyMessage({ address, message: "hello world", signature: message }), true);
  assert.equal(await reader.verifyMessage({ address, message: "another", signature: message }), false);
  const signature = await client.signTypedData({ account: address, ...typed });
  assert.equal(await reader.verifyTypedData({ address, ...typed, signature }), true);

  // The server's methods give the same signature as the client's own computation.
  const prepared = await prepareSign(client as never, {
    from: address,
    signatureRequest: { type: "personal_sign", data: "hello world" },
  });
  assert(prepared.signatureRequest.type === "eth_signTypedData_v4");
  const signed = (await signer.signTypedData(prepared.signatureRequest.data as never)) as Hex;
  const formed = await formatSign(client as never, { from: address, signature: { type: "ecdsa", data: signed } });
  assert.equal(formed.signature, message.toLowerCase());
}

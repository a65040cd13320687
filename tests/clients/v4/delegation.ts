// Account Kit (v4): the signer's address becomes the account by delegation (EIP-7702).
import assert from "node:assert/strict";
import { LocalAccountSigner } from "@aa-sdk/core";
import { alchemy, arbitrumSepolia } from "@account-kit/infra";
import { createSmartWalletClient } from "@account-kit/wallet-client";
import { createPublicClient, http, zeroAddress } from "viem";
import { generatePrivateKey } from "viem/accounts";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const policyId = "11111111-2222-4333-8444-555555555555";
const chain = arbitrumSepolia;
const signer = LocalAccountSigner.privateKeyToAccountSigner(generatePrivateKey());
const address = await signer.getAddress();
const reader = createPublicClient({ chain, transport: http(url) });
const client = createSmartWalletClient({ transport: alchemy({ rpcUrl: url }), chain, signer, policyId });

const account = await client.requestAccount({ creationHint: { accountType: "7702" } });
assert.equal(account.address, address);

for (const type of ["array", "user-operation-v070"] as const) {
  const request = {
    from: address,
    calls: [{ to: zeroAddress, value: "0x0" } as const],
    capabilities: { eip7702Auth: true, paymasterService: { policyId } } as const,
  };
  const prepared = await client.prepareCalls(request);
  assert.equal(prepared.type, type);
  const { preparedCallIds } = await client.sendPreparedCalls(await client.signPreparedCalls(prepared));
  assert(preparedCallIds[0]);
  assert.equal((await client.waitForCallsStatus({ id: preparedCallIds[0], pollingInterval: 50 })).status, "success");
  const code = await reader.getCode({ address });
  assert.equal(code?.toLowerCase(), "0xef010069007702764179f14f51cdce752f4f775d74e139");
}

const signature = await client.signMessage({ account: address, message: "hello world" });
assert.equal(await reader.verifyMessage({ address, message: "hello world", signature }), true);

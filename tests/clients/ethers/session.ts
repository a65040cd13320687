// ethers: an account, a session for a second key, and calls by it, with nothing but a provider and two keys.
import assert from "node:assert/strict";
import { getBytes, JsonRpcProvider, parseEther, toQuantity, Wallet } from "ethers";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337";
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const provider = new JsonRpcProvider(url);
const owner = Wallet.createRandom();
const sessionKey = Wallet.createRandom();
const friend = Wallet.createRandom().address;
const chainId = toQuantity((await provider.getNetwork()).chainId);
const policyId = "11111111-2222-4333-8444-555555555555";

const { accountAddress } = await provider.send("wallet_requestAccount", [{ signerAddress: owner.address }]);
const faucet = new JsonRpcProvider(node);
await faucet.send("anvil_setBalance", [accountAddress, toQuantity(parseEther("1"))]);

const { sessionId, signatureRequest } = await provider.send("wallet_createSession", [
  {
    account: accountAddress,
    chainId,
    expirySec: Math.floor(Date.now() / 1000) + 60 * 60,
    key: { type: "secp256k1", publicKey: sessionKey.address },
    permissions: [
      { type: "native-token-transfer", data: { allowance: toQuantity(parseEther("0.01")) } },
      { type: "contract-access", data: { address: friend } },
    ],
  },
]);
const { domain, types, message } = signatureRequest.data;
const permissions = { sessionId, signature: await owner.signTypedData(domain, types, message) };

async function act(signer: { signMessage(message: Uint8Array): Promise<string> }, value: bigint, more: object) {
  const prepared = await provider.send("wallet_prepareCalls", [
    {
      from: accountAddress,
      chainId,
      calls: [{ to: friend, value: toQuantity(value) }],
      capabilities: { paymasterService: { policyId }, ...more },
    },
  ]);
  const data = await signer.signMessage(getBytes(prepared.signatureRequest.data.raw));
  const { type, data: operation } = prepared;
  const { id } = await provider.send("wallet_sendPreparedCalls", [
    { type, data: operation, chainId, capabilities: more, signature: { type: "secp256k1", data } },
  ]);
  for (;;) {
    const { status } = await provider.send("wallet_getCallsStatus", [id]);
    if (status >= 200) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

assert.equal(await act(sessionKey, parseEther("0.004"), { permissions }), 200);
assert.equal(await act(sessionKey, parseEther("0.004"), { permissions }), 200);
await assert.rejects(act(sessionKey, parseEther("0.004"), { permissions }), /native-token-transfer/);
assert.equal(await act(owner, parseEther("0.1"), {}), 200);
await assert.rejects(act(sessionKey, 1n, {}), /signature/); // without permissions, the owner must sign
assert.equal(await provider.getBalance(friend), parseEther("0.108"));
provider.destroy();
faucet.destroy();

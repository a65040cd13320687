// ethers: an address becomes an account by delegation; the authorization is signed as a bare hash.
import assert from "node:assert/strict";
import { getBytes, JsonRpcProvider, toQuantity, Wallet } from "ethers";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337";
const provider = new JsonRpcProvider(url);
const owner = Wallet.createRandom();
const chainId = toQuantity((await provider.getNetwork()).chainId);

async function send() {
  const { type, data, ...single } = await provider.send("wallet_prepareCalls", [
    {
      from: owner.address,
      chainId,
      calls: [{ to: "0x000000000000000000000000000000000000dEaD", data: "0x", value: "0x0" }],
      capabilities: { paymasterService: { policyId: "11111111-2222-4333-8444-555555555555" } },
    },
  ]);
  const sign = async (call: any) => ({
    type: call.type,
    chainId: call.chainId,
    data: call.data,
    signature: {
      type: "secp256k1",
      data:
        call.type === "authorization"
          ? owner.signingKey.sign(call.signatureRequest.rawPayload).serialized
          : await owner.signMessage(getBytes(call.signatureRequest.data.raw)),
    },
  });
  const signed =
    type === "array" ? { type, data: await Promise.all(data.map(sign)) } : await sign({ type, data, ...single });
  const { id } = await provider.send("wallet_sendPreparedCalls", [signed]);
  for (;;) {
    const { status } = await provider.send("wallet_getCallsStatus", [id]);
    if (status >= 200) return { type, status };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

assert.deepEqual(await send(), { type: "array", status: 200 });
assert.match(await provider.getCode(owner.address), /^0xef010069007702764179f14f51cdce752f4f775d74e139$/);
assert.deepEqual(await send(), { type: "user-operation-v070", status: 200 });
provider.destroy();

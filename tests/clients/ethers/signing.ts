// ethers: a message signed for an account, verified by the account's contract (ERC-1271).
import assert from "node:assert/strict";
import { Contract, getBytes, hashMessage, JsonRpcProvider, toQuantity, TypedDataEncoder, Wallet } from "ethers";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337";
const provider = new JsonRpcProvider(url, undefined, { cacheTimeout: -1 });
const owner = Wallet.createRandom();
const chainId = toQuantity((await provider.getNetwork()).chainId);
const { accountAddress: from } = await provider.send("wallet_requestAccount", [{ signerAddress: owner.address }]);

// The account must be deployed to verify a signature: an empty call deploys it.
const capabilities = { paymasterService: { policyId: "11111111-2222-4333-8444-555555555555" } };
const { type, data, signatureRequest } = await provider.send("wallet_prepareCalls", [{ from, chainId, capabilities }]);
const approval = { type: "secp256k1", data: await owner.signMessage(getBytes(signatureRequest.data.raw)) };
await provider.send("wallet_sendPreparedCalls", [{ type, data, chainId, signature: approval }]);
while ((await provider.getCode(from)) === "0x") await new Promise((resolve) => setTimeout(resolve, 50));

const abi = ["function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)"];
const contract = new Contract(from, abi, provider) as any;

async function signed(request: object): Promise<string> {
  const prepared = await provider.send("wallet_prepareSign", [{ from, chainId, signatureRequest: request }]);
  const { domain, types, message } = prepared.signatureRequest.data;
  const signature = { type: "ecdsa", data: await owner.signTypedData(domain, types, message) };
  return (await provider.send("wallet_formatSign", [{ from, chainId, signature }])).signature;
}

const message = await signed({ type: "personal_sign", data: "hello world" });
assert.equal(await contract.isValidSignature(hashMessage("hello world"), message), "0x1626ba7e");
assert.notEqual(await contract.isValidSignature(hashMessage("another"), message), "0x1626ba7e");

const domain = { name: "Ether Mail", chainId: Number(chainId) };
const types = { Mail: [{ name: "contents", type: "string" }] };
const mail = { contents: "Hello" };
const typed = await signed({
  type: "eth_signTypedData_v4",
  data: {
    domain,
    types: { ...types, EIP712Domain: [{ name: "name", type: "string" }, { name: "chainId", type: "uint256" }] },
    primaryType: "Mail",
    message: mail,
  },
});
assert.equal(await contract.isValidSignature(TypedDataEncoder.hash(domain, types, mail), typed), "0x1626ba7e");
provider.destroy();

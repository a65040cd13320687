// MetaMask's smart-accounts-kit: its actions of ERC-7715, and the revocation that it has no action for.
import assert from "node:assert/strict";
import { erc7715ProviderActions } from "@metamask/smart-accounts-kit/actions";
import { createTestClient, createWalletClient, http, parseEther, type Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const node = process.env.NODE_URL ?? url; // funds accounts; the embedded chain has the same URL
const chain = arbitrumSepolia;
const headers = { authorization: `Bearer ${process.env.WALLET_API_KEY}` };
const transport = http(url, { fetchOptions: { headers } });
const owner = privateKeyToAccount(generatePrivateKey());
const sessionKey = privateKeyToAccount(generatePrivateKey());
const friend = privateKeyToAccount(generatePrivateKey()).address;
const token = "0x7e57000000000000000000000000000000000001";
const chainId = `0x${chain.id.toString(16)}`;
const faucet = createTestClient({ chain, mode: "anvil", transport: http(node) });
const client = createWalletClient({ chain, transport }).extend(erc7715ProviderActions());
const wallet = (method: string, ...params: unknown[]) => client.request({ method, params } as never) as Promise<any>;

const { accountAddress: account } = await wallet("wallet_requestAccount", { signerAddress: owner.address });
await faucet.setBalance({ address: account, value: parseEther("1") });

const supported = await client.getSupportedExecutionPermissions();
for (const kind of ["native-token-allowance", "erc20-token-allowance"]) {
  assert.ok(supported[kind]?.chainIds.includes(chain.id));
  assert.deepEqual(supported[kind]?.ruleTypes, ["expiry"]);
}
assert.equal(supported["native-token-stream"], undefined);

const expiry = Math.floor(Date.now() / 1000) + 60 * 60;
const common = { chainId: chain.id, from: account, to: sessionKey.address, expiry };
const requested = await client.requestExecutionPermissions([
  {
    ...common,
    permission: { type: "native-token-allowance", data: { allowanceAmount: 100n }, isAdjustmentAllowed: false },
  },
  {
    ...common,
    permission: {
      type: "erc20-token-allowance",
      data: { tokenAddress: token, allowanceAmount: 7n, justification: "lunch" },
      isAdjustmentAllowed: false,
    },
  },
]);
assert.equal(requested.length, 2);
assert.equal((requested[0]?.permission.data as any).allowanceAmount, 100n);

async function mine() {
  const granted = (await client.getGrantedExecutionPermissions()) as any[];
  return granted.filter((one) => one.from === account);
}
assert.deepEqual(await mine(), []); // the owner has not signed yet

async function prepare(grant: any, call: { to: string; value?: Hex; data?: Hex }) {
  const context = grant.context + (await owner.signTypedData(grant.signatureRequest.data)).slice(2);
  const capabilities = { permissions: { context } };
  return wallet("wallet_prepareCalls", { from: account, chainId, calls: [call], capabilities });
}
const [native, erc20] = requested as any[];
await prepare(native, { to: friend, value: "0x64" });
await assert.rejects(prepare(native, { to: friend, value: "0x65" }));
await prepare(erc20, { to: token, data: `0xa9059cbb${friend.slice(2).padStart(64, "0")}${"0".repeat(64)}` });

const granted = await mine();
assert.deepEqual(granted.map((one) => one.sessionId).sort(), [native.sessionId, erc20.sessionId].sort());
for (const one of granted) {
  const given = one.sessionId === native.sessionId ? native : erc20;
  assert.deepEqual([one.chainId, one.to, one.context], [chain.id, sessionKey.address, given.context]);
  assert.equal(one.permission.type, given.permission.type);
  assert.equal(one.permission.data.allowanceAmount, given.permission.data.allowanceAmount);
  assert.deepEqual(one.rules, [{ type: "expiry", data: { timestamp: expiry } }]);
}

assert.deepEqual(await wallet("wallet_revokeExecutionPermission", { permissionContext: native.context }), {});
assert.deepEqual((await mine()).map((one) => one.sessionId), [erc20.sessionId]);
await assert.rejects(prepare(native, { to: friend, value: "0x1" }), /Session revoked/);

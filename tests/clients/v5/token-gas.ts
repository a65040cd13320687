// Gas paid in ERC-20, for a new account of either type: by a permit, an exact approval or a threshold approval.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { createPublicClient, encodeFunctionData, http, parseAbi } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const policyId = "11111111-2222-4333-8444-555555555555";
const token = "0x7e57000000000000000000000000000000000001"; // an ERC-20 of the embedded chain; anyone may mint
const paymaster = "0x7e57000000000000000000000000000000000003"; // charges gas in it
const friend = "0x00000000000000000000000000000000f00dcafe";
const abi = parseAbi([
  "function mint(address to, uint256 amount)",
  "function balanceOf(address) view returns (uint256)",
  "function allowance(address owner, address spender) view returns (uint256)",
]);
const plenty = 10n ** 24n;
const amount = 10n ** 22n;
const chain = arbitrumSepolia;
const transport = alchemyWalletTransport({ url });
const reader = createPublicClient({ chain, transport: http(url), cacheTime: 0 });
const tokenBalance = (owner: `0x${string}`) =>
  reader.readContract({ address: token, abi, functionName: "balanceOf", args: [owner] });
const allowed = (owner: `0x${string}`) =>
  reader.readContract({ address: token, abi, functionName: "allowance", args: [owner, paymaster] });

const minter = createSmartWalletClient({
  transport,
  chain,
  signer: privateKeyToAccount(generatePrivateKey()),
  paymaster: { policyId },
});

/** Create an account with tokens but no code and no native balance: a counterfactual one, or the signer's address. */
async function payer(kind: "sma-b" | "7702") {
  const signer = privateKeyToAccount(generatePrivateKey());
  const requester = createSmartWalletClient({ transport, chain, signer });
  const account = kind === "sma-b" ? (await requester.requestAccount()).address : signer.address;
  const data = encodeFunctionData({ abi, functionName: "mint", args: [account, plenty] });
  const { id } = await minter.sendCalls({ calls: [{ to: token, data }] });
  assert.equal((await minter.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
  const client = createSmartWalletClient({ transport, chain, signer, account });
  const calls = [{ to: friend, value: 0n }] as const;

  /** Send calls through the SDK, wait for the receipt, and return the token amount that the account paid. */
  async function pays(settings: object) {
    const [before, received] = [await tokenBalance(account), await tokenBalance(paymaster)];
    const capabilities = { paymaster: { policyId, erc20: { tokenAddress: token, ...settings } } } as const;
    const sent = await client.sendCalls({ calls: [...calls], capabilities });
    const done = await client.waitForCallsStatus({ id: sent.id, pollingInterval: 50 });
    assert.equal(done.status, "success");
    const paid = before - (await tokenBalance(account));
    assert(paid > 0n);
    assert.equal((await tokenBalance(paymaster)) - received, paid);
    assert.equal(await reader.getBalance({ address: account }), 0n);
    return paid;
  }

  return { account, client, calls: [...calls], pays };
}

for (const kind of ["sma-b", "7702"] as const) {
  // A permit, signed before the operation; the paymaster charges the maximum first and refunds the rest.
  const permitting = await payer(kind);
  const preOpSettings = { autoPermit: { below: amount, amount, durationSeconds: 3600 } };
  const requested = await permitting.client.prepareCalls({
    calls: permitting.calls,
    capabilities: { paymaster: { policyId, erc20: { tokenAddress: token, preOpSettings } } },
  });
  assert.equal(requested.type, "paymaster-permit");
  const permitted = await permitting.pays({ preOpSettings });
  const left = await allowed(permitting.account);
  assert(left > 0n && left <= amount - permitted);

  // An approval of exactly the maximum charge, before the calls.
  const exact = await payer(kind);
  const prepared = await exact.client.prepareCalls({
    calls: exact.calls,
    capabilities: { paymaster: { policyId, erc20: { tokenAddress: token, postOpSettings: { autoApprove: true } } } },
  });
  const operation = prepared.type === "array" ? prepared.data[1] : prepared;
  assert(operation?.type === "user-operation-v070");
  assert.equal(prepared.type === "array", kind === "7702");
  assert.equal(operation.feePayment.sponsored, false);
  assert.equal(operation.feePayment.tokenAddress.toLowerCase(), token);
  if (prepared.type === "user-operation-v070") assert.equal(prepared.details?.data.calls.length, 2);
  const maxAmount = BigInt(operation.feePayment.maxAmount);
  const { id } = await exact.client.sendPreparedCalls(await exact.client.signPreparedCalls(prepared));
  assert.equal((await exact.client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");
  const paid = plenty - (await tokenBalance(exact.account));
  assert(paid > 0n && paid <= maxAmount);
  assert.equal(await allowed(exact.account), maxAmount - paid);
  assert((await exact.pays({ postOpSettings: { autoApprove: true } })) > 0n);

  // An approval of an amount when the allowance is below a threshold; then the rest of it, without any settings.
  const thresholded = await payer(kind);
  const postOpSettings = { autoApprove: { below: 1n, amount } };
  const first = await thresholded.pays({ postOpSettings });
  assert.equal(await allowed(thresholded.account), amount - first);
  const second = await thresholded.pays({ postOpSettings });
  const third = await thresholded.pays({});
  assert.equal(await allowed(thresholded.account), amount - first - second - third);
}

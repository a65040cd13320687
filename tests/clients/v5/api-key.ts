// A back end with an API key, which the SDK sends as a bearer token, and a front end with a session token as its JWT.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia as chain } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const apiKey = process.env.WALLET_API_KEY ?? "wrk_dev_everyone_knows_this_key"; // of `wallet-rpc dev`
const paymaster = { policyId: "11111111-2222-4333-8444-555555555555" };
const signer = privateKeyToAccount(generatePrivateKey());
const other = privateKeyToAccount(generatePrivateKey());
const calls = [{ to: zeroAddress }];

const client = createSmartWalletClient({ transport: alchemyWalletTransport({ url, apiKey }), chain, signer, paymaster });
const { address: account } = await client.requestAccount();
const { id } = await client.sendCalls({ account, calls });
assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");

const stranger = alchemyWalletTransport({ url, apiKey: "wrk_nobody_has_this_key" });
await assert.rejects(createSmartWalletClient({ transport: stranger, chain, signer }).requestAccount(), /Invalid API key/);

// Your back end requests a token for this wallet, and passes it to the front end.
const answer = await fetch(new URL("/v1/sessions", url), {
  method: "POST",
  headers: { "X-Api-Key": apiKey, "Content-Type": "application/json" },
  body: JSON.stringify({ walletAddress: signer.address, ttlSeconds: 600 }),
});
const { token: jwt } = await answer.json();
const transport = alchemyWalletTransport({ url, jwt });
const page = createSmartWalletClient({ transport, chain, signer, paymaster });
assert.equal((await page.requestAccount()).address, account);

// A front end must send the submission ticket of the prepared calls. The SDK's sendCalls cannot: send by hand.
const wallet = (method: string, ...params: unknown[]) => page.request({ method, params } as never) as Promise<any>;
const capabilities = { paymasterService: paymaster };
const { type, data, chainId, signatureRequest, submissionTicket } = await wallet("wallet_prepareCalls", {
  from: account,
  chainId: `0x${chain.id.toString(16)}`,
  calls,
  capabilities,
});
const signature = { type: "secp256k1", data: await signer.signMessage({ message: signatureRequest.data }) };
const sent = await wallet("wallet_sendPreparedCalls", { type, data, chainId, signature, submissionTicket });
assert.equal((await page.waitForCallsStatus({ id: sent.id, pollingInterval: 50 })).status, "success");
await assert.rejects(page.sendCalls({ account, calls }), /Submission ticket required/);
await assert.rejects(createSmartWalletClient({ transport, chain, signer: other }).requestAccount(), /Wallet mismatch/);

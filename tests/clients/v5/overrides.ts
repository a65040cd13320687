// Simulate with a state override, and append a data suffix to the call data (ERC-8021).
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { parseEther } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const paymaster = { policyId: "11111111-2222-4333-8444-555555555555" };
const chain = arbitrumSepolia;
const signer = privateKeyToAccount(generatePrivateKey());
const client = createSmartWalletClient({ transport: alchemyWalletTransport({ url }), chain, signer });
const { address: account } = await client.requestAccount();

// The account has no balance to send, except in a simulation that overrides it.
const calls = [{ to: signer.address, value: parseEther("1") }];
await assert.rejects(client.prepareCalls({ account, calls, capabilities: { paymaster } }), /revert|balance/i);
const stateOverride = { [account]: { balance: parseEther("2") } };
const simulated = await client.prepareCalls({ account, calls, capabilities: { paymaster, stateOverride } });
assert(simulated.type === "user-operation-v070" && simulated.data.callGasLimit > 0n);

// A suffix that names the origin of the calls is part of the call data.
const value = "0x62617365626173650004";
const prepared = await client.prepareCalls({
  account,
  calls: [],
  capabilities: { paymaster, experimental_dataSuffix: { value } },
});
assert(prepared.type === "user-operation-v070");
assert(prepared.data.callData.endsWith(value.slice(2)));
const { id } = await client.sendPreparedCalls(await client.signPreparedCalls(prepared));
assert.equal((await client.waitForCallsStatus({ id, pollingInterval: 50 })).status, "success");

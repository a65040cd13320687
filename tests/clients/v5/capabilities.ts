// The server's capabilities, under the client's names.
import assert from "node:assert/strict";
import { alchemyWalletTransport, createSmartWalletClient } from "@alchemy/wallet-apis";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { arbitrumSepolia } from "viem/chains";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const client = createSmartWalletClient({
  transport: alchemyWalletTransport({ url }),
  chain: arbitrumSepolia,
  signer: privateKeyToAccount(generatePrivateKey()),
});

const { address } = await client.requestAccount();
for (const account of [undefined, address]) {
  const { atomic, permissions, ...others } = (await client.getCapabilities({ account })) as any;
  assert.equal(atomic.status, "supported");
  for (const name of ["paymaster", "gasParamsOverride", "nonceOverride", "permissions"]) {
    assert.equal((name === "permissions" ? permissions : others[name])?.supported, true, name);
  }
  assert(permissions.keyTypes.includes("secp256k1"));
  assert.equal(permissions.permissionTypes.length, 8);
}

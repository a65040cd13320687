// Calls methods by the client that the official generator made, and prints the results.
const { WalletRpc } = require("./client/index.js");

const { hostname: host, port } = new URL(process.argv[2]);
const signerAddress = process.argv[3];
const client = new WalletRpc({ transport: { type: "http", host, port: Number(port), path: "" } });

(async () => {
  const { accountAddress } = await client.wallet_requestAccount({ signerAddress });
  const capabilities = await client.wallet_getCapabilities(accountAddress);
  const unchecked = await client.wallet_requestAccount({ signerAddress: "0x12" }).then(() => true, () => false);
  console.log(JSON.stringify({ accountAddress, chains: Object.keys(capabilities), unchecked }));
})();

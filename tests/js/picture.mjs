// Draws the page with some sessions and calls: `node picture.mjs FILE`, by tests/js/picture.py.
import { chromium } from "playwright-core";
import { createClient, createTestClient, encodeFunctionData, http, numberToHex, parseAbi, parseEther } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { startWalletRpc, walletRpcActions } from "wallet-rpc-test";

const SPONSORED = { paymasterService: { policyId: "11111111-2222-4333-8444-555555555555" } };
const server = await startWalletRpc();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  const chainId = numberToHex(foundry.id);
  const wallet = createClient({ transport: http(server.url, { fetchOptions: { headers: { "x-api-key": server.apiKey } } }) }).extend(walletRpcActions());
  const chain = createTestClient({ chain: foundry, mode: "anvil", transport: http(server.url) });
  const [owner, key, other] = server.accounts.map((each) => privateKeyToAccount(each.privateKey));
  const { accountAddress: account } = await wallet.requestAccount({ signerAddress: owner.address });
  await chain.setBalance({ address: account, value: parseEther("5") });

  const send = async (signer, calls, permissions) => {
    const prepared = await wallet.prepareCalls({ from: account, chainId, calls, capabilities: { ...SPONSORED, ...(permissions && { permissions }) } });
    const signature = { type: "secp256k1", data: await signer.signMessage({ message: prepared.signatureRequest.data }) };
    const { id } = await wallet.sendPreparedCalls({ ...prepared, signature, ...(permissions && { capabilities: { permissions } }) });
    while ((await wallet.getCallsStatus(id)).status < 200);
  };
  const grant = async (signer, hours, permissions, tags, rules) => {
    const expirySec = Math.floor(Date.now() / 1000) + hours * 3600 + 60;
    const session = await wallet.createSession({ account, chainId, key: { type: "secp256k1", publicKey: signer.address }, permissions, expirySec });
    await wallet.setSessionTags({ sessionId: session.sessionId, tags });
    if (rules) await wallet.setSessionRules({ sessionId: session.sessionId, rules });
    return { sessionId: session.sessionId, signature: await owner.signTypedData(session.signatureRequest.data) };
  };
  const coins = (amount) => ({ type: "native-token-transfer", data: { allowance: numberToHex(parseEther(amount)) } });
  const tokens = { type: "erc20-token-transfer", data: { address: server.testToken, allowance: numberToHex(1000n) } };
  const token = (name, ...args) => ({ to: server.testToken, data: encodeFunctionData({ abi: parseAbi([`function ${name}(address to, uint256 amount)`]), args }) });

  await send(owner, [token("mint", account, parseEther("250"))]);
  await send(owner, [token("transfer", other.address, parseEther("12.5")), { to: key.address, value: numberToHex(parseEther("0.2")) }]);
  const bot = await grant(key, 24, [coins("0.5"), tokens, { type: "contract-access", data: { address: other.address } }], ["checkout"], [{ type: "calls", limit: 20, period: "day" }]);
  await send(key, [token("transfer", other.address, 350n)], bot);
  await send(key, [{ to: other.address, value: numberToHex(parseEther("0.15")) }, token("transfer", server.accounts[3].address, 120n)], bot);
  const paused = await grant(other, 2, [coins("0.05"), { type: "functions-on-all-contracts", data: { functions: ["0x00000000"] } }], ["tips"]);
  await wallet.pauseSession({ sessionId: paused.sessionId });

  const page = await browser.newPage({ viewport: { width: 1280, height: 1010 } });
  await page.goto(server.url);
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByText("transfer(").first().waitFor();
  await page.locator("#account-list").getByText("Wallet 1").waitFor();
  await page.screenshot({ path: process.argv[2] });
} finally {
  await browser.close();
  await server.stop();
}

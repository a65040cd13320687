// The page of `dev` in Chromium, as people use it: by mouse, by keyboard alone, in both colour schemes.
import { readFile } from "node:fs/promises";
import { chromium, type Browser, type Page } from "playwright-core";
import { concat, createClient, createTestClient, encodeErrorResult, encodeFunctionData, erc20Abi, http, numberToHex, parseAbi, parseEther, publicActions, size, type Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { startWalletRpc, walletRpcActions, type WalletRpc } from "wallet-rpc-test";

const MARKUP = "<img src=x onerror=alert(1)>";
const policyId = "11111111-2222-4333-8444-555555555555";
const chainId = numberToHex(foundry.id);
const friend = "0x000000000000000000000000000000000000dEaD";
const reverting = "0x00000000000000000000000000000000baDc0DE5";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000 });

let server: WalletRpc;
let browser: Browser;
let page: Page;
let account: Hex;
let session: { sessionId: Hex };
const keyed = (url: string, apiKey: string) => createClient({ transport: http(url, { fetchOptions: { headers: { "x-api-key": apiKey } } }) }).extend(walletRpcActions());
const wallet = () => keyed(server.url, server.apiKey);
const chain = (id: number = foundry.id) => createTestClient({ chain: foundry, mode: "anvil", transport: http(server.chains[id]) }).extend(publicActions);
const owner = privateKeyToAccount(generatePrivateKey());

beforeAll(async () => {
  server = await startWalletRpc({ chainIds: [31337, 421614] });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
  ({ accountAddress: account } = await wallet().requestAccount({ signerAddress: owner.address }));
  await chain().setBalance({ address: account, value: parseEther("1") });
  session = await wallet().createSession({
    account,
    chainId,
    key: { type: "secp256k1", publicKey: privateKeyToAccount(generatePrivateKey()).address },
    permissions: [
      { type: "native-token-transfer", data: { allowance: numberToHex(parseEther("0.25")) } },
      { type: "erc20-token-transfer", data: { address: server.testToken, allowance: numberToHex(7n) } },
    ],
    expirySec: Math.floor(Date.now() / 1000) + 3600,
  });
  await wallet().setSessionTags({ sessionId: session.sessionId, tags: [MARKUP] });
  const rules = [{ type: "calls", limit: 3, period: "day" }, { type: "recipients", block: [friend] }] as const;
  await wallet().setSessionRules({ sessionId: session.sessionId, rules } as never);
  page = await openPage(server.url);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

// Everything that goes wrong in a page: messages of the console, violations of the policy, requests to other hosts.
const wrong: string[] = [];
const frames: string[] = [];
afterEach(() => expect(wrong.splice(0)).toEqual([]));

async function openPage(url: string) {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  const opened = await context.newPage();
  opened.on("console", (message) => wrong.push(`${message.type()}: ${message.text()}`));
  opened.on("pageerror", (error) => wrong.push(String(error)));
  opened.on("dialog", (dialog) => (wrong.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
  opened.on("request", (request) => request.url().startsWith(`${url}/`) || wrong.push(`request: ${request.url()}`));
  opened.on("websocket", (socket) => {
    if (!socket.url().startsWith(`${url.replace("http", "ws")}/`)) wrong.push(socket.url());
    socket.on("framereceived", ({ payload }) => frames.push(String(payload)));
  });
  await opened.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(event.violatedDirective)));
  await opened.goto(`${url}/`);
  return opened;
}
const LISTS = ["Sessions", "Calls", "Accounts", "Last blocks"];
const card = (name: string) => page.getByRole("region", { name });
const text = (name: string) => soon(() => card(name).innerText());

async function sendByOwner(call: { to: Hex; value?: Hex; data?: Hex }, beforeSending = async () => {}) {
  const prepared: any = await wallet().prepareCalls({ from: account, chainId, calls: [call], capabilities: { paymasterService: { policyId } } });
  const signature = { type: "secp256k1", data: await owner.signMessage({ message: prepared.signatureRequest.data }) };
  await beforeSending();
  const { id }: any = await wallet().sendPreparedCalls({ ...prepared, signature });
  await soon(() => wallet().getCallsStatus(id).then((each) => each.status)).toBeGreaterThanOrEqual(200);
}

test("the page shows the parts, the accounts and their keys, and copies them", async () => {
  const parts = page.locator("#status");
  await soon(() => parts.innerText()).toMatch(/Redis\s+ok\s+Chain 31337\s+ok\s+Chain 421614\s+ok/);
  await text("Accounts").toMatch(/Account 9\s+0xa0Ee…9720\s+10,000\s+10,000/);
  await text("Accounts").toMatch(new RegExp(`Wallet \\d+\\s+${account.slice(0, 6)}…${account.slice(-4)}`));

  await page.getByRole("button", { name: "Copy the private key of Account 3" }).click();
  await soon(() => page.getByText("Copied the private key of Account 3").count()).toBe(1);
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(server.accounts[3]!.privateKey);
  await page.getByRole("button", { name: "Copy the address of Account 3" }).click();
  await soon(() => page.evaluate(() => navigator.clipboard.readText())).toBe(server.accounts[3]!.address);
});

test("a session is shown with its rights, rules and limits in words, and its tag is no markup", async () => {
  await text("Sessions").toContain("send up to 0.25 ETH in all");
  await text("Sessions").toContain("transfer or approve up to 7 units of token TEST in all");
  await text("Sessions").toContain("At most 3 calls in each day, 3 left");
  await text("Sessions").toContain("Never pay 0x0000…dEaD");
  await text("Sessions").toContain(MARKUP);
  await text("Sessions").toMatch(/pending/);
  expect(await page.locator("main img").count()).toBe(0);

  await wallet().pauseSession({ sessionId: session.sessionId }); // the page hears of it
  await text("Sessions").toMatch(/paused/);
});

test("calls appear with their decoded contents while the page is open, and an error is no markup", async () => {
  await text("Calls").toContain("No call was sent yet");
  const id = await chain().snapshot();
  const data = encodeFunctionData({ abi: parseAbi(["function mint(address to, uint256 amount)"]), args: [server.accounts[1]!.address, parseEther("5")] });
  await sendByOwner({ to: server.testToken, data });
  await text("Calls").toMatch(/confirmed\s+mint\(to: Account 1, amount: 5 TEST\) on TEST\s+Wallet \d+, owner · /);

  const error = encodeErrorResult({ abi: parseAbi(["error Error(string)"]), args: [MARKUP] });
  const length = numberToHex(size(error), { size: 1 });
  const bytecode = concat(["0x60", length, "0x600c60003960", length, "0x6000fd", error]);
  await sendByOwner({ to: reverting, value: "0x1" }, () => chain().setCode({ address: reverting, bytecode }));
  await text("Calls").toMatch(/reverted\s+1 wei to 0x0000…0DE5/);
  await card("Calls").locator("summary").first().click();
  await text("Calls").toContain(MARKUP);
  expect(await page.locator("main img").count()).toBe(0);
  await text("Last blocks").toMatch(new RegExp(`^Last blocks[^]*\\n${await chain().getBlockNumber()}\\s`));

  await chain().revert({ id });
  await chain().mine({ blocks: 1 }); // which the chain announces
  await text("Calls").toContain("No call was sent yet");
});

test("the faucet changes the balances on the chosen chain, and explains what it cannot read", async () => {
  const result = page.locator("#faucet-result");
  const send = async (address: string, amount: string, asset: string) => {
    await page.getByLabel("Address", { exact: true }).fill(address);
    await page.getByLabel("Amount").fill(amount);
    await page.getByLabel("Asset").selectOption(asset);
    await page.getByRole("button", { name: "Send", exact: true }).click();
  };
  await send(account, "1.5", "ETH");
  await soon(() => result.innerText()).toMatch(/^Wallet \d+ has [\d.,]+ ETH now/);
  expect(await chain().getBalance({ address: account })).toBeGreaterThan(parseEther("2.4"));
  await send(friend, "0.000000000000000003", "TEST");
  await soon(() => result.innerText()).toBe("0x0000…dEaD has <0.0001 TEST now.");
  const read = { abi: erc20Abi, address: server.testToken, functionName: "balanceOf", args: [friend] } as const;
  expect(await chain().readContract(read)).toBe(3n);

  for (const [address, amount, problem] of [["0x12", "1", /address: expected 0x and 40 hex digits/], [friend, "0.0000000000000000001", /at most 18 decimals/], [friend, MARKUP, /amount: expected a decimal number.*<img/]] as const) {
    await send(address, amount, "ETH");
    await soon(() => result.innerText()).toMatch(problem);
  }
  await page.locator("#chain").selectOption("421614");
  await text("Sessions").toContain("No session yet");
  await send(friend, "2", "ETH");
  await soon(() => result.innerText()).toBe("0x0000…dEaD has 2 ETH now.");
  expect(await chain().getBalance({ address: friend })).toBe(0n);
  await chain(421614).increaseTime({ seconds: 7200 });
  await chain(421614).mine({ blocks: 1 });
  await soon(() => frames.filter((each) => each.includes("eth_subscription")).length).toBeGreaterThan(0);
  await soon(() => page.locator("#status").innerText()).toMatch(/Chain clock\s+\+1[12]\d min/);
  await page.locator("#chain").selectOption("31337");
  await text("Sessions").toContain(MARKUP);
});

test("the playground finds, explains and runs a method with the keyboard alone", async () => {
  const outcome = page.locator("#outcome");
  await page.getByLabel("Find a method").focus();
  await page.keyboard.type("getCapab");
  await page.keyboard.press("Tab"); // to the only method that is left
  await page.keyboard.press("Space");
  await soon(() => page.locator("#method-text").innerText()).toContain("wallet_getCapabilities");
  await page.getByLabel("Parameters, as JSON").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(JSON.stringify([account, [chainId]]));
  await page.keyboard.press("Control+Enter");
  await soon(() => outcome.innerText()).toMatch(/^Answered in [\d.]+ ms$/);
  expect(JSON.parse(await page.getByLabel("Response").innerText())).toHaveProperty(chainId);

  await page.getByLabel("Parameters, as JSON").fill(JSON.stringify([MARKUP]));
  await page.getByRole("button", { name: "Run" }).press("Enter");
  await soon(() => outcome.innerText()).toMatch(/^Error -32602 in/);
  expect(await page.getByLabel("Response").innerText()).toContain("<img");
  await page.getByLabel("Parameters, as JSON").fill("[1,");
  await page.keyboard.press("Control+Enter");
  await soon(() => outcome.innerText()).toMatch(/^Parameters: no JSON/);

  await page.getByLabel("Find a method").fill("eth_maxPriorityFeePerGas"); // no document describes it
  await page.getByRole("radio", { name: "eth_maxPriorityFeePerGas" }).check();
  await page.getByRole("button", { name: "Run" }).click();
  await soon(() => page.getByLabel("Response").innerText()).toBe('"0x3b9aca00"');
});

test("the newest sessions are shown, and more by the keyboard; no amount is shown as zero", async () => {
  const grant = (limit: number) => wallet().createSession({
    account,
    chainId,
    key: { type: "secp256k1", publicKey: numberToHex(limit, { size: 20 }) },
    permissions: [{ type: "native-token-transfer", data: { allowance: numberToHex(limit) } }, { type: "contract-access", data: { address: friend } }],
    expirySec: Math.floor(Date.now() / 1000) + 3600,
  });
  await Promise.all(Array.from({ length: 12 }, (_, index) => grant(index + 1)));
  await text("Sessions").toMatch(/send up to \d+ wei in all/);
  await text("Sessions").toMatch(/(\d+) of \1 wei left/);
  await soon(() => page.locator("#status").innerText()).toMatch(/Sessions\s+12\+\s+0 of the newest 12 installed/);
  expect(await card("Sessions").getByRole("article").count()).toBe(12);
  await chain().setBalance({ address: server.accounts[9]!.address, value: 1n });
  await chain().mine({ blocks: 1 });
  await text("Accounts").toMatch(/Account 9\s+0xa0Ee…9720\s+<0\.0001/);
  await page.getByRole("button", { name: "Show more sessions" }).press("Enter");
  await soon(() => card("Sessions").getByRole("article").count()).toBe(13);
  await soon(() => page.locator("#status").innerText()).toMatch(/Sessions\s+13\s+0 installed/);
  expect(await card("Sessions").locator("summary").nth(12).evaluate((each) => each === document.activeElement)).toBe(true);
});

test("what could not be read has its reason, and all else is in its place", async () => {
  const fail = (method: string) => wallet().request({ method: "wallet_test_failNext", params: [{ method, code: -32005, message: `${method} failed` }] } as never);
  await fail("eth_getBalance");
  await fail("wallet_getSession");
  await chain().mine({ blocks: 1 });
  await text("Accounts").toMatch(/Account 0\s+0xf39F…2266\s+–\s+10,000\s+Key\s+Fund\s+Account 1\s+0x7099…79C8\s+10,000\s+10,00[^]*Not all could be read: eth_getBalance failed/);
  await text("Sessions").toContain("Its rules could not be read: wallet_getSession failed");
  await chain().mine({ blocks: 1 });
  await text("Sessions").not.toContain("could not be read");
});

test("every control is reached by the Tab key, and shows that it has the focus", async () => {
  await page.reload(); // begins at the top again
  await text("Accounts").toContain("Wallet");
  const controls = await page.evaluate(() => {
    const all = document.querySelectorAll<HTMLElement>("a[href], button, input:not([type=radio]), select, textarea, summary, #response");
    return [...all].filter((each) => each.checkVisibility()).length + 1; // and the chosen method
  });
  const seen = new Set<string>();
  for (let count = 0; count < controls + 20; count++) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      if (element === document.body) return null;
      const shown = element.matches("[type=radio]") ? element.parentElement! : element;
      const all = [...document.querySelectorAll("*")];
      return { at: String(all.indexOf(element)), outline: getComputedStyle(shown).outlineStyle };
    });
    if (found === null) break;
    expect(found.outline).toBe("solid");
    seen.add(found.at);
  }
  expect(seen.size).toBeGreaterThanOrEqual(controls);
});

test.each([["light", 1280], ["dark", 390]] as const)("the %s page, %i wide, has no finding of axe", async (colorScheme, width) => {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height: 900 });
  await text("Accounts").toContain("Wallet");
  await page.evaluate(await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
  const { violations } = await page.evaluate(() => (window as any).axe.run());
  expect(violations.map((each: any) => [each.id, each.nodes.map((node: any) => node.html)])).toEqual([]);
  const [red] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g)!.map(Number));
  expect(red! < 64).toBe(colorScheme === "dark");
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
});

test("a server whose key is not published has the page ask for it, since it lists no sessions without one", async () => {
  const stranger = await browser.newPage();
  await stranger.route("**/facts.json", async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), apiKey: null } }));
  await stranger.goto(server.url);
  await soon(() => stranger.getByLabel(/needs an API key/).isVisible()).toBe(true);
  await soon(() => stranger.locator("#sessions").innerText()).toContain("Could not be read: params: expected an account or a key");
  await stranger.close();
});

test("a server that requires an API key has the page ask for it", async () => {
  const closed = await startWalletRpc({ env: { WALLET_RPC_OPEN: "no", WALLET_RPC_CORS_ORIGINS: "https://app.example" } });
  try {
    page = await openPage(closed.url);
    const ask = page.getByLabel(/needs an API key/);
    for (const name of LISTS) await text(name).toContain("Could not be read: API key required");
    expect(await page.locator("#status").innerText()).not.toMatch(/Sessions|Calls|Block/); // nor is a number of them known
    await ask.fill("wrk_wrong");
    await page.getByRole("button", { name: "Use this key" }).click();
    await soon(() => page.getByRole("alert").innerText()).toBe("Invalid API key");
    for (const name of LISTS) await text(name).toContain("Could not be read: Invalid API key");
    await ask.fill(closed.apiKey);
    await page.getByRole("button", { name: "Use this key" }).click();
    await text("Sessions").toContain("No session yet");
    await soon(() => page.locator("#live").innerText()).toBe("Live"); // also the WebSocket, from the server's own origin
    expect(await ask.isVisible()).toBe(false);
    await text("Accounts").toContain("10,000");
    await text("Calls").toContain("No call was sent yet");
    await soon(() => page.locator("#status").innerText()).toMatch(/Calls\s+0/);
    await page.close();
    expect(wrong.splice(0).filter((each) => !/ 401|Authentication|closed before/.test(each))).toEqual([]); // of the requests without it
  } finally {
    await closed.stop();
  }
});

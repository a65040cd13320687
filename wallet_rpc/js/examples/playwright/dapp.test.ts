// A dapp in Chromium with a test wallet: connect, grant, send and see the status.
import { createServer, type Server } from "node:http";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { build } from "esbuild";
import { chromium, type Browser, type Page } from "playwright-core";
import { createPublicClient, http } from "viem";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWalletRpc, type WalletRpc } from "wallet-rpc-test";
import { installTestWallet } from "wallet-rpc-test/playwright";

let server: WalletRpc | undefined;
let browser: Browser | undefined;
let files: Server | undefined;
let page: Page;
const result = () => page.locator("#result");

beforeAll(async () => {
  server = await startWalletRpc();
  const bundled = await build({
    entryPoints: [new URL("dapp.ts", import.meta.url).pathname],
    bundle: true,
    format: "esm",
    write: false,
  });
  const html = await readFile(new URL("dapp.html", import.meta.url), "utf8");
  files = createServer((request, response) => {
    const isScript = request.url === "/dapp.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? bundled.outputFiles[0]!.text : html);
  });
  await new Promise<void>((resolve) => files!.listen(0, "127.0.0.1", resolve));

  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
  page = await browser.newPage();
  await installTestWallet(page, {
    url: server.url,
    chainIds: [server.chainId],
    privateKeys: [server.accounts[0]!.privateKey],
  });
  await page.goto(`http://127.0.0.1:${(files.address() as AddressInfo).port}/`);
}, 120_000);
afterAll(async () => {
  await browser?.close();
  files?.close();
  await server?.stop();
});

test("a dapp with wagmi and ethers connects, signs, grants, sends and sees the status", async () => {
  const { address } = server!.accounts[0]!;
  await page.click("#connect");
  await expect.poll(() => page.locator("#account").textContent()).toBe(address);

  await page.click("#sign");
  await expect.poll(() => result().textContent()).toBe(`signed by ${address}`);

  await page.click("#send");
  await expect.poll(() => result().textContent(), { timeout: 20_000 }).toMatch(/^0x/);
  await page.click("#status");
  await expect.poll(() => result().textContent(), { timeout: 20_000 }).toBe("success");
  const chain = createPublicClient({ transport: http(server!.url) });
  expect(await chain.getBalance({ address: "0x000000000000000000000000000000000000dEaD" })).toBe(7n);

  await page.reload(); // the wallet remembers within the tab
  await expect.poll(() => page.locator("#account").textContent()).toBe(address);
  await page.click("#status");
  await expect.poll(() => result().textContent(), { timeout: 20_000 }).toBe("success");

  await page.click("#grant"); // the first call delegated the account, so it can have sessions
  await expect.poll(() => result().textContent(), { timeout: 20_000 }).toMatch(/^0x00/);
}, 60_000);

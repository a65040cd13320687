// Gives the pages of a Playwright test a wallet: a test dapp finds it by EIP-6963, and as `window.ethereum`.
import { readFile } from "node:fs/promises";
import type { ProviderInfo, TestProviderOptions } from "./provider.ts";

/** A page or a browser context of Playwright. */
type Page = { addInitScript: (script: { content: string }) => Promise<unknown> };

/** Announce a test wallet on every page that is opened from now on; it signs without asking. */
export async function installTestWallet(
  page: Page,
  options: Omit<TestProviderOptions, "confirm"> & { info?: Partial<ProviderInfo> },
): Promise<void> {
  const bundle = await readFile(new URL("./provider.browser.js", import.meta.url), "utf8");
  const { info, ...provider } = options;
  const content = `${bundle}
window.ethereum = walletRpcTest.createTestProvider(${JSON.stringify(provider)});
walletRpcTest.announceProvider(window.ethereum, ${JSON.stringify(info ?? {})});`;
  await page.addInitScript({ content });
}

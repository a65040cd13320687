// The provider by itself, as libraries of dapps call it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createClient, hashTypedData, http, numberToHex, recoverAddress, verifyMessage, zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { chromium, type Page } from "playwright-core";
import { createTestProvider, startWalletRpc, walletRpcActions, type WalletRpc } from "wallet-rpc-test";
import { installTestWallet } from "wallet-rpc-test/playwright";

let server: WalletRpc | undefined;
beforeAll(async () => {
  server = await startWalletRpc({ chainIds: [31337, 421614] });
}, 120_000);
afterAll(() => server?.stop());

const key = generatePrivateKey();
const owner = privateKeyToAccount(key);
const dead = "0x000000000000000000000000000000000000dEaD";
const open = (confirm?: () => boolean) =>
  createTestProvider({ url: server!.url, chainIds: [31337], privateKeys: [key], ...(confirm && { confirm }) }) as any;
async function connected() {
  const provider = open();
  await provider.request({ method: "eth_requestAccounts" });
  return provider;
}
const call = (provider: any, method: string, ...params: unknown[]) => provider.request({ method, params });
const sendable = (change: object = {}) => ({
  version: "2.0.0",
  chainId: "0x7a69",
  atomicRequired: true,
  calls: [{ to: dead }],
  capabilities: { paymasterService: { policyId: "11111111-2222-4333-8444-555555555555" } },
  ...change,
});
async function settled(provider: any, id: string) {
  for (;;) {
    const status = await call(provider, "wallet_getCallsStatus", id);
    if (status.status >= 200) return status;
  }
}

test("accounts are shown once they were requested, and no longer after the permission was revoked", async () => {
  const provider = open();
  const events: unknown[] = [];
  provider.on("accountsChanged", (accounts: unknown) => events.push(accounts));
  provider.on("connect", (info: unknown) => events.push(info));

  expect(await call(provider, "eth_accounts")).toEqual([]);
  await expect(call(provider, "personal_sign", "0x01", owner.address)).rejects.toMatchObject({ code: 4100 });
  expect(await call(provider, "eth_requestAccounts")).toEqual([owner.address]);
  expect(await call(provider, "eth_accounts")).toEqual([owner.address]);
  await call(provider, "wallet_revokePermissions", { eth_accounts: {} });

  expect(await call(provider, "eth_accounts")).toEqual([]);
  expect(events).toEqual([{ chainId: "0x7a69" }, [owner.address], []]);
});

test("a person who says no is an error 4001, and nothing is signed", async () => {
  const provider = open(() => false);
  await expect(call(provider, "eth_requestAccounts")).rejects.toMatchObject({ code: 4001 });
  expect(await call(provider, "eth_accounts")).toEqual([]);
  expect(await call(provider, "eth_chainId")).toBe("0x7a69"); // reads need no confirmation
});

test("only known chains can be selected, and a chain that was added is known", async () => {
  const provider = await connected();
  const chains: unknown[] = [];
  const listener = (id: unknown) => chains.push(id);
  provider.on("chainChanged", listener);
  const select = () => call(provider, "wallet_switchEthereumChain", { chainId: "0x66eee" });

  await expect(select()).rejects.toMatchObject({ code: 4902 });
  await call(provider, "wallet_addEthereumChain", { chainId: "0x66eee", rpcUrls: [server!.chains["421614"]] });
  await select();
  await select();
  expect(chains).toEqual(["0x66eee"]);
  expect(await call(provider, "eth_chainId")).toBe("0x66eee");
  expect(await call(provider, "net_version")).toBe("421614"); // answered by the selected chain

  provider.removeListener("chainChanged", listener);
  await call(provider, "wallet_switchEthereumChain", { chainId: "0x7a69" });
  expect(chains).toEqual(["0x66eee"]);
  await expect(call(provider, "wallet_addEthereumChain", {})).rejects.toMatchObject({ code: -32602 });
});

test("signatures are the account's own", async () => {
  const provider = await connected();
  const signed = await call(provider, "personal_sign", "0x68656c6c6f", owner.address);
  expect(await verifyMessage({ address: owner.address, message: "hello", signature: signed })).toBe(true);
  const typed = {
    domain: { chainId: 31337, verifyingContract: zeroAddress },
    types: { EIP712Domain: [{ name: "chainId", type: "uint256" }, { name: "verifyingContract", type: "address" }], Note: [{ name: "text", type: "string" }] },
    primaryType: "Note",
    message: { text: "hello" },
  } as const;
  for (const data of [typed, JSON.stringify(typed)]) {
    const signature = await call(provider, "eth_signTypedData_v4", owner.address, data);
    expect(await recoverAddress({ hash: hashTypedData(typed as never), signature })).toBe(owner.address);
  }
  await expect(call(provider, "personal_sign", "0x01", dead)).rejects.toMatchObject({ code: 4100 });
});

test("a transaction is signed here and sent to the selected chain", async () => {
  const provider = await connected();
  await call(provider, "anvil_setBalance", owner.address, numberToHex(10n ** 18n));
  const hash = await call(provider, "eth_sendTransaction", { from: owner.address, to: dead, value: "0x9" });
  expect(await call(provider, "eth_getTransactionReceipt", hash)).toMatchObject({ status: "0x1", from: owner.address.toLowerCase() });
});

test("a transaction may have each form of JSON-RPC", async () => {
  const provider = await connected();
  await call(provider, "anvil_setBalance", owner.address, numberToHex(10n ** 18n));
  const send = async (fields: object) => {
    const hash = await call(provider, "eth_sendTransaction", { from: owner.address, to: dead, ...fields });
    return call(provider, "eth_getTransactionByHash", hash);
  };
  const gasPrice = "0xb2d05e00";

  expect(await send({ type: "0x2", chainId: "0x7a69" })).toMatchObject({ type: "0x2", input: "0x" });
  expect(await send({ type: "0x2", maxFeePerGas: gasPrice, maxPriorityFeePerGas: "0x1" })).toMatchObject({ maxFeePerGas: gasPrice });
  expect(await send({ type: "0x0", gasPrice })).toMatchObject({ type: "0x0", gasPrice });
  expect(await send({ type: "0x1", gasPrice, accessList: [{ address: dead, storageKeys: [] }] })).toMatchObject({ type: "0x1" });
  expect(await send({ input: "0x1234" })).toMatchObject({ input: "0x1234" });
  expect(await send({ data: "0xab", input: "0xAB", gas: null, value: null, nonce: null })).toMatchObject({ input: "0xab", value: "0x0" });
  for (const wrong of [{ data: "0x12", input: "0x34" }, { type: "0x3" }, { type: "odd" }, { chainId: "0x1" }])
    await expect(send(wrong)).rejects.toMatchObject({ name: "ProviderError", code: -32602 });
});

test("calls are sent as one, have a status, and can be shown", async () => {
  const provider = await connected();
  const { id } = await call(provider, "wallet_sendCalls", sendable({ id: "0xa1", from: owner.address }));
  expect(id).toBe("0xa1");
  const status = await settled(provider, id);

  expect(status).toMatchObject({ version: "2.0.0", id: "0xa1", chainId: "0x7a69", status: 200, atomic: true });
  expect(status.receipts).toHaveLength(1);
  expect(await call(provider, "wallet_showCallsStatus", id)).toBeNull();
  expect(provider.shown).toEqual(["0xa1"]);
  await expect(call(provider, "wallet_sendCalls", sendable({ id: "0xa1" }))).rejects.toMatchObject({ code: 5720 });
});

test("errors have the codes of EIP-5792 and EIP-1193", async () => {
  const provider = await connected();
  const sending = (change: object) => expect(call(provider, "wallet_sendCalls", sendable(change))).rejects;

  await sending({ version: "1.0" }).toMatchObject({ code: -32602 });
  await sending({ chainId: 31337 }).toMatchObject({ code: -32602 });
  await sending({ chainId: "0x66eee" }).toMatchObject({ code: 5710 });
  await sending({ from: dead }).toMatchObject({ code: 4100 });
  await sending({ capabilities: { fly: {} } }).toMatchObject({ code: 5700 });
  await sending({ calls: [{ to: dead, capabilities: { fly: {} } }] }).toMatchObject({ code: 5700 });
  await expect(call(provider, "wallet_getCallsStatus", "0x01")).rejects.toMatchObject({ code: 5730 });
  await expect(call(provider, "wallet_showCallsStatus", "0x01")).rejects.toMatchObject({ code: 5730 });
  await expect(call(provider, "wallet_fly")).rejects.toMatchObject({ code: 4200 });
  await expect(call(provider, "eth_fly")).rejects.toMatchObject({ code: -32601 });
  expect(await call(provider, "wallet_getCapabilities", owner.address, ["0x7a69"])).toHaveProperty("0x7a69.atomic");
});

test("wrong parameters are errors with a code", async () => {
  const provider = await connected();
  const failing = (method: any, ...params: unknown[]) => expect(call(provider, method, ...params)).rejects;
  for (const method of ["eth_sendTransaction", "wallet_grantPermissions", "wallet_switchEthereumChain"])
    for (const params of [[], [null], [{ chainId: "0x", value: "12x", to: "0x1" }]])
      await failing(method, ...params).toMatchObject({ name: "ProviderError", code: -32602 });
  for (const data of [undefined, null, {}, "{"]) await failing("eth_signTypedData_v4", owner.address, data).toMatchObject({ code: -32602 });
  await failing("personal_sign").toMatchObject({ code: -32602 });
  await failing("wallet_sendCalls", null).toMatchObject({ code: -32602 });
  for (const method of ["toString", "constructor", "__proto__"]) await failing(method).toMatchObject({ code: -32601 });
  await failing(undefined).toMatchObject({ code: -32600 });
});

test("a transaction that the node refuses has the node's code, and a lost server is an error 4900", async () => {
  const poor = generatePrivateKey();
  const provider = createTestProvider({ url: server!.url, chainIds: [31337], privateKeys: [poor] }) as any;
  await call(provider, "eth_requestAccounts");
  await expect(call(provider, "eth_sendTransaction", { to: dead, value: "0x9" })).rejects.toMatchObject({
    name: "ProviderError",
    code: expect.toSatisfy((code) => code !== -32602),
  });

  const lost = createTestProvider({ url: "http://127.0.0.1:1", chainIds: [31337], privateKeys: [key] }) as any;
  await call(lost, "eth_requestAccounts");
  await expect(call(lost, "eth_blockNumber")).rejects.toMatchObject({ code: 4900 });
  await expect(call(lost, "eth_sendTransaction", { to: dead })).rejects.toMatchObject({ code: 4900 });
});

test("of two bundles with one id at the same time, one is sent", async () => {
  const provider = await connected();
  const outcomes = await Promise.allSettled([1, 2].map(() => call(provider, "wallet_sendCalls", sendable({ id: "0xa2" }))));
  expect(outcomes.map((each) => (each.status === "fulfilled" ? each.value.id : each.reason.code))).toEqual(["0xa2", 5720]);
  expect((await settled(provider, "0xa2")).status).toBe(200);

  const refused = sendable({ id: "0xa3", capabilities: { fly: {} } });
  await expect(call(provider, "wallet_sendCalls", refused)).rejects.toMatchObject({ code: 5700 });
  expect(await call(provider, "wallet_sendCalls", sendable({ id: "0xa3" }))).toEqual({ id: "0xa3" }); // it was not sent before
});

test("the URL may end with a slash, or have a key", async () => {
  for (const url of [`${server!.url}/`, `${server!.url}/v2/${server!.apiKey}`]) {
    const provider = createTestProvider({ url, chainIds: [421614], privateKeys: [key] }) as any;
    expect(await call(provider, "net_version")).toBe("421614");
  }
});

test("granted permissions are ready for the session key", async () => {
  const provider = await connected();
  await settled(provider, (await call(provider, "wallet_sendCalls", sendable())).id);
  const session = privateKeyToAccount(generatePrivateKey());
  const granted = await call(provider, "wallet_grantPermissions", {
    signer: { type: "account", data: { id: session.address } },
    expiry: Math.floor(Date.now() / 1000) + 3600,
    permissions: [{ type: "native-token-transfer", data: { allowance: "0x5" } }],
  });
  const client = createClient({ transport: http(server!.url) }).extend(walletRpcActions());
  const prepared = await client.prepareCalls({
    from: owner.address,
    chainId: "0x7a69",
    calls: [{ to: dead, value: "0x5" }],
    capabilities: { permissions: { context: granted.context }, paymasterService: sendable().capabilities.paymasterService },
  });
  expect(prepared).toMatchObject({ type: "user-operation-v070" });

  const [requested] = await call(provider, "wallet_requestExecutionPermissions", {
    chainId: "0x7a69",
    to: session.address,
    permission: { type: "native-token-allowance", data: { allowance: "0x5" }, isAdjustmentAllowed: false },
    rules: [{ type: "expiry", data: { timestamp: Math.floor(Date.now() / 1000) + 3600 } }],
  });
  expect(requested.context).toMatch(/^0x00[0-9a-f]{162}$/);
});

/** Call a method of one of a page's wallets, by its announcement; an error is returned as its code. */
const ask = (page: Page, name: string, method: string, ...params: unknown[]): Promise<any> =>
  page.evaluate(
    ({ name, method, params }) => {
      let provider: any;
      addEventListener("eip6963:announceProvider", ({ detail }: any) => {
        if (detail.info.name === name) provider = detail.provider;
      });
      dispatchEvent(new Event("eip6963:requestProvider"));
      return provider.request({ method, params }).catch((error: any) => error.code);
    },
    { name, method, params },
  );

test("a tab remembers its connection, chains and bundles when it loads again", { timeout: 60_000 }, async () => {
  await using browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  const context = await browser.newContext();
  const usual = { url: server!.url, chainIds: [31337], privateKeys: [key] } as const;
  const others = {
    nowhere: { ...usual, storage: false },
    ofAnotherKey: { ...usual, privateKeys: [generatePrivateKey()] },
    ofAnotherServer: { ...usual, url: `${usual.url}/` },
    withOtherChains: { ...usual, chainIds: [421614] },
  } as const;
  await installTestWallet(context, { ...usual, info: { name: "usual" } });
  const [page, tab, opaque] = [await context.newPage(), await context.newPage(), await context.newPage()];
  for (const each of [page, tab]) await installTestWallet(each, { ...usual, storage: "localStorage", info: { name: "everywhere" } });
  for (const [name, options] of Object.entries(others)) await installTestWallet(page, { ...options, info: { name } });
  for (const each of [page, tab]) await each.goto(`${server!.url}/health`);
  expect(await ask(page, "usual", "eth_accounts")).toEqual([]);
  for (const name of ["usual", "everywhere", "nowhere"]) await ask(page, name, "eth_requestAccounts");
  await ask(page, "usual", "wallet_addEthereumChain", { chainId: "0x66eee", rpcUrls: [server!.chains["421614"]] });
  await ask(page, "usual", "wallet_switchEthereumChain", { chainId: "0x66eee" });
  for (const id of ["0xb1", "__proto__"]) expect(await ask(page, "usual", "wallet_sendCalls", sendable({ id }))).toEqual({ id });
  await page.reload();

  expect(await ask(page, "usual", "eth_accounts")).toEqual([owner.address]);
  expect(await ask(page, "usual", "eth_chainId")).toBe("0x66eee");
  expect(await ask(page, "usual", "net_version")).toBe("421614"); // answered by the added chain
  for (const id of ["0xb1", "__proto__"]) {
    await expect.poll(async () => (await ask(page, "usual", "wallet_getCallsStatus", id)).status, { timeout: 30_000 }).toBe(200);
    expect(await ask(page, "usual", "wallet_sendCalls", sendable({ id }))).toBe(5720);
  }
  expect(await ask(page, "usual", "wallet_getCallsStatus", "toString")).toBe(5730);
  for (const [where, name] of [[tab, "usual"], [page, "nowhere"], [page, "ofAnotherKey"], [page, "ofAnotherServer"]] as const) {
    expect(await ask(where, name, "eth_accounts")).toEqual([]);
    expect(await ask(where, name, "eth_chainId")).toBe("0x7a69");
    expect(await ask(where, name, "wallet_getCallsStatus", "0xb1")).toBe(5730);
  }
  expect(await ask(tab, "everywhere", "eth_accounts")).toEqual([owner.address]);

  await ask(page, "usual", "wallet_switchEthereumChain", { chainId: "0x7a69" });
  expect(await ask(page, "withOtherChains", "eth_chainId")).toBe("0x66eee"); // the remembered one is none of its chains
  await ask(page, "usual", "wallet_revokePermissions", { eth_accounts: {} });
  await page.reload();
  expect(await ask(page, "usual", "eth_accounts")).toEqual([]);

  await opaque.goto("data:text/html,<p>a page that may not read its storage</p>");
  expect(await ask(opaque, "usual", "eth_requestAccounts")).toEqual([owner.address]);
  expect(await ask(opaque, "usual", "eth_accounts")).toEqual([owner.address]);
  await page.evaluate(() => {
    for (let size = 2 ** 22; size > 0; size >>= 1)
      try {
        for (;;) sessionStorage.setItem(`${size} ${sessionStorage.length}`, "x".repeat(size));
      } catch {}
  });
  await ask(page, "usual", "wallet_addEthereumChain", { chainId: "0x539", rpcUrls: [server!.url] }); // which it has no room to store
  expect(await ask(page, "usual", "wallet_switchEthereumChain", { chainId: "0x539" })).toBeNull();
  expect(await ask(page, "usual", "eth_chainId")).toBe("0x539");
});

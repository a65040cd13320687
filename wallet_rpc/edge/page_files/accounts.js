// Accounts with their balances and keys, and the faucet.
import { byId, copyButton, h, hexText, parseUnits, render, short, units } from "./dom.js";
import { batch, chainPath, request, RpcError, server, walletPath } from "./rpc.js";

const BALANCE_OF = "0x70a08231";
const MINT = "0x40c10f19";
const word = (hex) => hex.replace(/^0x/, "").toLowerCase().padStart(64, "0");

const names = new Map();

export function nameAddresses({ accounts, testToken }) {
  names.set(testToken.toLowerCase(), "TEST");
  accounts.forEach((each, index) => names.set(each.address.toLowerCase(), `Account ${index}`));
}

// The name of an address on this page, or the shortened address.
export const nameOf = (address) => names.get(address?.toLowerCase()) ?? short(address ?? "");

// An address by its name, with the whole of it in a tooltip.
export const address = (hex) => h(names.has(hex.toLowerCase()) ? "span" : "code", { title: hex }, nameOf(hex));

// A text in which each address has its name.
export const nameAll = (text) => text.split(/(0x[0-9a-fA-F]{40})(?![0-9a-fA-F])/).map((part, index) => (index % 2 ? address(part) : part));

// The smart accounts that this page knows of: those of the ten owners, and those of sessions and calls.
const smart = new Map();

export function addSmartAccount(address, owner) {
  const key = address.toLowerCase();
  if (!smart.has(key)) names.set(key, `Wallet ${smart.size + 1}`);
  const known = smart.get(key) ?? { address };
  smart.set(key, { ...known, owner: owner ?? known.owner });
}

export async function refreshAccounts() {
  const { accounts, testToken } = server.facts;
  const pages = await batch(walletPath(), accounts.map((each) => ["wallet_listAccounts", { signerAddress: each.address }]));
  pages.forEach((page, index) => page?.accounts?.forEach((each) => addSmartAccount(each.accountAddress, index)));
  const rows = [...accounts.map((each, index) => ({ ...each, index })), ...[...smart.values()].slice(-20)];
  const balances = await batch(chainPath(), rows.flatMap(({ address }) => [
    ["eth_getBalance", address, "latest"],
    ["eth_call", { to: testToken, data: BALANCE_OF + word(address) }, "latest"],
  ]));
  rows.forEach((row, index) => ([row.eth, row.test] = balances.slice(2 * index).map(readBalance)));
  const problems = [...new Set([...pages, ...balances].filter((each) => each instanceof RpcError).map((each) => each.message))];
  render(byId("account-list"), { rows, problems }, buildTable);
  render(byId("known-addresses"), rows.map((row) => row.address), (all) => all.map((each) => h("option", { value: each }, nameOf(each))));
}

const readBalance = (value) => (value instanceof RpcError || value === "0x" ? null : value);
const balance = (value, digits) => (value === null ? "–" : h("span", { title: units(value, 18, 18) }, units(value, 18, digits)));

function buildTable({ rows, problems }) {
  const heads = ["Account", "Address", "ETH", "TEST"].map((text, column) => h("th", { scope: "col", class: column > 1 ? "number" : column === 1 && "hex-head" }, text));
  heads.push(h("th", { scope: "col" }, h("span", { class: "hidden" }, "Actions")));
  const groups = [["Owners, with published keys", rows.filter((row) => row.privateKey)], ["Smart accounts", rows.filter((row) => !row.privateKey)]];
  const table = h("table", {}, h("thead", {}, h("tr", {}, heads)), groups.map(([title, group]) => group.length > 0 && h("tbody", {},
    h("tr", {}, h("th", { scope: "rowgroup", colspan: 5, class: "group" }, title)), group.map(buildRow))));
  return [table, ...problems.map((each) => h("p", { class: "error" }, `Not all could be read: ${each}`))];
}

function buildRow(row) {
  const name = nameOf(row.address);
  const owner = row.privateKey || row.owner === undefined ? null : h("small", {}, ` of Account ${row.owner}`);
  const fill = () => {
    byId("faucet-address").value = row.address;
    byId("faucet-amount").focus();
  };
  return h("tr", {},
    h("th", { scope: "row" }, name, owner),
    h("td", {}, hexText(row.address, `the address of ${name}`)),
    h("td", { class: "number" }, balance(row.eth, 4)),
    h("td", { class: "number" }, balance(row.test, 2)),
    h("td", { class: "actions" },
      row.privateKey && copyButton(row.privateKey, `the private key of ${name}`, "Key"),
      h("button", { type: "button", class: "copy", "data-key": `fund ${row.address}`, "aria-label": `Fund ${name}`, onclick: fill }, "Fund")));
}

// Gives an address ETH by setting its balance, or test tokens by minting them.
export async function fund(address, text, asset) {
  if (!/^0x[0-9a-fA-F]{40}$/.test(address)) throw new Error("address: expected 0x and 40 hex digits");
  const amount = parseUnits(text);
  if (amount >= 1n << 128n) throw new Error("amount: expected a smaller number");
  if (asset === "ETH") {
    const balance = BigInt(await request(chainPath(), "eth_getBalance", address, "latest"));
    await request(chainPath(), "anvil_setBalance", address, `0x${(balance + amount).toString(16)}`);
    return `${nameOf(address)} has ${units(balance + amount, 18, 4)} ETH now.`;
  }
  const { accounts, testToken } = server.facts;
  const data = MINT + word(address) + word(amount.toString(16));
  await request(chainPath(), "eth_sendTransaction", { from: accounts[0].address, to: testToken, data });
  const balance = await request(chainPath(), "eth_call", { to: testToken, data: BALANCE_OF + word(address) }, "latest");
  return `${nameOf(address)} has ${units(balance, 18, 4)} TEST now.`;
}

export function startFaucet(refresh) {
  byId("faucet").addEventListener("submit", async (event) => {
    event.preventDefault();
    const result = byId("faucet-result");
    result.textContent = "Sending…";
    try {
      const [address, amount, asset] = ["address", "amount", "asset"].map((each) => byId(`faucet-${each}`).value);
      result.textContent = await fund(address.trim(), amount, asset);
      result.dataset.kind = "good";
    } catch (error) {
      result.textContent = error.message;
      result.dataset.kind = "bad";
    }
    refresh();
  });
}

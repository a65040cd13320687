// The playground: the methods of the document and of the chain, with their texts and examples, to be run from here.
import { byId, copyButton, h, announce } from "./dom.js";
import { chainPath, RpcError, send, server, walletPath } from "./rpc.js";

// Parameters of the chain's methods, which the document does not describe; ACCOUNT is the first account.
const CHAIN_METHODS = {
  eth_blockNumber: [],
  eth_chainId: [],
  eth_gasPrice: [],
  eth_getBalance: ["ACCOUNT", "latest"],
  eth_getBlockByNumber: ["latest", false],
  eth_getTransactionByHash: [`0x${"0".repeat(64)}`],
  eth_getTransactionReceipt: [`0x${"0".repeat(64)}`],
  eth_call: [{ to: "TOKEN", data: "0x18160ddd" }, "latest"],
  eth_getLogs: [{ fromBlock: "0x0", toBlock: "latest", address: "TOKEN" }],
  eth_sendTransaction: [{ from: "ACCOUNT", to: "0x000000000000000000000000000000000000dEaD", value: "0x1" }],
  eth_supportedEntryPoints: [],
  debug_traceTransaction: [`0x${"0".repeat(64)}`, { tracer: "callTracer" }],
  anvil_setBalance: ["ACCOUNT", "0x56bc75e2d63100000"],
  anvil_impersonateAccount: ["0x000000000000000000000000000000000000dEaD"],
  anvil_mine: ["0x1", "0xc"],
  anvil_nodeInfo: [],
  evm_increaseTime: [3600],
  evm_mine: [],
  evm_revert: ["0x1"],
  evm_snapshot: [],
  txpool_content: [],
};

let methods = new Map();
let components = {};
let chosen = null;
let refresh = () => {};

export async function startPlayground(onRun) {
  refresh = onRun;
  byId("filter").addEventListener("input", showMethods);
  byId("methods").addEventListener("change", (event) => choose(event.target.value));
  byId("example").addEventListener("change", () => showExample(Number(byId("example").value)));
  byId("request").addEventListener("submit", run);
  byId("curl").addEventListener("click", copyCurl);
  byId("params").addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && run(event));
  const document = await (await fetch("/openrpc.json")).json();
  components = document.components.schemas;
  const own = document.methods.map((each) => [each.name, { ...each, group: "Wallet", path: walletPath }]);
  const chain = Object.entries(CHAIN_METHODS).map(([name, value]) => [name, { name, group: "Chain", path: chainPath, params: [], examples: [{ value: fill(value) }] }]);
  methods = new Map([...own, ...chain]);
  showMethods();
  choose("wallet_requestAccount");
}

function fill(value) {
  const { accounts, testToken } = server.facts;
  return JSON.parse(JSON.stringify(value).replaceAll('"ACCOUNT"', `"${accounts[0].address}"`).replaceAll('"TOKEN"', `"${testToken}"`));
}

function showMethods() {
  const sought = byId("filter").value.trim().toLowerCase();
  const found = [...methods.values()].filter(({ name, summary }) => `${name} ${summary ?? ""}`.toLowerCase().includes(sought));
  const groups = ["Wallet", "Chain"].map((group) => [group, found.filter((each) => each.group === group)]).filter(([, each]) => each.length > 0);
  byId("methods").replaceChildren(byId("methods").firstElementChild, ...groups.flatMap(([group, each]) => [h("p", { class: "group" }, group), ...each.map(buildChoice)]));
  if (found.length > 0) return;
  const other = byId("filter").value.trim();
  const isName = /^[a-z]+_\w+$/i.test(other);
  byId("methods").append(h("p", { class: "group" }, isName ? "Not documented here" : "No method has these letters."), isName ? buildChoice({ name: other }) : "");
}

const buildChoice = ({ name }) => h("label", { class: "method" }, h("input", { type: "radio", name: "method", value: name, checked: name === chosen?.name }), h("span", {}, name));

function choose(name) {
  chosen = methods.get(name) ?? { name, path: name.startsWith("wallet_") ? walletPath : chainPath, params: [], examples: [] };
  for (const each of byId("methods").querySelectorAll("input")) each.checked = each.value === name;
  byId("method-text").replaceChildren(...buildText(chosen));
  byId("example").replaceChildren(...chosen.examples.map((each, index) => h("option", { value: index }, each.name ?? "example")));
  byId("example-choice").hidden = chosen.examples.length < 2;
  showExample(0);
  byId("outcome").textContent = "";
  byId("response").hidden = true;
}

function buildText({ name, summary, description, params, group }) {
  const rows = params.flatMap((each) => listRows(each));
  return [
    h("h3", {}, h("code", {}, name)),
    h("p", {}, summary ?? (group === "Chain" ? "A method of the chain, as other nodes have it." : "A method that the document does not describe.")),
    description && h("details", {}, h("summary", {}, "More about it"), h("p", {}, description)),
    rows.length > 0 && h("details", {}, h("summary", {}, `Its ${rows.length === 1 ? "field" : `${rows.length} fields`}`),
      h("dl", { class: "facts" }, rows.map((row) => [h("dt", {}, h("code", {}, row.name), row.isRequired && h("span", { class: "required" }, " required")), h("dd", {}, row.text)]))),
  ].filter(Boolean);
}

// The fields of a parameter: its members, if it is an object, else the parameter itself.
function listRows({ name, required, description, schema }) {
  const forms = (schema.anyOf ?? schema.oneOf ?? [schema]).map(resolve).filter((each) => each.properties);
  if (forms.length === 0) return [{ name, isRequired: required, text: description ?? "" }];
  const { properties, required: needed = [] } = forms[0];
  return Object.entries(properties).map(([key, each]) => ({ name: key, isRequired: needed.includes(key), text: each.description ?? "" }));
}

const resolve = (schema) => (schema.$ref ? components[schema.$ref.split("/").pop()] ?? {} : schema);

function showExample(index) {
  const example = chosen.examples[index];
  const value = example === undefined ? [] : example.value ?? example.params.map((each) => each.value);
  byId("params").value = JSON.stringify(value, null, 2);
}

function readParams() {
  const text = byId("params").value.trim();
  const value = text === "" ? [] : JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("expected an array or an object");
  return value;
}

const readRequest = () => ({ jsonrpc: "2.0", id: 1, method: chosen.name, params: readParams() });

async function run(event) {
  event.preventDefault();
  const [outcome, response] = [byId("outcome"), byId("response")];
  const started = performance.now();
  outcome.textContent = "Running…";
  delete outcome.dataset.kind;
  try {
    const answer = await send(chosen.path(), readRequest());
    const time = `${(performance.now() - started).toFixed(1)} ms`;
    outcome.textContent = answer.error ? `Error ${answer.error.code} in ${time}` : `Answered in ${time}`;
    outcome.dataset.kind = answer.error ? "bad" : "good";
    response.textContent = JSON.stringify(answer.error ?? answer.result, null, 2);
    response.hidden = false;
    refresh();
  } catch (error) {
    outcome.textContent = error instanceof SyntaxError ? `Parameters: no JSON (${error.message})` : `Parameters or connection: ${error.message}`;
    outcome.dataset.kind = "bad";
    response.hidden = true;
  }
}

async function copyCurl() {
  try {
    const body = JSON.stringify(readRequest()).replaceAll("'", "'\\''");
    const key = server.key && server.key !== server.facts.apiKey ? " -H 'x-api-key: YOUR_KEY'" : "";
    const text = `curl -sS '${location.origin}${chosen.path()}' -H 'content-type: application/json'${key} -d '${body}'`;
    copyButton(text, "the command").click();
  } catch (error) {
    announce(`Not copied: ${error.message}`);
  }
}

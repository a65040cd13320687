// The last blocks, and the tiles at the top: the parts of the server, the chain, sessions and calls.
import { byId, h, hexText, number, render, setClock, timeText, units } from "./dom.js";
import { batch, chainPath, request } from "./rpc.js";

const SHOWN = 8;

export async function refreshBlocks() {
  const head = Number(await request(chainPath(), "eth_blockNumber"));
  const heights = Array.from({ length: Math.min(SHOWN, head + 1) }, (_, index) => `0x${(head - index).toString(16)}`);
  const found = (await batch(chainPath(), heights.map((height) => ["eth_getBlockByNumber", height, false]))).filter((each) => each?.hash);
  const blocks = found.map(({ number: height, hash, timestamp, gasUsed, gasLimit, transactions, baseFeePerGas }) => (
    { height, hash, timestamp, gasUsed, gasLimit, baseFeePerGas, count: transactions.length }));
  render(byId("block-list"), blocks, build);
  const ahead = Number(blocks[0].timestamp) - Date.now() / 1000;
  setClock(ahead > 2 ? ahead : 0);
  return { head: blocks[0], hashes: blocks.map((each) => each.hash), ahead };
}

function build(blocks) {
  const heads = ["Block", "Hash", "Transactions", "Gas used", "Time"].map((text, column) => h("th", { scope: "col", class: column > 1 ? "number" : column === 1 && "hex-head" }, text));
  const rows = blocks.map((block) => h("tr", {},
    h("th", { scope: "row" }, number(block.height)),
    h("td", {}, hexText(block.hash, `the hash of block ${Number(block.height)}`)),
    h("td", { class: "number" }, block.count),
    h("td", { class: "number", title: `of ${number(block.gasLimit)}` }, number(block.gasUsed)),
    h("td", { class: "number" }, timeText(block.timestamp))));
  return h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows));
}

const PARTS = { ok: "good", timeout: "wait" };

// Shows the state of each part, and the numbers that are known.
export function showStatus({ parts, blocks, sessions, calls }) {
  const tiles = Object.entries(parts ?? { server: "does not answer" }).map(([name, state]) => tile(capital(name), state, "", PARTS[state] ?? "bad"));
  const { head, ahead } = blocks ?? {};
  const minutes = Math.round(ahead / 60);
  if (head) {
    tiles.push(tile("Block", number(head.height), timeText(head.timestamp)), tile("Base fee", `${units(head.baseFeePerGas ?? 0, 9, 3)} gwei`));
  }
  if (ahead > 60) tiles.push(tile("Chain clock", `+${number(minutes)} min`, "of this machine"));
  if (sessions) tiles.push(tile("Sessions", known(sessions), sessions.isAll ? `${sessions.active} installed` : `${sessions.active} of the newest ${sessions.count} installed`));
  if (calls) tiles.push(tile("Calls", known(calls)));
  render(byId("status"), { parts, head, minutes, sessions, calls }, () => tiles);
}

const known = ({ count, isAll }) => `${number(count)}${isAll ? "" : "+"}`;
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const tile = (name, value, note = "", kind = "") => h("div", { class: "tile", "data-kind": kind }, h("dt", {}, name), h("dd", {}, value, note && h("small", {}, note)));

// Sent calls, newest first: who sent them, their status, and what they do.
import { address, addSmartAccount, nameOf } from "./accounts.js";
import { byId, count, h, hexText, moreButton, native, number, render, short, timeText } from "./dom.js";
import { batch, chainHex, RpcError, server, walletPath } from "./rpc.js";
import { badge } from "./sessions.js";

const STEP = 20;
const KEPT = 200;
const LISTED = 4;
const UNKNOWN_CALL = 5730;
const STATUS = { 100: ["pending", "wait"], 110: ["included", "wait"], 115: ["reverting", "bad"], 200: ["confirmed", "good"], 400: ["not sent", "bad"], 500: ["reverted", "bad"] };

const known = new Map();
let shown = STEP;
let isAll = true;

// Notes an event of a call, oldest first.
export function addEvent(event) {
  const call = known.get(event.callId) ?? { ...event, sent: Date.parse(event.time) / 1000 };
  known.set(event.callId, call);
  addSmartAccount(event.account);
  if (known.size > KEPT) isAll = !known.delete(known.keys().next().value);
  call.isRead = false;
}

// Has every call read again, since the chain went back to an earlier block.
export function doubtCalls() {
  for (const call of known.values()) call.isRead = false;
}

const listCalls = () => [...known.values()].filter((each) => Number(each.chainId) === server.chainId);
export const hasCalls = () => listCalls().length > 0;

// Reads and shows the newest calls; `onMore` is called when more of them are to be read.
export async function refreshCalls(onMore) {
  const all = listCalls();
  const calls = all.slice(-shown).reverse();
  const unread = calls.filter((each) => !each.isRead);
  const statuses = await batch(walletPath(), unread.map((each) => ["wallet_getCallsStatus", each.callId]));
  unread.forEach((call, index) => {
    const found = statuses[index];
    if (found?.code === UNKNOWN_CALL) return known.delete(call.callId);
    if (found instanceof RpcError) return Object.assign(call, { problem: found.message });
    const data = found.details.data ?? {};
    Object.assign(call, { problem: undefined, status: found.status, hash: data.hash, error: data.error?.message, waits: found.status === 100 ? data.pendingReason?.message : undefined });
    call.transaction = found.receipts?.[0]?.transactionHash ?? found.details.txHash;
    call.isRead = [200, 400, 500].includes(found.status);
    call.calls = data.calls;
  });
  await decodeAll(unread.filter((each) => each.calls && !each.decoded));
  render(byId("call-list"), { calls: calls.filter((each) => known.has(each.callId)), names: calls.map((each) => nameOf(each.account)), isMore: all.length > shown }, (data) => build(data, onMore));
  return { count: all.filter((each) => known.has(each.callId)).length, isAll };
}

// Adds functions and arguments to calls; those that cannot be decoded are shown as they are.
async function decodeAll(records) {
  const answers = await batch("/page/rpc", records.map(({ calls }) => ["page_decodeCalls", { chainId: chainHex(), calls }]));
  records.forEach((each, index) => (each.decoded = answers[index].calls ?? each.calls));
}

function build({ calls, isMore }, onMore) {
  if (calls.length === 0) return h("p", { class: "empty" }, "No call was sent yet. ", h("code", {}, "wallet-rpc demo"), " sends some, and ", h("code", {}, "wallet_sendPreparedCalls"), " yours.");
  const more = () => {
    shown += STEP;
    onMore();
  };
  return [...calls.map(buildCall), isMore && moreButton("calls", more)].filter(Boolean);
}

function buildCall(call) {
  const [text, kind] = STATUS[call.status] ?? ["unknown", "wait"];
  const sender = call.sessionId ? ["session ", h("code", { title: call.sessionId }, short(call.sessionId))] : "owner";
  return h("details", { class: "row", "data-key": `call ${call.callId}` },
    h("summary", { "data-key": `summary ${call.callId}` },
      badge(text, kind),
      h("span", { class: "what" }, call.problem ? h("span", { class: "error" }, `Could not be read: ${call.problem}`) : describeAll(call.decoded ?? [])),
      h("span", { class: "muted who" }, nameOf(call.account), ", ", sender, " · ", timeText(call.sent))),
    call.error && h("p", { class: "error" }, call.error),
    call.waits && h("p", {}, call.waits),
    h("dl", { class: "facts" },
      (call.decoded ?? []).flatMap((each) => buildDecoded(each)),
      fact("Call id", call.callId), fact("Operation", call.hash), fact("Transaction", call.transaction), fact("Account", call.account), fact("Session", call.sessionId)));
}

const fact = (name, hex) => hex && [h("dt", {}, name), h("dd", {}, hexText(hex, name.toLowerCase(), short(hex, 12)))];

function describeAll(calls) {
  if (calls.length === 0) return "No calls";
  const listed = calls.length > LISTED + 1 ? LISTED : calls.length;
  return [...calls.slice(0, listed).map((each) => h("span", {}, describe(each))), calls.length > listed && h("span", { class: "muted" }, `and ${calls.length - listed} other calls`)];
}

// One call in a few words, such as `transfer(to: Account 1, amount: 5 TEST)`.
function describe({ to, value, data, decoded }) {
  const paid = BigInt(value ?? 0) > 0n ? native(value) : "";
  if (!data || data === "0x") return [h("strong", {}, paid || "An empty call"), " to ", address(to)];
  const [first] = decoded ?? [];
  if (!first) return [h("code", {}, data.slice(0, 10)), " on ", address(to), paid && ` with ${paid}`];
  return [h("strong", {}, first.function.split("(")[0]), "(", listArguments(first), ") on ", address(to), paid && ` with ${paid}`];
}

function listArguments({ arguments: values, amounts }) {
  const all = Object.entries(values ?? {}).map(([name, value], index) => [index > 0 && ", ", `${name}: `, showArgument(name, value, amounts)]);
  return all.length > 3 ? [...all.slice(0, 3), ", …"] : all;
}

function showArgument(name, value, amounts) {
  const amount = amounts?.find((each) => each.argument === name);
  if (amount?.text) return /^0\.0{6}/.test(amount.text) ? `${count(value, "unit")} of ${nameOf(amount.token)}` : `${amount.text.replace(/(\.\d{6})\d+/, "$1…")} ${nameOf(amount.token)}`;
  if (typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value)) return address(value);
  if (typeof value === "string" && /^\d{5,}$/.test(value)) return number(value);
  if (Array.isArray(value)) return `${value.length} items`;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.startsWith("0x") ? short(text) : text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

// The call and those inside of it, each in full.
function buildDecoded(call) {
  const inner = call.decoded ?? [];
  if (inner.length === 0) return call.data && call.data !== "0x" ? fact("Call data", call.data) : [];
  return inner.flatMap((each) => [
    h("dt", { class: each.depth > 0 && "inner" }, each.depth > 0 ? "Inside of it" : "Function"),
    h("dd", {}, h("code", { class: "wrap" }, each.function), " on ", hexText(each.to, "the called contract"), each.arguments && h("pre", {}, JSON.stringify(each.arguments, null, 1))),
  ]);
}

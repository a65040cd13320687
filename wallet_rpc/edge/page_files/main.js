// The page: it loads the facts, follows the server, and reads again what changed.
import { nameAddresses, refreshAccounts, startFaucet } from "./accounts.js";
import { refreshBlocks, showStatus } from "./blocks.js";
import { addEvent, doubtCalls, hasCalls, refreshCalls } from "./calls.js";
import { byId, h, render, showTimes } from "./dom.js";
import { startPlayground } from "./playground.js";
import { follow, openServer, RpcError, server, setKey } from "./rpc.js";
import { refreshSessions } from "./sessions.js";

const READY_SECONDS = 10;
const ALL_SECONDS = 20;
const known = {};
const REST_MS = 1000;
const NO_ACCESS = 4100;
const READERS = {
  blocks: readBlocks,
  sessions: async () => (known.sessions = await refreshSessions(() => refresh("sessions"))),
  calls: readCalls,
  accounts: refreshAccounts, // last, since the others find accounts
};
const LISTS = { blocks: "block-list", sessions: "session-list", calls: "call-list", accounts: "account-list" };
const wanted = new Set();
let isReading = false;
let lastEnd = 0;
let rejection = null; // error of the last requests, if they need another key
let live = null; // true while events come, else why they do not; null until the first answer

// Reads some parts again: soon, once for many changes, at most once a second, and only while the page is visible.
function refresh(...names) {
  (names.length > 0 ? names : Object.keys(READERS)).forEach((each) => wanted.add(each));
  if (isReading || document.hidden) return;
  isReading = true;
  setTimeout(readWanted, Math.max(100, lastEnd + REST_MS - performance.now()));
}

async function readBlocks() {
  const found = await refreshBlocks();
  const isContinued = !known.blocks || found.hashes.includes(known.blocks.head.hash);
  if (!isContinued) doubtCalls(); // the chain was reverted, or has mined many blocks
  known.blocks = found;
}

// Calls are known by their events alone.
async function readCalls() {
  if (live === null) return;
  if (live !== true && !hasCalls()) throw rejection ?? new Error(live);
  known.calls = await refreshCalls(() => refresh("calls"));
}

async function read(name) {
  try {
    await READERS[name]();
  } catch (error) {
    if (error.code === NO_ACCESS) rejection = error;
    showProblem(name, error);
  }
}

// Says in the place of a list why it could not be read; if the server went away, what was read before stays.
function showProblem(name, error) {
  const list = byId(LISTS[name]);
  if (error instanceof RpcError) delete known[name];
  else if (list.childElementCount > 0) return;
  render(list, error.message, (text) => h("p", { class: "error" }, `Could not be read: ${text}`));
}

async function readWanted() {
  const names = Object.keys(READERS).filter((each) => wanted.has(each));
  wanted.clear();
  rejection = null;
  for (const name of names) await read(name);
  if (rejection) askForKey(server.key ? rejection.message : "");
  showStatus(known);
  isReading = false;
  lastEnd = performance.now();
  if (wanted.size > 0) refresh(...wanted);
}

async function readReady() {
  try {
    const { status, parts } = await (await fetch("/ready")).json();
    known.parts = Object.keys(parts).length > 0 ? parts : { server: status };
  } catch {
    known.parts = undefined;
  }
  showStatus(known);
}

function showLive(isLive) {
  byId("live").textContent = isLive ? "Live" : "Reconnecting";
  byId("live").dataset.kind = isLive ? "good" : "bad";
  readReady();
}

function askForKey(problem = "") {
  byId("key-problem").textContent = problem;
  if (!byId("key-form").hidden) return;
  byId("key-form").hidden = false;
  byId("key").focus();
}

let end = () => {};

function start() {
  end();
  for (const name of Object.keys(READERS)) delete known[name];
  live = null;
  end = follow({
    onEvent: (event) => {
      if (event.callId) addEvent(event);
      refresh("sessions", "calls", "accounts");
    },
    onBlock: (height) => height !== known.blocks?.head.height && refresh(),
    onState: (isLive, problem = "no WebSocket to the server is open") => {
      const isNews = isLive || live === null;
      live = isLive || problem;
      showLive(isLive);
      doubtCalls(); // the server may be another one
      if (isNews) refresh();
    },
  });
}

function chooseChain(event) {
  server.chainId = Number(event.currentTarget.value);
  start();
}

await openServer();
nameAddresses(server.facts);
byId("version").textContent = server.facts.version;
if (server.facts.chainIds.length > 1) {
  byId("chain").append(...server.facts.chainIds.map((id) => h("option", { value: id }, String(id))));
  byId("chain").addEventListener("change", chooseChain);
  byId("chain-choice").hidden = false;
}
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(byId("key").value.trim());
  byId("key-form").hidden = true;
  byId("main").focus();
  start();
  refresh();
});
if (!server.key) askForKey(); // an open server answers without one, but lists no sessions
startFaucet(refresh);
startPlayground(refresh);
start();
refresh();
readReady();
setInterval(showTimes, 1000);
setInterval(() => document.hidden || readReady(), READY_SECONDS * 1000);
setInterval(() => document.hidden || refresh(), ALL_SECONDS * 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());

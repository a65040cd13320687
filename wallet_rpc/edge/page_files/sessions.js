// Sessions: their state, their rights in words, and what remains of their limits.
import { addSmartAccount, nameAll, nameOf } from "./accounts.js";
import { byId, count, h, hexText, moreButton, native, render, timeText } from "./dom.js";
import { batch, chainHex, request, RpcError, walletPath } from "./rpc.js";
import { describeRules } from "./rules.js";

const STEP = 12;
const MOST = 96;
const KINDS = { installed: "good", pending: "wait", paused: "wait", changed: "wait", unknown: "wait", expired: "off", revoked: "off", removed: "off" };
const STATES = {
  installed: "The account has it.",
  pending: "Its first call installs it.",
  paused: "This server rejects its calls until it is resumed.",
  changed: "It is installed, but differs from what was granted.",
  expired: "Its time is over.",
  revoked: "This server rejects its calls for good.",
  removed: "The account no longer has it.",
  unknown: "The chain did not answer.",
};
const LIMITS = { "native-token-transfer": "ETH", "gas-limit": "Gas" };
let shown = STEP;

export const badge = (text, kind) => h("span", { class: "badge", "data-kind": kind }, text);

// Reads and shows the newest sessions; `onMore` is called when more of them are to be read.
export async function refreshSessions(onMore) {
  const { sessions, cursor } = await request(walletPath(), "wallet_listSessions", { chainId: chainHex(), limit: shown });
  sessions.forEach((each) => addSmartAccount(each.account));
  const reports = await batch(walletPath(), sessions.map(({ sessionId }) => ["wallet_getSession", { sessionId, callsLimit: 0 }]));
  reports.forEach((report, index) => Object.assign(sessions[index], report instanceof RpcError ? { problem: report.message } : { rules: report.rules, waiting: report.callsInFlight }));
  render(byId("session-list"), { sessions, cursor }, (data) => build(data, onMore));
  return { count: sessions.length, active: sessions.filter((each) => each.state === "installed").length, isAll: !cursor };
}

function build({ sessions, cursor }, onMore) {
  if (sessions.length === 0 && !cursor) return h("p", { class: "empty" }, "No session yet. ", h("code", {}, "wallet_createSession"), " prepares one for its owner to sign.");
  const more = () => {
    shown += STEP;
    onMore();
  };
  const rest = cursor && (shown < MOST ? moreButton("sessions", more) : h("p", { class: "muted" }, `The newest ${sessions.length}; wallet_listSessions has the others.`));
  return [...sessions.map(buildSession), rest].filter(Boolean);
}

function buildSession(session) {
  const { rights, end } = splitSentence(session);
  const key = session.sessionId ?? `${session.account} ${session.entityId}`;
  return h("article", { class: "card", "data-state": KINDS[session.state] },
    h("div", { class: "line" },
      h("h3", {}, nameOf(session.account), h("span", { class: "muted" }, " lets the key "), hexText(session.signer ?? session.account, "the session key")),
      h("span", { class: "marks" }, session.tags.map((tag) => h("span", { class: "tag", title: tag }, tag)), badge(session.state, KINDS[session.state] ?? "wait"))),
    rights.length > 1 ? h("ul", { class: "rights" }, rights.map((each) => h("li", {}, nameAll(each)))) : h("p", { class: "rights" }, rights.map(nameAll)),
    session.problem ? h("p", { class: "error" }, `Its rules could not be read: ${session.problem}`) : buildRules(describeRules(session.rules)),
    session.limits.length > 0 && h("div", { class: "limits" }, session.limits.map(buildLimit)),
    h("details", { "data-key": `session ${key}` }, h("summary", { "data-key": `summary ${key}` }, end, session.createdAt && [" · created ", timeText(session.createdAt)]),
      h("p", { class: "muted sentence" }, session.sentence),
      h("dl", { class: "facts" },
        fact("State", `${session.state}: ${STATES[session.state] ?? ""}`),
        fact("Session", session.sessionId && hexText(session.sessionId, "the session id", session.sessionId)),
        fact("Account", hexText(session.account, "the account", session.account)),
        fact("Entity id", String(session.entityId)),
        fact("Calls in flight", session.waiting > 0 ? String(session.waiting) : null),
        fact("Signed by the owner", session.isSigned === undefined ? null : session.isSigned ? "yes" : "not yet"))));
}

const buildRules = (rules) => rules.length > 0 && h("div", { class: "rules" }, h("p", { class: "muted" }, "This server adds rules:"), h("ul", { class: "rights" }, rules.map((each) => h("li", {}, each))));

const fact = (name, value) => value && [h("dt", {}, name), h("dd", {}, value)];

// The sentence of the server without its beginning, "The key 0x… may, until …:", and without wei, as a list of rights.
function splitSentence({ sentence, validUntil }) {
  const colon = sentence.indexOf(": ");
  const rights = colon < 0 ? [sentence] : sentence.slice(colon + 2).replace(/[\d.]+ of the native token \((\d+) wei\)/g, (_, wei) => native(wei, 18)).replace(/\.$/, "").split("; ").map(shortenList);
  return { rights, end: validUntil ? ["ends ", timeText(validUntil)] : "no end" };
}

// Two amounts as "3 wei of 0.5 ETH" or "0.2 of 0.5 ETH", with the unit once where it is the same.
function joinAmounts(part, whole) {
  const [number, unit] = part.split(" ");
  return whole.endsWith(` ${unit}`) ? `${number} of ${whole}` : `${part} of ${whole}`;
}

// A text in which a long list of functions ends after eight of them.
const shortenList = (text) => text.replace(/((?:0x[0-9a-f]{8}, ){8})((?:0x[0-9a-f]{8}, )+0x[0-9a-f]{8})(?![0-9a-f])/gi, (_, first, others) => `${first}and ${others.split(", ").length} others`);

function buildLimit(limit) {
  const [used, granted] = [BigInt(limit.remaining), limit.granted === undefined ? null : BigInt(limit.granted)];
  const name = LIMITS[limit.type] ?? nameOf(limit.token ?? "");
  const show = (value) => (limit.type === "erc20-token-transfer" ? count(value, "unit") : native(value));
  const text = granted === null ? `${show(used)} left` : `${joinAmounts(show(used), show(granted))} left`;
  const share = granted ? Math.max(Number((used * 1000n) / granted) / 1000, used > 0n ? 0.01 : 0) : 0; // some is never shown as none
  return h("label", { class: "limit" }, h("span", {}, name), h("progress", { value: share, max: 1, "aria-label": `${name}: ${text}` }), h("span", { class: "muted" }, text));
}

// Requests of the page: JSON-RPC over HTTP, and the WebSocket that says when something changed.

export const server = { facts: null, key: null, chainId: null };

const KEY = "wallet-rpc API key";

export async function openServer() {
  server.facts = await (await fetch("/page/facts.json")).json();
  server.key = sessionStorage.getItem(KEY) ?? server.facts.apiKey;
  server.chainId = server.facts.chainIds[0];
}

export function setKey(key) {
  server.key = key;
  sessionStorage.setItem(KEY, key);
}

export const chainPath = () => `/chain/${server.chainId}`;
export const walletPath = () => `/?chainId=${server.chainId}`;
export const chainHex = () => `0x${server.chainId.toString(16)}`;

export class RpcError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.code = code;
    this.reason = data?.reason;
  }
}

function fail(problem) {
  throw new Error(problem);
}

export async function send(path, body) {
  const headers = { "content-type": "application/json", ...(server.key ? { "x-api-key": server.key } : {}) };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => fail("the server does not answer"));
  return response.json().catch(() => fail(`the server's answer, with status ${response.status}, is no JSON`));
}

const readAnswer = ({ error, result } = { error: { message: "the server left the request out" } }) => (error ? new RpcError(error) : result);

// Sends calls `[method, ...params]` as one batch, and returns a result or an RpcError for each.
export async function batch(path, calls) {
  const found = [];
  for (let start = 0; start < calls.length; start += 100) {
    const body = calls.slice(start, start + 100).map(([method, ...params], id) => ({ jsonrpc: "2.0", id, method, params }));
    const answers = await send(path, body);
    if (!Array.isArray(answers)) throw new RpcError(answers.error);
    const byId = new Map(answers.map((each) => [each.id, each])); // they come in any order
    found.push(...body.map(({ id }) => readAnswer(byId.get(id))));
  }
  return found;
}

export async function request(path, method, ...params) {
  const answer = await send(path, { jsonrpc: "2.0", id: 1, method, params });
  if (answer.error) throw new RpcError(answer.error);
  return answer.result;
}

// Follows calls, sessions and blocks over a WebSocket, which is opened again whenever it ends; returns its end.
// `onState` gets true when events come, else false with the server's reason, if it gave one.
export function follow({ onEvent, onBlock, onState }) {
  let socket, timer, problem, pause = 1000, isOver = false;
  const open = () => {
    const path = server.key ? `/v2/${encodeURIComponent(server.key)}` : "/";
    socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${path}?chainId=${server.chainId}`);
    problem = undefined;
    socket.onopen = () => {
      const methods = [["wallet_subscribe", "calls", { lastEventId: "0-0" }], ["wallet_subscribe", "sessions"], ["eth_subscribe", "newHeads"]];
      methods.forEach(([method, ...params], id) => socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params })));
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.method === "wallet_subscription" && message.params.result) onEvent(message.params.result);
      else if (message.method === "eth_subscription") onBlock(message.params.result.number);
      else if (message.id === 0 && message.error) {
        problem = message.error.message;
        socket.close();
      } else if (message.id === 0) {
        pause = 1000;
        onState(true);
      }
    };
    socket.onclose = () => {
      if (isOver) return;
      onState(false, problem);
      timer = setTimeout(open, pause);
      pause = Math.min(2 * pause, 10_000);
    };
  };
  open();
  return () => {
    isOver = true;
    clearTimeout(timer);
    socket.close();
  };
}

// CORS: the preflight request of a browser for a page of another origin, and the response headers that it needs.
import assert from "node:assert/strict";

const url = process.env.WALLET_URL ?? "http://127.0.0.1:4337"; // of `wallet-rpc dev --chain 421614`
const origin = "https://app.example";

const { search } = new URL(url);
for (const path of ["", "/v2", "/v2/any-key", "/chain/421614"]) {
  const endpoint = new URL(path + search, url);
  const headerNames = "authorization,content-type,alchemy-aa-sdk-version";
  const preflight = await fetch(endpoint, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": headerNames },
  });
  assert(preflight.ok, path);
  assert(["*", origin].includes(preflight.headers.get("access-control-allow-origin") ?? ""));
  assert.match(preflight.headers.get("access-control-allow-methods") ?? "", /POST/);
  const allowed = (preflight.headers.get("access-control-allow-headers") ?? "").toLowerCase().split(/, */);
  for (const name of headerNames.split(",")) assert(allowed.includes(name), `${path}: ${name}`);
  assert(Number(preflight.headers.get("access-control-max-age")) > 0);

  const answer = await fetch(endpoint, {
    method: "POST",
    headers: { origin, "content-type": "application/json", authorization: "Bearer x", "alchemy-aa-sdk-version": "5.1.0" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 0, method: "eth_chainId", params: [] }),
  });
  assert(["*", origin].includes(answer.headers.get("access-control-allow-origin") ?? ""));
  assert.deepEqual(await answer.json(), { jsonrpc: "2.0", id: 0, result: "0x66eee" });
}

// A page must be able to read errors too.
const rejected = await fetch(url, { method: "POST", headers: { origin, "content-type": "text/plain" }, body: "?" });
assert(["*", origin].includes(rejected.headers.get("access-control-allow-origin") ?? ""), String(rejected.status));

// wallet_createSession for root sessions of undeployed accounts, as a small team would write it with node, viem and
// ioredis. `POST /` creates a session: an entity id and the session's record in Redis. `POST /v2/{key}` authenticates
// the API key first and appends an entry to the audit log, a hash chain, before the response.
// It has no rate limit, no bound on unsigned sessions, reads no code from the node, and trusts its input.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { Redis } from "ioredis";
import { concat, encodeAbiParameters, encodeFunctionData, hashTypedData, numberToHex, parseAbi } from "viem";

const [redisPath] = process.argv.slice(2);
const redis = new Redis(redisPath); // each command is sent at once: auto-pipelining is off by default
const GRACE_SECONDS = 86_400;
const SIGNER_MODULE = "0x00000000000099DE0BF6fA90dEB851E2A2df7d83";
const TIME_RANGE_MODULE = "0x00000000000082B8e2012be914dFA4f62A0573eA";
const ABI = parseAbi([
  "function installValidation(bytes25 config, bytes4[] selectors, bytes installData, bytes[] hooks)",
]);
const TYPES = {
  DeferredAction: [
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint48" },
    { name: "call", type: "bytes" },
  ],
};
const SIGNER = [{ type: "uint32" }, { type: "address" }];
const TIME_RANGE = [{ type: "uint32" }, { type: "uint48" }, { type: "uint48" }];
const USER_OPERATIONS_AND_GLOBAL = "0x05";
const VALIDATION_HOOK = "0x01";

const sha256 = (data) => createHash("sha256").update(data).digest();

function installation({ key, expirySec }, entity) {
  const id = numberToHex(entity, { size: 4 });
  const hooks = expirySec
    ? [
        concat([
          TIME_RANGE_MODULE, id, VALIDATION_HOOK,
          encodeAbiParameters(TIME_RANGE, [entity, expirySec, 0]),
        ]),
      ]
    : [];
  const config = concat([SIGNER_MODULE, id, USER_OPERATIONS_AND_GLOBAL]);
  const installData = encodeAbiParameters(SIGNER, [entity, key.publicKey]);
  return encodeFunctionData({ abi: ABI, functionName: "installValidation", args: [config, [], installData, hooks] });
}

async function createSession(request) {
  const { account, chainId, key, permissions, expirySec } = request;
  const sessionId = `0x${randomBytes(16).toString("hex")}`;
  const slot = `{account:${account}:${chainId}}`;
  const entity = await redis.incr(`node:${slot}:entity`);
  const call = installation(request, entity);
  const nonce = numberToHex(((BigInt(entity) << 8n) | 3n) << 64n); // global, with a deferred action
  const domain = { chainId: Number(chainId), verifyingContract: account };
  const data = { domain, types: TYPES, primaryType: "DeferredAction", message: { nonce, deadline: expirySec, call } };
  const rawPayload = hashTypedData(data);
  const record = JSON.stringify({ version: 1, key, permissions, entity, expirySec, createdAt: Date.now() });
  await redis.set(`node:${slot}:session:${sessionId}`, record, "EXAT", expirySec + GRACE_SECONDS);
  return { sessionId, chainId, signatureRequest: { type: "eth_signTypedData_v4", data, rawPayload } };
}

async function authenticate(apiKey) {
  const digest = sha256(apiKey);
  const [record, revoked] = await redis.hmget(`node:{key:${digest.toString("hex")}}`, "record", "revoked");
  const key = record && JSON.parse(record);
  if (!key || revoked || !timingSafeEqual(Buffer.from(key.digest, "hex"), digest)) throw new Error("Invalid API key");
  return key;
}

let head = { count: 0, hash: "0".repeat(64) }; // this process is the log's only writer

async function audit(actor, { sessionId, chainId }, { account, key }) {
  const event = { actor, at: Math.floor(Date.now() / 1000), facts: { account, chainId, key: key.publicKey, sessionId } };
  const entry = { version: 1, number: head.count, event: { kind: "grant.requested", ...event }, previous: head.hash };
  head = { count: head.count + 1, hash: sha256(JSON.stringify(entry)).toString("hex") };
  const line = JSON.stringify({ ...entry, hash: head.hash });
  const write = redis.multi().rpush("node:{audit}:entries", line).set("node:{audit}:head", `${head.count} ${head.hash}`);
  await write.exec();
}

async function answer(url, body) {
  const { id, method, params } = JSON.parse(body);
  if (method !== "wallet_createSession") return { jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } };
  const apiKey = url.startsWith("/v2/") ? await authenticate(url.slice(4)) : undefined;
  const result = await createSession(params[0]);
  if (apiKey) await audit(apiKey.id, result, params[0]);
  return { jsonrpc: "2.0", id, result };
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", async () => {
    const reply = await answer(request.url, Buffer.concat(chunks).toString()).catch((error) => ({
      jsonrpc: "2.0", id: null, error: { code: -32603, message: error.message },
    }));
    const text = Buffer.from(JSON.stringify(reply));
    response.writeHead(200, { "content-type": "application/json", "content-length": text.length }).end(text);
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));

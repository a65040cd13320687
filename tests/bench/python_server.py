"""The work of `create_session.mjs`, as a small team would write it in Python with the packages that wallet-rpc uses.

`POST /` creates a session: an entity id and the session's record in Redis. Run: python -m tests.bench.python_server
REDIS_SOCKET. It has no authentication, no limits and no log, reads nothing from the chain, and trusts its input.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from functools import partial
from typing import Any

from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from jsonrpcserver import Result, Success, async_dispatch
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from tests.bench.bare_server import serve

_GRACE_SECONDS = 86_400
_SIGNER_MODULE = bytes.fromhex("00000000000099DE0BF6fA90dEB851E2A2df7d83")
_TIME_RANGE_MODULE = bytes.fromhex("00000000000082B8e2012be914dFA4f62A0573eA")
_SELECTOR = keccak(text="installValidation(bytes25,bytes4[],bytes,bytes[])")[:4]
_USER_OPERATIONS_AND_GLOBAL = b"\x05"
_VALIDATION_HOOK = b"\x01"
_TYPES = {
    "DeferredAction": [
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint48"},
        {"name": "call", "type": "bytes"},
    ],
}


def _installation(key: str, expiry: int, entity: int) -> bytes:
    entity_id = entity.to_bytes(4)
    hooks = []
    if expiry:
        time_range = encode(["uint32", "uint48", "uint48"], [entity, expiry, 0])
        hooks.append(_TIME_RANGE_MODULE + entity_id + _VALIDATION_HOOK + time_range)
    config = _SIGNER_MODULE + entity_id + _USER_OPERATIONS_AND_GLOBAL
    install_data = encode(["uint32", "address"], [entity, key])
    return _SELECTOR + encode(["bytes25", "bytes4[]", "bytes", "bytes[]"], [config, [], install_data, hooks])


async def _create_session(redis: Redis, request: dict[str, Any]) -> Result:
    account, chain_id, key, expiry = (request[name] for name in ("account", "chainId", "key", "expirySec"))
    session_id = "0x" + secrets.token_hex(16)
    slot = f"{{account:{account}:{chain_id}}}"
    entity = await redis.incr(f"python:{slot}:entity")
    call = _installation(key["publicKey"], expiry, entity)
    nonce = ((entity << 8) | 3) << 64  # global, with a deferred action
    domain = {"chainId": int(chain_id, 16), "verifyingContract": account}
    signable = encode_typed_data(domain, _TYPES, {"nonce": nonce, "deadline": expiry, "call": call})
    raw_payload = keccak(b"\x19" + signable.version + signable.header + signable.body)
    record = {
        "version": 1,
        "key": key,
        "permissions": request["permissions"],
        "entity": entity,
        "expirySec": expiry,
        "createdAt": int(time.time() * 1000),
    }
    await redis.set(f"python:{slot}:session:{session_id}", json.dumps(record), exat=expiry + _GRACE_SECONDS)
    message = {"nonce": f"0x{nonce:x}", "deadline": expiry, "call": "0x" + call.hex()}
    data = {"domain": domain, "types": _TYPES, "primaryType": "DeferredAction", "message": message}
    signature_request = {"type": "eth_signTypedData_v4", "data": data, "rawPayload": "0x" + raw_payload.hex()}
    return Success({"sessionId": session_id, "chainId": chain_id, "signatureRequest": signature_request})


def main() -> None:
    """Print the URL, and serve until a signal."""
    redis = Redis(unix_socket_path=sys.argv[1])
    methods = {"wallet_createSession": partial(_create_session, redis)}

    async def answer(request: Request) -> Response:
        reply = await async_dispatch((await request.body()).decode(), methods=methods)
        return Response(reply, media_type="application/json")

    serve(answer)


if __name__ == "__main__":
    main()

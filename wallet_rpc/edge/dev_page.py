"""The page of `dev` for browsers: its files, the facts that it starts with, and the decoding of calls that it shows.

A browser gets the page at `/`, and its parts below `/page`. The page has no rights of its own: its requests are those
of any client, with an API key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wallet_rpc.domain.account import Call
from wallet_rpc.edge.guard import ErrorMiddleware, JsonResponse
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.rpc_endpoint import Authenticate, JsonRpcEndpoint, jsonrpc_error_response
from wallet_rpc.errors import BundleTooLarge, InvalidRequest, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import ChainId
from wallet_rpc.services.decoded_operations import MAX_DECODED_CALLS, OperationCall, describe_calls
from wallet_rpc.wire import shape, strict_shape

PAGE_PATH = "/page"
"""The path below which the parts of the page are."""
FILES = Path(__file__).with_name("page_files")
"""The folder of the page's files, which are served as they are."""
PAGE = "index.html"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""The content security policy: files and requests of this server alone, nothing inline, no text becomes markup."""
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "vary": "accept",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FACTS_PATH = f"{PAGE_PATH}/facts.json"
_RPC_PATH = f"{PAGE_PATH}/rpc"
_MAX_SHORT_CALLS = 30
"""The maximum number of calls of an answer that is encoded at once."""


@strict_shape
class DecodeCalls:
    """Calls of one operation."""

    chain_id: ChainId
    """Chain of the calls, on which the decimals of tokens are read."""
    calls: tuple[Call, ...]
    """Calls in the order in which they run, at most 1000."""


@shape
class DecodedCalls:
    """The calls with their functions and arguments."""

    calls: tuple[OperationCall, ...]
    """Calls in the order of the request."""


async def _decode(chains: Mapping[int, ChainPorts], request: DecodeCalls) -> DecodedCalls:
    count = len(request.calls)
    if count > MAX_DECODED_CALLS:
        raise BundleTooLarge(f"expected at most {MAX_DECODED_CALLS} calls, got {count}", field="params.calls")
    chain = chains.get(request.chain_id)
    if chain is None:
        served = ", ".join(map(hex, chains))
        raise UnsupportedChain(field="params.chainId", expected=f"one of {served}", given=hex(request.chain_id))
    return DecodedCalls(calls=await describe_calls(chain, request.calls))


def _is_long(answer: DecodedCalls) -> bool:
    return len(answer.calls) > _MAX_SHORT_CALLS


DECODE = Operation("page_decodeCalls", DecodeCalls, DecodedCalls, _decode, is_long=_is_long)
"""The decoding of calls whose senders are no sessions, which no method of the wallet decodes."""


class DevPage:
    """The application of the page and its parts."""

    def __init__(self, facts: Mapping[str, Any], chains: Mapping[int, ChainPorts], authenticate: Authenticate) -> None:
        self._facts = json.dumps(facts).encode()
        self._files = MappingProxyType({path.name: path.read_bytes() for path in FILES.iterdir()})
        self._rpc = JsonRpcEndpoint(JsonRpcDispatcher((DECODE,), lambda: chains).dispatch, authenticate)
        self._app = ErrorMiddleware(self._answer, jsonrpc_error_response)

    def serves(self, scope: Scope) -> bool:
        """Return True for a path of the page, and for `GET /` by a client that prefers HTML."""
        if scope["path"] == "/":
            return scope["method"] in {"GET", "HEAD"} and prefers_html(HeaderFields.of(scope))
        return f"{scope['path']}/".startswith(f"{PAGE_PATH}/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._rpc if scope["path"] == _RPC_PATH else self._get(scope)
        await app(scope, receive, send)

    def _get(self, scope: Scope) -> Response:
        path = scope["path"]
        name = PAGE if path == "/" else path.removeprefix(f"{PAGE_PATH}/")
        if path != _FACTS_PATH and name not in self._files:
            error = InvalidRequest("path: expected a file of the page at /", reason="no_such_path")
            return jsonrpc_error_response(404, error)
        if scope["method"] not in {"GET", "HEAD"}:
            error = InvalidRequest("verb: expected GET", reason="method_not_allowed")
            return jsonrpc_error_response(405, error, {"allow": "GET, HEAD"})
        if path == _FACTS_PATH:
            return JsonResponse(self._facts, headers={"x-content-type-options": "nosniff"})
        return Response(self._files[name], headers=_HEADERS, media_type=_TYPES[Path(name).suffix])


def prefers_html(fields: HeaderFields) -> bool:
    """Return True for a browser: `accept` names HTML, and gives no lower weight to it than to JSON or plain text."""
    weights: dict[str, float] = {}
    for item in ",".join(fields.values_of(b"accept")).split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        weights[kind] = next((_weight(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    html = weights.get("text/html", 0.0)
    return html > 0 and all(html >= weights.get(other, 0.0) for other in ("application/json", "text/plain"))


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

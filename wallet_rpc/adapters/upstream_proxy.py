"""Upstream proxy: an allow-list of `eth_` methods, forwarded unchanged to the node or the bundler.

Results and errors of the upstream reach the caller unchanged, except that URLs and their secret parts are redacted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.errors import MethodNotFound, WalletError
from wallet_rpc.wire import measure

NODE_READS = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "net_version",
        "web3_clientVersion",
    }
)
NODE_WRITES = frozenset({"eth_sendRawTransaction"})
BUNDLER_READS = frozenset(
    {
        "eth_estimateUserOperationGas",
        "eth_getUserOperationByHash",
        "eth_getUserOperationReceipt",
        "eth_supportedEntryPoints",
    }
)
BUNDLER_WRITES = frozenset({"eth_sendUserOperation"})
_UNBATCHED = frozenset({"eth_call", "eth_estimateGas", "eth_estimateUserOperationGas", "eth_feeHistory", "eth_getLogs"})
"""Methods that go in a POST of their own."""
_URL = re.compile(r"(?<![a-zA-Z0-9+.-])[a-zA-Z0-9+.-]++://\S*", re.ASCII)
"""A URL; the lookbehind and the possessive quantifier keep the time linear in the length of the text."""
_MAX_CHARACTERS = 1 << 18
"""Maximum total length of an error's texts; a longer error is redacted as a whole."""
_MAX_VALUES = 1000
"""Maximum number of values in an error's data."""
_SHORTEST_SECRET = 6
"""Minimum length of a redacted piece of a URL; a shorter one may be an ordinary word."""
_HIDDEN = "(not shown)"


class _ForwardedError(WalletError):
    """Error of the upstream to forward with its own code."""

    def __init__(self, error: ErrorObject) -> None:
        super().__init__("an upstream error")
        self.error = error


class UpstreamProxy:
    """Forwards request objects with `eth_` methods to one chain's node or bundler."""

    def __init__(self, node: Rpc, bundler: Rpc, urls: Sequence[str]) -> None:
        """Create a proxy; secret pieces of `urls`, the addresses of node and bundler, are redacted in errors."""
        self._node = node
        self._bundler = bundler
        pieces = {piece for url in urls for piece in _secret_parts(url)}
        self._secret = re.compile("|".join(map(re.escape, sorted(pieces, key=len, reverse=True)))) if pieces else None

    async def forward(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the response object for a request object. Raises: MethodNotFound, Unavailable, OutcomeUnknown."""
        method = request["method"]
        params = request.get("params", [])
        if not isinstance(params, list):
            params = [params]
        response: dict[str, Any] = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            return {**response, "result": await self._call_upstream(method, params)}
        except _ForwardedError as failure:
            return {**response, "error": self._encode_error(failure.error)}

    async def _call_upstream(self, method: str, params: list[Any]) -> Any:
        if method in NODE_READS | BUNDLER_READS:
            part = self._node if method in NODE_READS else self._bundler
            return await part.read(method, params, map_error=_ForwardedError, unbatched=method in _UNBATCHED)
        if method in NODE_WRITES | BUNDLER_WRITES:
            part = self._node if method in NODE_WRITES else self._bundler
            return await part.write(method, params, map_error=_ForwardedError)
        raise MethodNotFound.from_name(method)

    def _encode_error(self, error: ErrorObject) -> dict[str, Any]:
        data = {} if error.data is None else {"data": self._redact_bounded(error.data)}
        return {"code": error.code, "message": self._redact_bounded(error.message), **data}

    def _redact_bounded(self, value: Any) -> Any:
        """Return the redacted value, or a placeholder for one that is too large to search."""
        is_large = measure(value, max_values=_MAX_VALUES).values > _MAX_VALUES
        return _HIDDEN if is_large or _count_characters(value) > _MAX_CHARACTERS else self._redact(value)

    def _redact(self, value: Any) -> Any:
        """Return `value` with URLs and secret pieces of URLs redacted in all texts."""
        match value:
            case str():
                text = _URL.sub(_HIDDEN, value)
                return text if self._secret is None else self._secret.sub(_HIDDEN, text)
            case list():
                return [self._redact(each) for each in value]
            case dict():
                return {self._redact(key): self._redact(each) for key, each in value.items()}
            case _:
                return value


def _count_characters(value: Any) -> int:
    """Return the total length of all texts in a value."""
    match value:
        case str():
            return len(value)
        case list():
            return sum(map(_count_characters, value))
        case dict():
            return sum(map(_count_characters, [*value, *value.values()]))
        case _:
            return 0


def _secret_parts(url: str) -> list[str]:
    """Return host, user, password and those parts of path and query that may be keys."""
    parts = urlsplit(url)
    found = [parts.netloc, parts.hostname, parts.username, parts.password]
    found += re.split(r"[/&=]", f"{parts.path}/{parts.query}")
    return [piece for piece in found if piece is not None and len(piece) >= _SHORTEST_SECRET]

"""JSON-RPC client of the demo, and its output."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import httpx2

from wallet_rpc.errors import MethodNotFound


class ServerError(Exception):
    """The server returned an error, or the demo cannot go on; `code` is that of JSON-RPC."""

    def __init__(self, text: str, *, code: int | None = None) -> None:
        super().__init__(text if code is None else f"{text} (code {code})")
        self.code = code

    @property
    def is_unknown_method(self) -> bool:
        """True if the server has no such method."""
        return self.code == MethodNotFound.code


@dataclass(frozen=True, slots=True)
class Client:
    """A JSON-RPC client over HTTP."""

    http: httpx2.AsyncClient
    url: str

    async def call(self, method: str, *params: Any) -> Any:
        """Call a method and return its result. Raises: ServerError with the error's code and message."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        response = (await self.http.post(self.url, json=body)).json()
        if "error" in response:
            raise ServerError(response["error"]["message"], code=response["error"]["code"])
        return response["result"]

    async def balance(self, address: str) -> int:
        """Return a native balance in wei."""
        return int(await self.call("eth_getBalance", address, "latest"), 16)

    async def has_code(self, address: str) -> bool:
        """Return True when there is a contract at the address."""
        return len(await self.call("eth_getCode", address, "latest")) > 2

    async def chain_time(self) -> int:
        """Return the time of the chain's next block, or of its latest one where the node has no pending block."""
        try:
            block = await self.call("eth_getBlockByNumber", "pending", False)
        except ServerError:
            block = None
        if block is None:
            block = await self.call("eth_getBlockByNumber", "latest", False)
        return int(block["timestamp"], 16)


def say(text: str = "") -> None:
    """Print one line without buffering."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

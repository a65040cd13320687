"""JSON-RPC client over HTTP, without code of the server."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.support import documented_errors, schema
from tests.support.calls import call_data
from tests.support.constants import ENTRY_POINT, LONGEST_SECONDS, TOKEN


class RpcError(Exception):
    """JSON-RPC error that the server returned."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error.get("data", {})

    @property
    def reason(self) -> str | None:
        return self.data.get("reason")


@dataclass
class Client:
    """Client of one server."""

    url: str
    node: str = ""
    """URL of the chain's node, which also serves the methods that the wallet does not forward."""
    holds_operations: bool = False
    """True if the bundler keeps operations in its mempool until the next block."""
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=LONGEST_SECONDS))

    def post(self, body: Any) -> Any:
        return self.http.post(self.url, json=body).json()

    def rpc(self, method: str, *params: Any) -> Any:
        try:
            result = _result(self.post(_request(method, params)))
        except RpcError as error:
            documented_errors.check(method, error.code, error.data)
            raise
        schema.check(method, result)
        return result

    def chain(self, method: str, *params: Any) -> Any:
        """Call a method of the node itself."""
        return _result(self.http.post(self.node or self.url, json=_request(method, params)).json())

    def balance(self, address: str) -> int:
        return int(self.rpc("eth_getBalance", address, "latest"), 16)

    def token_balance(self, holder: str) -> int:
        return int(self.rpc("eth_call", {"to": TOKEN, "data": call_data("balanceOf(address)", holder)}, "latest"), 16)

    def mint(self, holder: str, amount: int) -> None:
        minter = self.chain("eth_accounts")[0]
        call = {"from": minter, "to": TOKEN, "data": call_data("mint(address,uint256)", holder, amount)}
        self.wait_for_receipt(self.chain("eth_sendTransaction", call))

    def wait_for_receipt(self, transaction: str) -> dict[str, Any]:
        """Return the receipt of a transaction; anvil returns the hash shortly before it mines the transaction."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while (receipt := self.chain("eth_getTransactionReceipt", transaction)) is None:
            assert time.monotonic() < deadline, transaction
            time.sleep(0.01)
        found: dict[str, Any] = receipt
        return found

    def nonce(self, account: str, key: int) -> int:
        """Return EntryPoint.getNonce."""
        call = {"to": ENTRY_POINT, "data": call_data("getNonce(address,uint192)", account, key)}
        return int(self.rpc("eth_call", call, "latest"), 16)


def _request(method: str, params: tuple[Any, ...]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise RpcError(answer["error"])
    return answer["result"]

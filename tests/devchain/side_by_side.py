"""The same requests to anvil and to an in-process chain, and a common form of their answers."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.devchain.sample import Node, RpcFailure
from tests.support.constants import LONGEST_SECONDS

_MEANINGS = {
    "unknown block": r"BlockOutOfRange|Resource not found|[Uu]nknown block|header not found|is lower than previous",
    "no funds": r"[Ii]nsufficient funds|OverflowPayment",
    "nonce": r"nonce",
    "chain id": r"chain ?id",
    "intrinsic gas": r"intrinsic gas|floor data gas|exceeds block gas",
    "init code": r"initcode|InitCode",
    "code size": r"ContractSize|code size",
    "reserved code": r"0xef|StartingWithEF",
    "tip": r"(?i)priority.?fee.{0,9} (per gas|higher|greater)",
    "base fee": r"less than block base fee",
    "authorizations": r"auth(orization)? ?list",
    "reverted": r"execution reverted",
}


@dataclass(frozen=True)
class Refusal:
    """An error, reduced to its subject; `malformed` for an invalid request."""

    meaning: str


def refusal(code: int, message: str) -> Refusal:
    for meaning, words in _MEANINGS.items():
        if re.search(words, message) and not re.search("^unknown field|no such member", message):
            return Refusal(meaning)
    return Refusal("malformed" if code == -32602 else "failed")


@dataclass
class Pair:
    """anvil at `url`, and the embedded chain `node`, with the same accounts and contracts at the start."""

    url: str
    node: Node = field(default_factory=Node)
    numbers: Any = field(default_factory=itertools.count)
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=LONGEST_SECONDS))

    def __post_init__(self) -> None:
        self._set_base_fee()

    @contextmanager
    def revert_changes(self) -> Iterator[None]:
        """Revert all changes of the block at its end."""
        snapshots = self.both("evm_snapshot")
        yield
        self.anvil("evm_mine")  # waits for the previous block: anvil sets the next base fee after its receipts
        assert self.anvil("evm_revert", snapshots[0]) is True
        assert self.embedded("evm_revert", snapshots[1]) is True
        self._set_base_fee()

    def _set_base_fee(self) -> None:
        """Set the base fee of anvil's next block to that of the embedded chain's blocks."""
        self.anvil("anvil_setNextBlockBaseFeePerGas", hex(self.node.dev.chain.config.base_fee))

    def close(self) -> None:
        self.http.close()

    def anvil(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self.numbers), "method": method, "params": list(params)}
        answer = self.http.post(self.url, json=body).json()
        if "error" in answer:
            return refusal(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def embedded(self, method: str, *params: Any) -> Any:
        try:
            return self.node.rpc(method, *params)
        except RpcFailure as failure:
            if failure.code == -32603:  # an internal error is a bug, not an answer
                raise
            return refusal(failure.code, failure.message)

    def both(self, method: str, *params: Any) -> tuple[Any, Any]:
        """Return the answers of anvil and of the embedded chain."""
        return self.anvil(method, *params), self.embedded(method, *params)

    def mine(self, transaction: dict[str, Any]) -> tuple[Any, Any]:
        """Return the receipt and the transaction of an `eth_sendTransaction`, or the error when it was not mined."""
        return self._mine(self.anvil, transaction), self._mine(self.embedded, transaction)

    @staticmethod
    def _mine(request: Any, transaction: dict[str, Any]) -> Any:
        identity = request("eth_sendTransaction", transaction)
        if isinstance(identity, Refusal):
            return identity
        receipt = _wait_for(lambda: request("eth_getTransactionReceipt", identity), lambda found: found is not None)
        if receipt is None:
            return Refusal("not mined")
        # anvil shows the transaction of its pool, priced by the next block, until it has left the pool
        mined = _wait_for(lambda: request("eth_getTransactionByHash", identity), lambda found: found["blockHash"])
        return {**mined, **receipt}


def _wait_for(read: Callable[[], Any], is_there: Callable[[Any], Any]) -> Any:
    """Return what `read` gives once it satisfies `is_there`; anvil mines after its answer."""
    ends = time.monotonic() + LONGEST_SECONDS
    while not is_there(found := read()) and time.monotonic() < ends:
        time.sleep(0.002)
    return found

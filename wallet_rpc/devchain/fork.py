"""Fork of another chain: values never written here are read from its node, as of one pinned block.

A value is read once and then stored, so that a fork is stable and can be persisted.
Limits: only the pinned block's state is available, not earlier blocks, receipts and logs; BLOCKHASH and the base fee
are this chain's own; an account's storage is read word by word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2

from wallet_rpc.devchain.chain_state import Value, balance_key, code_key, nonce_key
from wallet_rpc.devchain.node_errors import UpstreamFailed
from wallet_rpc.devchain.run_limit import RunLimit

_TRIES = 3
_TIMEOUT_SECONDS = 20.0
_BATCH = 50
"""The maximum number of reads in one batch request."""


class Upstream:
    """HTTP client of the forked chain's node."""

    def __init__(self, url: str, *, block: int | None = None, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Pin `block`, or the node's newest. Raises: UpstreamFailed."""
        self._client = httpx2.Client(timeout=timeout_seconds)
        self.url = url
        """The node's URL."""
        reference = "latest" if block is None else hex(block)
        (found,) = self._send_batch([("eth_getBlockByNumber", [reference, False])])
        if not isinstance(found, dict):
            raise UpstreamFailed(
                f"the forked chain's node does not know block {reference}", reason="fork_block_unknown"
            )
        try:
            self.block = int(found["number"], 16)
            """The pinned block's height."""
            self.timestamp = int(found["timestamp"], 16)
            """The pinned block's time in Unix seconds."""
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed_answer_error() from error

    def fetch(self, key: bytes) -> Mapping[bytes, Value]:
        """Fetch a storage word; or balance, nonce and code of an account together. Raises: UpstreamFailed."""
        return self.fetch_many([key])

    def fetch_many(self, keys: Sequence[bytes]) -> dict[bytes, Value]:
        """Fetch several values at once. Raises: UpstreamFailed."""
        at = hex(self.block)
        accounts = list(dict.fromkeys(key[:20] for key in keys if len(key) == 21))
        slots = [key for key in keys if len(key) != 21]
        calls: list[tuple[str, list[Any]]] = []
        for account in accounts:
            address = "0x" + account.hex()
            calls += [(f"eth_get{name}", [address, at]) for name in ("Balance", "TransactionCount", "Code")]
        calls += [("eth_getStorageAt", ["0x" + key[:20].hex(), "0x" + key[20:].hex(), at]) for key in slots]
        answers = [
            answer
            for start in range(0, len(calls), _BATCH)
            for answer in self._send_batch(calls[start : start + _BATCH])
        ]
        values: dict[bytes, Value] = {}
        try:
            for position, account in enumerate(accounts):
                balance, nonce, code = answers[3 * position : 3 * position + 3]
                values[balance_key(account)] = int(balance, 16)
                values[nonce_key(account)] = int(nonce, 16)
                values[code_key(account)] = bytes.fromhex(code.removeprefix("0x"))
            for key, word in zip(slots, answers[3 * len(accounts) :], strict=True):
                values[key] = int(word, 16)
        except (AttributeError, TypeError, ValueError) as error:
            raise _malformed_answer_error() from error
        return values

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send_batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Send one batch and return its results in order. Failed requests are retried, as all calls are reads."""
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        failure: Exception | None = None
        for _ in range(_TRIES):
            try:
                answer = self._client.post(self.url, json=batch)
                answer.raise_for_status()
                return _results(answer.json(), len(batch))
            except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
                failure = error
        raise UpstreamFailed("the forked chain's node does not answer") from failure


@dataclass(frozen=True, slots=True)
class ShieldedUpstream:
    """Source of the chain state that reads from the forked chain's node without being interrupted by the run limit."""

    upstream: Upstream
    limit: RunLimit

    def fetch(self, key: bytes) -> Mapping[bytes, Value]:
        """Fetch like `Upstream.fetch`, without an interruption."""
        return self.limit.shield(partial(self.upstream.fetch, key))


def _results(answers: Any, count: int) -> list[Any]:
    if isinstance(answers, dict) and "error" in answers:
        raise UpstreamFailed("the forked chain's node rejects batch requests")
    if not isinstance(answers, list) or len(answers) != count:
        raise _malformed_answer_error()
    by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
    results = []
    for number in range(count):
        answer = by_id.get(number, {})
        if "result" not in answer:
            failure = answer.get("error")
            code = failure.get("code") if isinstance(failure, dict) else None
            text = "the forked chain's node returned an error for a read of the pinned block"
            raise UpstreamFailed(text, upstreamCode=code)
        results.append(answer["result"])
    return results


def _malformed_answer_error() -> UpstreamFailed:
    return UpstreamFailed("the forked chain's node gave a malformed answer", reason="fork_malformed")

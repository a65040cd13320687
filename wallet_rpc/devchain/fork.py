"""A forked chain: values this chain has never written come from another node, as of one pinned block.

The rule: a value is read once and then kept as if it had always been here, so a fork is stable and may be persisted.
Limits: only the pinned block's state is known; blocks, receipts and logs before it are not; BLOCKHASH and the base fee
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
"""How many reads one request carries at most."""


class Upstream:
    """The forked chain's node, over HTTP."""

    def __init__(self, url: str, *, block: int | None = None, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Pins `block`, or the node's newest. Raises: UpstreamFailed."""
        self._client = httpx2.Client(timeout=timeout_seconds)
        self._url = url
        wanted = "latest" if block is None else hex(block)
        (found,) = self._send_batch([("eth_getBlockByNumber", [wanted, False])])
        if not isinstance(found, dict):
            raise UpstreamFailed(f"the forked chain's node does not know block {wanted}", reason="fork_block_unknown")
        try:
            self.block = int(found["number"], 16)
            """The pinned block's height."""
            self.timestamp = int(found["timestamp"], 16)
            """Its time, in Unix seconds."""
        except (KeyError, TypeError, ValueError) as error:
            raise _malformed_answer_error() from error

    def fetch(self, key: bytes) -> Mapping[bytes, Value]:
        """A storage word; or balance, nonce and code of an account together."""
        return self.fetch_many([key])

    def fetch_many(self, keys: Sequence[bytes]) -> dict[bytes, Value]:
        """Several at once. Raises: UpstreamFailed."""
        at = hex(self.block)
        accounts = list(dict.fromkeys(key[:20] for key in keys if len(key) == 21))
        slots = [key for key in keys if len(key) != 21]
        calls: list[tuple[str, list[Any]]] = []
        for account in accounts:
            shown = "0x" + account.hex()
            calls += [(f"eth_get{what}", [shown, at]) for what in ("Balance", "TransactionCount", "Code")]
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
        """Let go of the connections."""
        self._client.close()

    def _send_batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of one batch, in order. Reads only, so a failed request is tried again."""
        batch = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        failure: Exception | None = None
        for _ in range(_TRIES):
            try:
                answer = self._client.post(self._url, json=batch)
                answer.raise_for_status()
                return _results(answer.json(), len(batch))
            except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
                failure = error
        raise UpstreamFailed("the forked chain's node does not answer") from failure


@dataclass(frozen=True, slots=True)
class ShieldedUpstream:
    """The forked chain's node as the world's source: a run is not interrupted in the middle of a request."""

    upstream: Upstream
    limit: RunLimit

    def fetch(self, key: bytes) -> Mapping[bytes, Value]:
        """As the upstream's."""
        return self.limit.shield(partial(self.upstream.fetch, key))


def _results(answers: Any, count: int) -> list[Any]:
    if isinstance(answers, dict) and "error" in answers:
        raise UpstreamFailed("the forked chain's node takes no batch requests, or refuses them")
    if not isinstance(answers, list) or len(answers) != count:
        raise _malformed_answer_error()
    by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, dict)}
    results = []
    for number in range(count):
        answer = by_id.get(number, {})
        if "result" not in answer:
            said = answer.get("error")
            code = said.get("code") if isinstance(said, dict) else None
            raise UpstreamFailed("the forked chain's node refused a read of the pinned block", upstreamCode=code)
        results.append(answer["result"])
    return results


def _malformed_answer_error() -> UpstreamFailed:
    return UpstreamFailed("the forked chain's node gave a malformed answer", reason="fork_malformed")

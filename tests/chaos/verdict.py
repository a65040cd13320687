"""The comparison of the reported statuses with the chain: calls that are lost, paid twice or reported wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from tests.chaos.payments import FINAL, Observation, Payload, Payment
from tests.chaos.witness import IncludedOperation

_BACK_STEPS = frozenset({(110, 100), (115, 100)})
_RANK = {100: 0, 110: 1, 115: 1, 200: 2, 400: 2, 500: 2}


@dataclass
class Verdict:
    """Counts of one row, and a sentence for each finding."""

    calls: int = 0
    """Acknowledged calls."""
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    stuck: int = 0
    """Payments without any answer long after the failure."""
    findings: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.twice or self.wrong)


class Chain(Protocol):
    """The facts that the verdict needs; `Witness` reads them from a node."""

    operations: dict[str, IncludedOperation]

    async def read(self) -> None:
        """Read all operations."""

    async def balances(self, addresses: Iterable[str]) -> dict[str, int]:
        """Return the balance of each address, in wei."""


async def judge(payments: Sequence[Payment], witness: Chain) -> Verdict:
    """Compare all payments with the chain."""
    await witness.read()
    balances = await witness.balances(payment.recipient for payment in payments)
    verdict = Verdict()
    for payment in payments:
        _judge_payment(payment, balances[payment.recipient], witness.operations, verdict)
    return verdict


def _judge_payment(
    payment: Payment, balance: int, operations: Mapping[str, IncludedOperation], verdict: Verdict
) -> None:
    times = balance // payment.amount
    if times > 1:
        verdict.twice += times - 1
        refusals = [payload.refusals for payload in payment.payloads]
        verdict.findings.append(f"twice: {payment.recipient} was paid {times} times; refusals {refusals}")
    if payment.malformed:
        verdict.wrong += 1
        verdict.findings.append(f"wrong: an answer has an unexpected form: {payment.malformed}")
    acknowledged = [payload for payload in payment.payloads if payload.ids]
    verdict.calls += len(acknowledged)
    if not acknowledged and times == 0:
        verdict.stuck += 1
    for payload in payment.payloads:
        operation = operations.get(payload.operation_hash)
        if payload.ids and operation is None and not _is_refused(payload, operations):
            verdict.lost += 1
            verdict.findings.append(f"lost: {payload.operation_hash} {_history(payload)}")
        if sentences := list(_contradictions(payload, operation)):
            verdict.wrong += 1
            verdict.findings.append(f"wrong: {payload.operation_hash} {', '.join(sentences)}; {_history(payload)}")


def _is_refused(payload: Payload, operations: Mapping[str, IncludedOperation]) -> bool:
    """Return True for a final 400 with proof: another operation used the nonce, or a stated rejection."""
    final = payload.final
    if final is None or final.status != 400:
        return False
    data = payload.request["data"]
    sender, nonce = str(data["sender"]).lower(), int(data["nonce"], 16)
    is_replaced = any(one.sender == sender and one.nonce == nonce for one in operations.values())
    return is_replaced or final.reason not in (None, "stale_nonce")


def _contradictions(payload: Payload, operation: IncludedOperation | None) -> Iterator[str]:
    """Yield a sentence for each contradiction, at most one of each kind."""
    if len(payload.ids) > 1:
        yield f"one payload has {len(payload.ids)} ids"
    if payload.refusals and operation is not None:
        yield f"refused as {payload.refusals[0]}, and in block {operation.block}"
    if any(seen.status not in _RANK for seen in payload.history):
        yield "an acknowledged call is unknown"
    finals = list(dict.fromkeys(seen.status for seen in payload.history if seen.status in FINAL))
    if len(finals) > 1:
        yield f"the final status changed: {finals}"
    yield from _steps_back(payload.history)
    if operation is None:
        yield from (f"{status}, and not on chain" for status in finals if status != 400)
    else:
        yield from _false_finals(finals, operation)
        if payload.ids and not finals:
            yield f"not final, and in block {operation.block}"


def _false_finals(finals: Sequence[int], operation: IncludedOperation) -> Iterator[str]:
    correct = 200 if operation.success else 500
    yield from (f"{status}, and {correct} in block {operation.block}" for status in finals if status != correct)


def _steps_back(history: Sequence[Observation]) -> Iterator[str]:
    known = [seen.status for seen in history if seen.status in _RANK]
    for before, after in pairwise(known):
        if _RANK[after] < _RANK[before] and (before, after) not in _BACK_STEPS:
            yield f"step back from {before} to {after}"
            return


def _history(payload: Payload) -> str:
    statuses = " ".join(str(seen.status) for seen in payload.history) or "none"
    return f"statuses {statuses}" + ("" if payload.final else f", {payload.pending}")

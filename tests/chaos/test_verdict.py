"""The verdict's own rules: each contradiction between reported statuses and the chain is found, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.chaos.payments import Observation, Payload, Payment
from tests.chaos.verdict import Verdict, judge
from tests.chaos.witness import IncludedOperation
from tests.support.keys import new_key
from tests.support.wallet import AsyncWallet

HASH, OTHER_HASH = "0x" + "aa" * 32, "0x" + "bb" * 32
SENDER = "0x" + "11" * 20
INCLUDED = IncludedOperation(SENDER, 7, success=True, block=5)
REVERTED = IncludedOperation(SENDER, 7, success=False, block=5)


class FixedChain:
    """A chain with given operations and one balance for every recipient."""

    def __init__(self, balance: int, **operations: IncludedOperation) -> None:
        self.operations = {"0x" + name * 32: operation for name, operation in operations.items()}
        self._balance = balance

    async def read(self) -> None:
        return

    async def balances(self, addresses: Any) -> dict[str, int]:
        return dict.fromkeys(addresses, self._balance)


def payload(*statuses: int | Observation, acknowledged: bool = True, refusals: Sequence[str] = ()) -> Payload:
    made = Payload(
        {"data": {"sender": SENDER, "nonce": "0x7"}}, HASH, {"id"} if acknowledged else set(), list(refusals)
    )
    for status in statuses:
        made.record(status if isinstance(status, Observation) else Observation(status))
    return made


async def verdict_of(chain: FixedChain, *payloads: Payload) -> Verdict:
    wallet = AsyncWallet(client=None, owner=new_key())  # type: ignore[arg-type]  # nothing is sent
    payment = Payment(
        client=None,  # type: ignore[arg-type]  # nothing is sent
        wallet=wallet,
        limit=None,  # type: ignore[arg-type]  # nothing is awaited
        copies=1,
        by_session=False,
        amount=10,
        payloads=list(payloads),
    )
    return await judge([payment], chain)


async def test_a_confirmed_call_is_clean() -> None:
    verdict = await verdict_of(FixedChain(10, aa=INCLUDED), payload(100, 110, 100, 110, 200))

    assert verdict.is_clean
    assert (verdict.calls, verdict.stuck) == (1, 0)


async def test_an_acknowledged_call_that_is_not_on_chain_is_lost() -> None:
    verdict = await verdict_of(FixedChain(0), payload(100))

    assert (verdict.lost, verdict.twice, verdict.wrong) == (1, 0, 0)


async def test_a_400_without_proof_is_lost_and_one_with_proof_is_not() -> None:
    assert (await verdict_of(FixedChain(0), payload(100, 400))).lost == 1
    assert (await verdict_of(FixedChain(0), payload(100, Observation(400, reason="stale_nonce")))).lost == 1
    assert (await verdict_of(FixedChain(0), payload(100, Observation(400, reason="paymaster_refused")))).is_clean
    assert (await verdict_of(FixedChain(0, bb=INCLUDED), payload(100, Observation(400, reason="stale_nonce")))).is_clean


async def test_a_second_payment_is_twice() -> None:
    verdict = await verdict_of(FixedChain(20, aa=INCLUDED), payload(100, 200))

    assert (verdict.lost, verdict.twice, verdict.wrong) == (0, 1, 0)


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        (None, [100, 200]),
        (None, [100, 500]),
        (REVERTED, [100, 200]),
        (INCLUDED, [100, 500]),
        (INCLUDED, [100, 400]),
        (INCLUDED, [100, 400, 200]),
        (INCLUDED, [100, 200, 100, 200]),
        (INCLUDED, [100, 200, 110, 200]),
        (INCLUDED, [100, 5730, 200]),
        (INCLUDED, [100, 110]),
    ],
)
async def test_a_status_that_contradicts_the_chain_is_wrong(
    operation: IncludedOperation | None, statuses: list[int]
) -> None:
    chain = FixedChain(10) if operation is None else FixedChain(10, aa=operation)

    assert (await verdict_of(chain, payload(*statuses))).wrong == 1


async def test_a_refused_payload_that_lands_is_wrong() -> None:
    verdict = await verdict_of(FixedChain(10, aa=INCLUDED), payload(acknowledged=False, refusals=["stale_nonce"]))

    assert (verdict.calls, verdict.wrong) == (0, 1)


async def test_a_payment_without_any_answer_is_stuck() -> None:
    verdict = await verdict_of(FixedChain(0), payload(acknowledged=False))

    assert (verdict.is_clean, verdict.stuck) == (True, 1)

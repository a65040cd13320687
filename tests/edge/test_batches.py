"""Batches: order, responses and the maximum number of entries."""

from __future__ import annotations

import asyncio

import pytest

from tests.edge.sample import Journal, ask, dispatcher, request


async def test_a_batch_runs_in_order_by_default() -> None:
    journal = Journal()
    batch = [request("wait", [{"name": name, "seconds": 0.001}], id=name) for name in "abc"]

    answers = await ask(batch, dispatcher(journal))

    assert [answer["id"] for answer in answers] == ["a", "b", "c"]
    assert journal.lines == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


async def test_a_batch_may_run_some_entries_at_once_and_keeps_the_order_of_responses() -> None:
    journal = Journal()
    seconds = {"a": 0.05, "b": 0.0, "c": 0.0}
    batch = [request("wait", [{"name": name, "seconds": seconds[name]}], id=name) for name in "abc"]

    answers = await ask(batch, dispatcher(journal, at_once=2))

    assert [answer["id"] for answer in answers] == ["a", "b", "c"]
    assert journal.lines == ["a begins", "b begins", "b ends", "c begins", "c ends", "a ends"]


async def test_entries_with_the_same_id_each_get_a_response() -> None:
    answers = await ask([request("sum", [1, 1], id=1), request("sum", [2, 2], id=1)])

    assert [answer["result"] for answer in answers] == [2, 4]


async def test_an_invalid_entry_fails_alone() -> None:
    answers = await ask([request("sum", [1, 1], id=1), 5, request("leak", id=2), request("surrogate", id=3), [], {}])

    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32600, -32603, -32603, -32600, -32600]
    assert [answer["id"] for answer in answers] == [1, None, 2, 3, None, None]


async def test_a_batch_of_a_hundred_is_answered() -> None:
    answers = await ask([request("sum", [number, 0], id=number) for number in range(100)])

    assert [answer["result"] for answer in answers] == list(range(100))


async def test_a_batch_of_more_than_a_hundred_is_rejected() -> None:
    journal = Journal()

    answer = await ask([request("wait", [{"name": "a"}], id=1)] * 101, dispatcher(journal))

    assert answer["error"]["data"] == {"reason": "batch_too_large"}
    assert answer["error"]["message"] == "batch: expected 1 to 100 entries, got 101"
    assert journal.lines == []


class Turns(list[str]):
    """A journal that also records the turn of the event loop in which each line was written."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.turns: list[int] = []
        self._count()

    def _count(self) -> None:
        self.turn += 1
        asyncio.get_running_loop().call_soon(self._count)

    def append(self, line: str) -> None:
        super().append(line)
        self.turns.append(self.turn)


@pytest.mark.parametrize("at_once", [1, 2, 8, 100])
async def test_one_entry_is_decoded_in_one_turn_of_the_event_loop(at_once: int) -> None:
    """Decoding blocks the event loop, also with several concurrent entries."""
    lines = Turns()
    batch = [request("wait", [{"name": str(number), "seconds": 0.0}], id=number) for number in range(50)]

    await ask(batch, dispatcher(Journal(lines=lines), at_once=at_once))

    begun = [turn for line, turn in zip(lines, lines.turns, strict=True) if line.endswith("begins")]
    assert len(begun) == len(batch)
    assert sorted(set(begun)) == begun

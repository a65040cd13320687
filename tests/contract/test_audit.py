"""The audit log on a real Redis: no entry is lost, and every integrity failure is found at its position."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.sample import ORGANIZATION, an_event
from wallet_rpc.adapters import redis_audit
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.audit import (
    EMPTY_HEAD,
    IntegrityFailure,
    IntegrityFailureReason,
    LogHead,
    VerificationState,
    next_line,
)
from wallet_rpc.errors import Unavailable

LATEST = settings(max_examples=15)


@pytest.fixture
def audit(store: RedisStore) -> RedisAudit:
    return store.for_organization(ORGANIZATION).audit


async def _fill(audit: RedisAudit, count: int) -> None:
    for number in range(count):
        await audit.append(an_event(number=number))


async def test_events_come_back_in_their_order_each_hashed_over_the_one_before(audit: RedisAudit) -> None:
    await _fill(audit, 5)

    entries = await audit.entries(0, 100)
    assert [each.event for each in entries] == [an_event(number=number) for number in range(5)]
    assert [each.number for each in entries] == [0, 1, 2, 3, 4]
    assert [each.previous for each in entries] == [EMPTY_HEAD.hash, *(each.hash for each in entries[:4])]
    assert await audit.head() == LogHead(5, entries[4].hash)
    assert await audit.entries(1, 2) == entries[1:3]
    assert (await audit.verify()).failure is None


async def test_a_log_is_verified_with_the_head_that_it_had_then(
    audit: RedisAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries written during the verification are not verified."""
    await _fill(audit, 3)
    head = await audit.head()
    lines = audit._lines

    async def and_more(start: int, end: int) -> list[bytes]:
        await audit.append(an_event())
        await audit._link.command("LSET", audit.entries_key(), 3, "{}")
        return await lines(start, end)

    monkeypatch.setattr(audit, "_lines", and_more)

    assert await audit.verify() == VerificationState(head)
    assert await audit.head() != head


async def test_a_log_without_entries_is_intact(audit: RedisAudit) -> None:
    assert (await audit.verify()).failure is None
    assert await audit.head() == EMPTY_HEAD
    assert await audit.entries(0, 10) == ()


@LATEST
@given(counts=st.lists(st.integers(1, 24), min_size=2, max_size=4))
async def test_concurrent_appends_on_several_servers_lose_no_entry(redis_url: str, counts: list[int]) -> None:
    """All events are equal, so that a server could mistake another server's entry for its own."""
    prefix = f"audit-{time.monotonic_ns()}"
    stores = [RedisStore.open(redis_url, prefix=prefix) for _ in counts]
    await asyncio.gather(
        *(
            store.for_organization(ORGANIZATION).audit.append(an_event())
            for store, count in zip(stores, counts, strict=True)
            for _ in range(count)
        )
    )
    audit = stores[0].for_organization(ORGANIZATION).audit

    assert (await audit.verify()).failure is None
    assert (await audit.head()).count == sum(counts) == len(await audit.entries(0, 1000))
    for store in stores:
        await store.close()


async def test_an_entry_whose_reply_was_lost_is_written_once(audit: RedisAudit) -> None:
    """After a lost reply the link repeats the script with the same arguments."""
    head, line = next_line(EMPTY_HEAD, an_event())
    arguments = ("", f"1 {head.hash} mark", line)

    for _ in range(2):
        assert await audit._link.run(audit._append, audit._keys(), *arguments) is None

    (entry,) = await audit.entries(0, 10)
    assert LogHead(entry.number + 1, entry.hash) == head
    assert (await audit.verify()).failure is None


async def test_a_cancelled_writer_does_not_block_other_writers(audit: RedisAudit) -> None:
    writers = [asyncio.create_task(audit.append(an_event(number=number))) for number in range(30)]
    await asyncio.sleep(0.002)
    for writer in writers[::2]:
        writer.cancel()
    await asyncio.wait(writers)

    await audit.append(an_event(number=99))

    numbers = [each.event.facts["number"] for each in await audit.entries(0, 100)]
    assert set(numbers) >= {*range(1, 30, 2), 99}
    assert len(set(numbers)) == len(numbers)
    assert (await audit.verify()).failure is None


@pytest.mark.parametrize("at_once", [1, 3, 500])
@pytest.mark.parametrize(
    ("command", "failure"),
    [
        (("LSET", 4, "{}"), IntegrityFailure(4, IntegrityFailureReason.ALTERED)),
        (("LSET", 0, "{}"), IntegrityFailure(0, IntegrityFailureReason.ALTERED)),
        (("LTRIM", 0, 5), IntegrityFailure(6, IntegrityFailureReason.CUT_OFF)),
        (("LTRIM", 1, -1), IntegrityFailure(0, IntegrityFailureReason.CUT_OUT)),
        (("RPUSH", "{}"), IntegrityFailure(7, IntegrityFailureReason.ALTERED)),
        (("LMOVE",), IntegrityFailure(0, IntegrityFailureReason.REORDERED)),
        (("DEL",), IntegrityFailure(0, IntegrityFailureReason.CUT_OFF)),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
async def test_an_altered_log_fails_verification_at_the_altered_position(
    audit: RedisAudit,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
    command: tuple[str | int, ...],
    failure: IntegrityFailure,
) -> None:
    monkeypatch.setattr(redis_audit, "_AT_ONCE", at_once)
    await _fill(audit, 7)
    key = audit.entries_key()
    rest = (key, "LEFT", "RIGHT") if command == ("LMOVE",) else command[1:]
    await audit._link.command(str(command[0]), key, *rest)

    assert (await audit.verify()).failure == failure


async def test_a_damaged_log_accepts_entries_and_still_fails_at_the_same_position(
    audit: RedisAudit, store: RedisStore
) -> None:
    await _fill(audit, 5)
    await audit._link.command("LTRIM", audit.entries_key(), 0, 2)

    await audit.append(an_event())

    assert (await audit.verify()).failure == IntegrityFailure(3, IntegrityFailureReason.CUT_OUT)


async def test_a_log_without_its_head_accepts_entries_and_fails_verification(audit: RedisAudit) -> None:
    await _fill(audit, 3)
    await audit._link.command("DEL", audit.head_key())
    assert (await audit.verify()).failure == IntegrityFailure(0, IntegrityFailureReason.ADDED)

    await audit.append(an_event())

    assert (await audit.verify()).failure == IntegrityFailure(3, IntegrityFailureReason.ADDED)


async def test_entries_of_a_newer_server_are_not_returned(audit: RedisAudit) -> None:
    await audit._link.command("RPUSH", audit.entries_key(), '{"version":2}')

    with pytest.raises(Unavailable, match="version 2, expected at most 1"):
        await audit.entries(0, 1)


async def test_a_log_of_thousands_is_verified_in_a_few_reads(audit: RedisAudit) -> None:
    lines = []
    head = EMPTY_HEAD
    for number in range(1200):
        head, line = next_line(head, an_event(number=number))
        lines.append(line)
    await audit._link.command("RPUSH", audit.entries_key(), *lines)
    await audit._link.command("SET", audit.head_key(), f"{head.count} {head.hash} mark")

    assert (await audit.verify()).failure is None
    await audit.append(an_event())
    assert (await audit.verify()).failure is None
    await audit._link.command("LSET", audit.entries_key(), 1100, lines[1099])
    assert (await audit.verify()).failure == IntegrityFailure(1100, IntegrityFailureReason.ADDED)

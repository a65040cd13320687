"""Incidents: bugs of requests and of work in the background, stored without values of the request."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest

from tests.contract.waiting import until
from tests.edge.sample import SECRET
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.incident import KEPT_ALIKE, KEPT_INCIDENTS, LONGEST_TRACEBACK, Incident, format_traceback
from wallet_rpc.edge import observe
from wallet_rpc.edge.observe import log_incident, pending_incidents
from wallet_rpc.edge.request_context import LOCAL_CALLER, RequestContext, set_context
from wallet_rpc.observability import record_incidents

KEY = "wrk_7f3a9c2e4b1d"
SIGNATURE = "0x" + "5a" * 65


@pytest.fixture(autouse=True)
def none_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without incidents, and without the servers that other tests run in this process."""
    monkeypatch.setattr(observe, "_watchers", [])
    pending_incidents.clear()


def an_incident(number: int, text: str) -> Incident:
    return Incident(id=f"{number:016x}", at_milliseconds=number, kind="ValueError", traceback=text)


async def test_the_newest_incidents_are_kept_newest_first(store: RedisStore) -> None:
    for number in range(KEPT_INCIDENTS + 3):
        await store.incidents.add(an_incident(number, f"bug {number}"))

    found = await store.incidents.newest()
    assert [each.at_milliseconds for each in found] == list(range(KEPT_INCIDENTS + 2, 2, -1))
    assert await store.incidents.newest(2) == found[:2]
    assert await store._link.command("ZCARD", store.incidents.incidents_key()) == KEPT_INCIDENTS


async def test_a_frequent_bug_does_not_displace_the_others(store: RedisStore) -> None:
    await store.incidents.add(an_incident(0, "rare"))
    for number in range(1, KEPT_INCIDENTS + 50):
        await store.incidents.add(an_incident(number, "frequent"))

    found = await store.incidents.newest()
    assert [each.traceback for each in found] == ["frequent"] * KEPT_ALIKE + ["rare"]
    assert found[0].at_milliseconds == KEPT_INCIDENTS + 49


async def test_storing_an_incident_again_changes_nothing(store: RedisStore) -> None:
    for _ in range(3):
        await store.incidents.add(an_incident(1, "bug"))

    assert await store.incidents.newest() == (an_incident(1, "bug"),)


def fail(value: str) -> None:
    try:
        int(value)
    except ValueError as error:
        raise KeyError(value) from error


def test_a_traceback_has_lines_of_code_but_no_value_of_a_message() -> None:
    for value in (SECRET, KEY, SIGNATURE, "hunter2\n  File in a message"):
        with pytest.raises(KeyError) as raised:
            fail(value)
        text = format_traceback(raised.value)

        assert "    raise KeyError(value) from error\n" in text
        assert '\nValueError: invalid literal for int() with base 10: "…"\n' in text
        assert text.endswith('KeyError: "…"')
        for secret in ("hunter2", KEY, SIGNATURE):
            assert secret not in text


def test_a_group_of_exceptions_is_masked_too() -> None:
    group = ExceptionGroup("both", [ValueError(f"got {SIGNATURE}"), ValueError(f"{KEY} is '{KEY}'")])
    text = format_traceback(group)

    assert "| ValueError: got …" in text
    assert KEY not in text


def test_a_long_traceback_keeps_its_end() -> None:
    text = format_traceback(ValueError(" ".join(["word"] * LONGEST_TRACEBACK) + " end"))

    assert len(text) == LONGEST_TRACEBACK + 1
    assert text.endswith("word end")


def test_a_traceback_is_text_that_can_be_stored_whatever_the_message_quotes() -> None:
    assert "\\ud800" in format_traceback(ValueError("\ud800"))
    format_traceback(ValueError("\ud800")).encode()


async def test_a_bug_of_a_request_is_stored_with_its_number_and_request(store: RedisStore) -> None:
    async with record_incidents(store.incidents):
        set_context(replace(RequestContext(LOCAL_CALLER, "req_1"), entry=2))
        error = log_incident(ValueError("a bug"), method="wallet_prepareCalls")
        await until(lambda: _has_incidents(store, 1))

    (incident,) = await store.incidents.newest()
    assert incident.id == error.facts["incident"]
    assert (incident.kind, incident.method) == ("ValueError", "wallet_prepareCalls")
    assert (incident.request_id, incident.entry) == ("req_1", 2)
    assert incident.traceback == "ValueError: a bug"


async def test_a_crash_in_the_background_is_an_incident(store: RedisStore) -> None:
    async def crash() -> None:
        raise RuntimeError("in the background")

    async def lose_connection() -> None:
        raise ConnectionResetError

    async with record_incidents(store.incidents):
        for work in (crash, lose_connection):
            asyncio.create_task(work(), name="not awaited")  # noqa: RUF006  # without a reference, its exception reaches the loop
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            gc.collect()
        await until(lambda: _has_incidents(store, 1))

    (incident,) = await store.incidents.newest()
    assert (incident.kind, incident.method) == ("RuntimeError", "(background)")


async def test_incidents_before_the_store_is_open_or_at_its_end_are_stored(store: RedisStore) -> None:
    log_incident(ValueError("before"))
    async with record_incidents(store.incidents):
        await until(lambda: _has_incidents(store, 1))
        log_incident(ValueError("at the end"))

    assert len(await store.incidents.newest()) == 2
    assert not pending_incidents


async def _has_incidents(store: RedisStore, count: int) -> bool:
    return len(await store.incidents.newest()) == count

"""The rows of the fault table that tell most, a few rounds each; `make chaos` runs all of them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from tests.chaos.client import CLIENT_SECONDS
from tests.chaos.failures import behave, kill, run_freely
from tests.chaos.rounds import RowResult, RowRun
from tests.chaos.rows import ACCEPTED_STEPS, REDIS_STEPS, SHORT, Load, Row
from tests.chaos.stacks import Stack, open_alto_stack, open_embedded_stack
from tests.chaos.switch import Behaviour, Moment, Step

SEND = {moment: Step("bundler", "eth_sendUserOperation", moment) for moment in Moment}
LOAD = Load(by_owners=2, owner_copies=2, by_sessions=1, session_copies=6)


@pytest.fixture(scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Start two replicas in front of `wallet-rpc dev`."""
    async with open_embedded_stack(tmp_path_factory.mktemp("embedded")) as stack:
        yield stack


async def run_row(stack: Stack, row: Row) -> RowResult:
    """Run a row, check that its failures happened at their steps, and that no call is lost, twice or wrong."""
    async with httpx2.AsyncClient(timeout=CLIENT_SECONDS) as http:
        run = RowRun(stack, replace(row, load=LOAD), random.Random(1), http, print)  # noqa: S311  # not for secrets
        result = await run.run(row.rounds, float("inf"))
    assert result.verdict.findings == []
    assert result.verdict.is_clean
    assert result.verdict.stuck == 0
    assert result.verdict.calls >= row.rounds * (LOAD.by_owners + LOAD.by_sessions)
    assert result.reached == (result.failures if row.steps else 0)
    return result


async def test_copies_of_a_payload_on_two_replicas_are_one_call(embedded: Stack) -> None:
    result = await run_row(embedded, Row("copies", "embedded", run_freely(), (), rounds=2))

    assert not result.tally.errors


async def test_a_replica_killed_around_a_send_loses_nothing(embedded: Stack) -> None:
    result = await run_row(embedded, Row("server", "embedded", kill("server"), tuple(SEND.values()), SHORT, rounds=3))

    assert result.kills == 3


async def test_a_redis_killed_around_a_send_loses_nothing(embedded: Stack) -> None:
    steps = REDIS_STEPS[20::12]
    result = await run_row(embedded, Row("redis", "embedded", kill("redis"), steps, SHORT, rounds=2))

    assert result.kills == 2


async def test_malformed_answers_of_a_bundler_block_no_payload(embedded: Stack) -> None:
    steps = (SEND[Moment.BEFORE], SEND[Moment.AFTER])
    row = Row("malformed", "embedded", behave("bundler", Behaviour.GARBAGE), steps, (1.0, 1.0), rounds=2)
    result = await run_row(embedded, row)

    assert result.tally.uncoded == 0
    assert result.seconds < 25, "a payload is blocked for half a minute"


async def test_a_bundler_that_forgets_changes_no_final_status(embedded: Stack) -> None:
    forget = behave("bundler", Behaviour.FORGET)
    await run_row(embedded, Row("forget", "embedded", forget, (), (0.7, 0.7), rounds=1, is_after_calls=True))


async def test_a_bundler_killed_before_inclusion_loses_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with open_alto_stack(tmp_path_factory.mktemp("alto")) as stack:
        row = Row("bundler", "alto", kill("bundler"), ACCEPTED_STEPS[:1], SHORT, rounds=1)
        result = await run_row(stack, row)

    assert result.kills == 1

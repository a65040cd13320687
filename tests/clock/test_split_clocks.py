"""Records of sessions where chains have clocks of their own, ahead of Redis's clock or behind it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.org_sessions.org_client import CREATE, GET, LIST, REVOKE, OrgClient, OrgWallet
from tests.rules.ruled import PREPARE, open_ruled, workers_of
from tests.rules.test_approvals import send_waiting
from tests.support.clocks import FixedClock
from tests.support.constants import CHAINS, FRIEND, HOUR, ROOT
from tests.support.keys import sign_request
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.prepared import parse_call_id
from wallet_rpc.domain.times import format_time
from wallet_rpc.primitives import Data

pytestmark = pytest.mark.anyio
FIRST, SECOND = CHAINS
DAY = 86_400
YEARS = 10 * 365 * DAY


class MovedClock(FixedClock):
    """`ports.ChainClock` with a fixed time, which a test moves."""

    moves = 0


def split(client: OrgClient, first: int, second: int) -> tuple[OrgClient, FixedClock, FixedClock]:
    """Return a client of the server whose chains have clocks of their own, at these times, and the clocks."""
    clocks = MovedClock(first), MovedClock(second)
    client.store.chain_clocks.update(zip(CHAINS, clocks, strict=True))
    chains = {id_: replace(client.ports.chains[id_], clock=clock) for id_, clock in client.store.chain_clocks.items()}
    return replace(client, ports=replace(client.ports, chains=chains)), *clocks


async def test_a_session_of_a_chain_behind_the_wall_clock_is_stored_until_its_end(client: OrgClient) -> None:
    """Its end, and the deadline of the owner's consent, are long past by the clock with which Redis deletes."""
    past = int(time.time()) - YEARS
    behind, clock, _ = split(client, past, past)
    wallet = OrgWallet(behind)
    await wallet.request_account()
    granted = await wallet.grant_on(FIRST, expirySec=past + HOUR, rules=[{"type": "rate", "limit": 9, "seconds": 60}])
    unsigned, _ = await wallet.create_session(ROOT, expirySec=past + HOUR)

    for session_id in (granted.session_id, unsigned["sessionId"]):
        assert (await behind.ask("wallet_getSession", sessionId=session_id))["state"] == "pending"
    wallet.grants = [granted]
    await wallet.register(expiresAt=format_time(past + HOUR // 2))
    named = {"sessionId": granted.session_id}
    prepared = await behind.ask("wallet_prepareSessionChange", action="pause", **named)
    signature = sign_request(wallet.owner, prepared["signatureRequest"])
    signed = {"nonce": prepared["nonce"], "deadline": prepared["deadline"], "signature": signature}
    assert await behind.reason("wallet_pauseSession", **named, ownerSignature=signed) is None
    assert await behind.reason("wallet_pauseSession", **named, ownerSignature=signed) == "consent_used"
    clock.seconds = past + HOUR + DAY
    assert (await behind.ask("wallet_getSession", **named))["state"] == "expired"
    assert await behind.reason("wallet_getSession", sessionId=unsigned["sessionId"]) == "session_not_found"
    clock.seconds = past
    assert (await behind.ask("wallet_getSession", sessionId=unsigned["sessionId"]))["state"] == "pending"


async def test_registered_sessions_end_each_with_the_clock_of_its_chain(client: OrgClient) -> None:
    now = int(time.time())
    moved, clock, other = split(client, now, now)
    wallet = await OrgWallet(moved).open(expirySec=now + 9 * HOUR)
    group = await wallet.register(expiresAt=format_time(now + HOUR))
    ids = [grant.session_id for grant in wallet.grants]

    async def read_states() -> list[str]:
        return [(await moved.ask(GET, id=one))["status"] for one in (*ids, group["sessionGroupId"])]

    first = wallet.calls(FIRST, wallet.grants[0].permissions)
    second = wallet.calls(SECOND, wallet.grants[1].permissions)
    assert [await moved.reason(PREPARE, **each) for each in (first, second)] == [None, None]
    clock.seconds = now + HOUR
    assert [await moved.reason(PREPARE, **each) for each in (first, second)] == ["session_expired", None]
    assert await read_states() == ["expired", "active", "active"]
    assert [item["id"] for item in (await moved.ask(LIST))["items"]] == ids[1:]
    other.seconds = now + HOUR
    assert await read_states() == ["expired", "expired", "expired"]
    assert (await moved.ask(LIST))["items"] == []
    clock.seconds = other.seconds = now
    assert await read_states() == ["active", "active", "active"]
    assert {item["id"] for item in (await moved.ask(LIST))["items"]} == set(ids)


async def test_a_registration_is_decided_by_the_clocks_of_its_chains(client: OrgClient) -> None:
    now = int(time.time())
    moved, clock, _ = split(client, now, now)
    wallet = await OrgWallet(moved).open(expirySec=now + 2 * HOUR)
    clock.seconds = now + HOUR
    assert await moved.reason(CREATE, **wallet.body(expiresAt=format_time(now + HOUR))) == "expiry_out_of_range"
    clock.seconds = now + 2 * HOUR
    late = wallet.body(expiresAt=format_time(now + 3 * HOUR))
    assert await moved.reason(CREATE, **late) == "expiry_out_of_range", "the grant has ended on one of the chains"
    clock.seconds = now
    group = await wallet.register(expiresAt=format_time(now + HOUR))
    again = wallet.body(expiresAt=format_time(now + HOUR))
    assert (await moved.ask(CREATE, **again))["sessionGroupId"] == group["sessionGroupId"]
    clock.seconds = now + HOUR
    renewed = wallet.body(expiresAt=format_time(now + 2 * HOUR))
    assert await moved.reason(CREATE, **renewed) == "session_registered", "a session of the group has expired"
    assert await moved.reason(REVOKE, id=wallet.grants[0].session_id) == "session_already_expired"


async def test_the_number_of_unsigned_sessions_counts_by_the_clock_of_the_chain(client: OrgClient) -> None:
    past = int(time.time()) - YEARS
    behind, clock, _ = split(client, past, past)
    rules = replace(behind.ports.rules, unsigned_per_account=2, unsigned_seconds=DAY)
    behind = replace(behind, ports=replace(behind.ports, rules=rules))
    wallet = OrgWallet(behind)
    await wallet.request_account()
    request = wallet.build_session([ROOT], FRIEND, expirySec=0)
    reasons = [await behind.reason("wallet_createSession", **request) for _ in range(3)]
    assert reasons == [None, None, "unsigned_sessions_of_account"]
    clock.seconds = past + DAY
    assert await behind.reason("wallet_createSession", **request) is None


async def test_a_listing_leaves_sessions_of_a_chain_that_is_behind(client: OrgClient) -> None:
    now = int(time.time())
    moved, clock, _ = split(client, now, now - YEARS)
    wallet = OrgWallet(moved)
    await wallet.request_account()
    here, _ = await wallet.create_session(ROOT, expirySec=now + HOUR)
    there, _ = await wallet.create_session(ROOT, chainId=hex(SECOND), expirySec=now - YEARS + HOUR)

    async def list_ids() -> set[str]:
        return {item["sessionId"] for item in (await moved.ask("wallet_listSessions"))["sessions"]}

    assert await list_ids() == {here["sessionId"], there["sessionId"]}
    clock.seconds = now + HOUR + DAY
    assert await list_ids() == {there["sessionId"]}


async def test_a_worker_looks_at_an_old_wait_every_two_seconds(client: OrgClient) -> None:
    moved, clock, _ = split(client, int(time.time()), int(time.time()))
    wallet = await open_ruled(moved, {"type": "approval", "above": "0x0", "seconds": 600})
    call_id = await send_waiting(wallet)
    for seconds in (100, 100, 2):
        assert await read_state(moved, call_id) is CallState.ACCEPTED
        clock.seconds += 600 if seconds == 2 else 0
        moved.clock.ahead_seconds += seconds
        await workers_of(moved).run_once()

    assert await read_state(moved, call_id) is CallState.EXPIRED


async def read_state(client: OrgClient, call_id: str) -> CallState:
    """Return the stored state of a call, which is not looked at."""
    record = await client.ports.store.calls.get(*parse_call_id(Data.parse(call_id)))
    assert record is not None
    return record.state

"""Revoking: who of many is answered, what a crash leaves, and what the log says."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.org_sessions.org_client import (
    CHAINS,
    CREATE,
    FRIEND,
    GET,
    HOUR,
    LIST,
    REVOKE,
    OrgClient,
    Wallet,
    timestamp_in,
)
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.times import read_time
from wallet_rpc.errors import Conflict, WalletError
from wallet_rpc.primitives import Address


async def outcome(client: OrgClient, name: str) -> dict[str, Any] | str:
    """What a request to revoke answers, or the reason of its refusal."""
    try:
        found: dict[str, Any] = await client.ask(REVOKE, id=name)
    except WalletError as refused:
        return refused.reason
    return found


async def test_one_session_is_revoked_once(wallet: Wallet) -> None:
    await wallet.register()
    first = wallet.grants[0].id

    ended = await wallet.client.ask(REVOKE, id=first)

    assert ended == {"id": first, "revokedAt": ended["revokedAt"]}
    assert [each["id"] for each in (await wallet.client.ask(LIST))["items"]] == [wallet.grants[1].id]
    again = await wallet.client.refusal(REVOKE, id=first)
    assert isinstance(again, Conflict)
    assert (again.status, again.reason) == (409, "session_already_revoked")


async def test_a_group_is_revoked_with_all_that_is_active_in_it(wallet: Wallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    first, second = wallet.grants
    await wallet.client.ask(REVOKE, id=first.id)

    ended = await wallet.client.ask(REVOKE, id=group)

    assert ended["id"] == group
    assert ended["sessions"] == [{"id": second.id, "chainId": second.chain, "revokedAt": ended["revokedAt"]}]
    assert await outcome(wallet.client, group) == "session_already_revoked"
    assert (await wallet.client.ask(LIST))["items"] == []


async def test_what_is_over_cannot_be_revoked(wallet: Wallet) -> None:
    group = (await wallet.register(expiresAt=timestamp_in(100)))["sessionGroupId"]
    await wallet.client.ask(REVOKE, id=wallet.grants[0].id)
    wallet.client.clock.ahead_seconds = 100

    assert await outcome(wallet.client, wallet.grants[0].id) == "session_already_revoked"
    assert await outcome(wallet.client, wallet.grants[1].id) == "session_already_expired"
    assert await outcome(wallet.client, group) == "session_already_expired"


async def test_of_many_revocations_at_once_one_is_answered(wallet: Wallet) -> None:
    await wallet.register()

    answers = await asyncio.gather(*(outcome(wallet.client, wallet.grants[0].id) for _ in range(16)))

    assert Counter(map(type, answers)) == {dict: 1, str: 15}
    assert {each for each in answers if isinstance(each, str)} == {"session_already_revoked"}


async def test_of_many_revocations_of_a_group_and_its_parts_each_session_is_ended_by_one(wallet: Wallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    names = [group, wallet.grants[0].id, group, wallet.grants[1].id] * 4

    answers = await asyncio.gather(*(outcome(wallet.client, name) for name in names))

    told = [answer for answer in answers if isinstance(answer, dict)]
    ended = [each["id"] for answer in told for each in answer.get("sessions", [answer])]
    assert sorted(ended) == sorted(grant.id for grant in wallet.grants)


async def test_between_what_refuses_and_what_is_told_a_crash_leaves_a_session_that_is_refused(wallet: Wallet) -> None:
    """The state is made as the first of the two writes leaves it."""
    await wallet.register()
    client, grant = wallet.client, wallet.grants[0]
    await client.ports.store.sessions.revoke(Address.parse(wallet.account), grant.chain, grant.entity_id)

    assert (await client.refusal("wallet_prepareCalls", **wallet.calls(grant.chain, grant.permissions))).code == 4100
    assert (await client.ask(GET, id=grant.id))["status"] == "active"
    assert (await client.refusal(CREATE, **wallet.body())).reason == "session_registered"

    assert isinstance(await outcome(client, grant.id), dict)
    assert (await client.ask(GET, id=grant.id))["status"] == "revoked"


async def test_what_a_crash_left_out_of_a_registration_the_next_try_puts_in(wallet: Wallet) -> None:
    made = await wallet.register(expiresAt=timestamp_in(100))
    client, sessions, account = wallet.client, wallet.client.store.sessions, Address.parse(wallet.account)
    for grant in wallet.grants:
        await client.store._link.command("DEL", sessions.end_key(account, grant.chain, grant.entity_id))

    assert await wallet.register(expiresAt=timestamp_in(HOUR)) == made

    ends = [await sessions.get_expiry(account, grant.chain, grant.entity_id) for grant in wallet.grants]
    assert ends == [read_time(part["expiresAt"]) for part in made["sessions"]]


async def test_the_log_has_grants_revocations_and_denials(wallet: Wallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    await wallet.client.ask(REVOKE, id=wallet.grants[1].id)
    await wallet.client.refusal("wallet_prepareCalls", **wallet.calls(CHAINS[1], wallet.grants[1].permissions))
    await wallet.client.without_key().ask("wallet_requestAccount", signerAddress=FRIEND)

    log = wallet.client.store.for_organization(wallet.client.organization).audit
    events = [entry.event for entry in await log.entries(0, 100)]

    told = [(event.kind, event.facts) for event in events if event.kind is not EventKind.GRANT_REQUESTED]
    parts = [{"id": grant.id, "chainId": grant.chain} for grant in wallet.grants]
    about = {"groupId": group, "account": wallet.account}
    assert told == [
        (EventKind.GRANT_REGISTERED, {**about, "sessions": parts}),
        (EventKind.GRANT_REVOKED, {**about, "sessions": parts[1:]}),
        (EventKind.DENIED, {"operation": "wallet_prepareCalls", "code": 4100, "reason": "session_revoked"}),
    ]
    assert {event.actor for event in events} == {wallet.client.ports.caller.name}
    assert (await log.verify()).failure is None

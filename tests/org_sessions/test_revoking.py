"""Revoking: concurrent requests, the state after a crash, and the audit log."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.org_sessions.org_client import CREATE, GET, LIST, REVOKE, OrgClient, OrgWallet
from tests.support.constants import CHAINS, FRIEND, HOUR
from tests.support.registration import timestamp_in
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.times import read_time
from wallet_rpc.errors import Conflict, WalletError
from wallet_rpc.primitives import Address


async def outcome(client: OrgClient, name: str) -> dict[str, Any] | str:
    """Return the result of a revocation, or the reason of its error."""
    try:
        result: dict[str, Any] = await client.ask(REVOKE, id=name)
    except WalletError as error:
        return error.reason
    return result


async def test_one_session_is_revoked_once(wallet: OrgWallet) -> None:
    await wallet.register()
    first = wallet.grants[0].session_id

    ended = await wallet.client.ask(REVOKE, id=first)

    assert ended == {"id": first, "revokedAt": ended["revokedAt"]}
    assert [each["id"] for each in (await wallet.client.ask(LIST))["items"]] == [wallet.grants[1].session_id]
    again = await wallet.client.refusal(REVOKE, id=first)
    assert isinstance(again, Conflict)
    assert (again.status, again.reason) == (409, "session_already_revoked")


async def test_revoking_a_group_revokes_its_active_sessions(wallet: OrgWallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    first, second = wallet.grants
    await wallet.client.ask(REVOKE, id=first.session_id)

    ended = await wallet.client.ask(REVOKE, id=group)

    assert ended["id"] == group
    assert ended["sessions"] == [{"id": second.session_id, "chainId": second.chain, "revokedAt": ended["revokedAt"]}]
    assert await outcome(wallet.client, group) == "session_already_revoked"
    assert (await wallet.client.ask(LIST))["items"] == []


async def test_expired_sessions_cannot_be_revoked(wallet: OrgWallet) -> None:
    group = (await wallet.register(expiresAt=timestamp_in(100)))["sessionGroupId"]
    await wallet.client.ask(REVOKE, id=wallet.grants[0].session_id)
    wallet.client.clock.ahead_seconds = 100

    assert await outcome(wallet.client, wallet.grants[0].session_id) == "session_already_revoked"
    assert await outcome(wallet.client, wallet.grants[1].session_id) == "session_already_expired"
    assert await outcome(wallet.client, group) == "session_already_expired"


async def test_of_concurrent_revocations_exactly_one_succeeds(wallet: OrgWallet) -> None:
    await wallet.register()

    answers = await asyncio.gather(*(outcome(wallet.client, wallet.grants[0].session_id) for _ in range(16)))

    assert Counter(map(type, answers)) == {dict: 1, str: 15}
    assert {each for each in answers if isinstance(each, str)} == {"session_already_revoked"}


async def test_concurrent_revocations_of_a_group_and_its_sessions_revoke_each_session_once(wallet: OrgWallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    names = [group, wallet.grants[0].session_id, group, wallet.grants[1].session_id] * 4

    answers = await asyncio.gather(*(outcome(wallet.client, name) for name in names))

    results = [answer for answer in answers if isinstance(answer, dict)]
    ended = [each["id"] for answer in results for each in answer.get("sessions", [answer])]
    assert sorted(ended) == sorted(grant.session_id for grant in wallet.grants)


async def test_a_crash_between_the_two_writes_leaves_a_rejected_session(wallet: OrgWallet) -> None:
    """The test creates the state after the first of the two writes."""
    await wallet.register()
    client = wallet.client
    grant = wallet.grants[0]
    await client.ports.store.sessions.revoke(Address.parse(wallet.account), grant.chain, grant.entity_id)

    assert (await client.refusal("wallet_prepareCalls", **wallet.calls(grant.chain, grant.permissions))).code == 4100
    assert (await client.ask(GET, id=grant.session_id))["status"] == "active"
    assert (await client.refusal(CREATE, **wallet.body())).reason == "session_registered"

    assert isinstance(await outcome(client, grant.session_id), dict)
    assert (await client.ask(GET, id=grant.session_id))["status"] == "revoked"


async def test_registering_again_completes_a_registration_after_a_crash(wallet: OrgWallet) -> None:
    made = await wallet.register(expiresAt=timestamp_in(100))
    client = wallet.client
    sessions = client.store.sessions
    account = Address.parse(wallet.account)
    for grant in wallet.grants:
        await client.store._link.command("DEL", sessions.end_key(account, grant.chain, grant.entity_id))

    assert await wallet.register(expiresAt=timestamp_in(HOUR)) == made

    ends = [await sessions.get_expiry(account, grant.chain, grant.entity_id) for grant in wallet.grants]
    assert ends == [read_time(part["expiresAt"]) for part in made["sessions"]]


async def test_the_log_has_grants_revocations_and_denials(wallet: OrgWallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    await wallet.client.ask(REVOKE, id=wallet.grants[1].session_id)
    await wallet.client.refusal("wallet_prepareCalls", **wallet.calls(CHAINS[1], wallet.grants[1].permissions))
    await wallet.client.without_key().ask("wallet_requestAccount", signerAddress=FRIEND)

    log = wallet.client.store.for_organization(wallet.client.organization).audit
    events = [entry.event for entry in await log.entries(0, 100)]

    logged = [(event.kind, event.facts) for event in events if event.kind is not EventKind.GRANT_REQUESTED]
    parts = [{"id": grant.session_id, "chainId": grant.chain} for grant in wallet.grants]
    about = {"groupId": group, "account": wallet.account}
    assert logged == [
        (EventKind.GRANT_REGISTERED, {**about, "sessions": parts}),
        (EventKind.GRANT_REVOKED, {**about, "sessions": parts[1:]}),
        (EventKind.DENIED, {"operation": "wallet_prepareCalls", "code": 4100, "reason": "session_revoked"}),
    ]
    assert {event.actor for event in events} == {wallet.client.ports.caller.name}
    assert (await log.verify()).failure is None

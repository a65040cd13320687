"""Records of version 0.1.0, as commit 56a8322 wrote them under real traffic, read by today's storage adapters.

`python -m tests.chaos.record_dump` wrote the file: one key of Redis a line, with its type and content.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from tests.contract.sample import FAR_FUTURE
from tests.contract.unsigned import reserve_entity
from tests.support.api_keys import caller_of
from wallet_rpc import wire
from wallet_rpc.adapters.redis_accounts import RedisAccounts
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger
from wallet_rpc.domain.access import OPEN_ORGANIZATION, ApiKey, KeyId, OrganizationId
from wallet_rpc.domain.audit import AuditEvent, EventKind
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.records import Account, Session
from wallet_rpc.domain.session_group import GroupId, SessionFilter
from wallet_rpc.primitives import Address, Hash32, SessionId

Json = dict[str, Any]

DUMP = Path(__file__).parent / "records_of_56a8322.jsonl"
CHAIN = 31337
POLICY = UUID("56a83220-0000-4000-8000-000000000000")
STATES = {"sending": CallState.UNKNOWN, "sent": CallState.SUBMITTED, "refused": CallState.REJECTED}
"""Today's state of a call for each state that 0.1.0 stored."""
_PREFIX = re.compile(r"wallet:1:(?:(org_\w+):)?(.*)")


def read_dump() -> list[Json]:
    return [json.loads(line) for line in DUMP.read_text().splitlines()]


def keys_with(pattern: str) -> Iterator[tuple[OrganizationId, re.Match[str], Any]]:
    """Yield the organisation, the match and the content of each key that matches after its prefix."""
    for line in read_dump():
        prefix = _PREFIX.fullmatch(line["key"])
        assert prefix is not None, line["key"]
        found = re.fullmatch(pattern, prefix[2])
        if found is not None:
            yield OrganizationId(prefix[1] or OPEN_ORGANIZATION), found, line["value"]


async def _load(redis: Redis) -> None:
    """Write every key of the dump, without a time to live."""
    for line in read_dump():
        key, value = line["key"], line["value"]
        match line["type"]:
            case "string":
                await redis.set(key, value.encode("latin-1"))
            case "hash":
                await redis.hset(key, mapping={name: text.encode("latin-1") for name, text in value.items()})
            case "list":
                await redis.rpush(key, *(text.encode("latin-1") for text in value))
            case "set":
                await redis.sadd(key, *value)
            case "zset":
                await redis.zadd(key, dict(value))


@pytest.fixture(scope="module")
def old_redis() -> Iterator[RedisServer]:
    """Start a Redis with the dump in it."""
    server = RedisServer(None)

    async def start() -> None:
        await server.start()
        async with Redis.from_url(server.url) as redis:
            await _load(redis)

    asyncio.run(start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def old_store(old_redis: RedisServer) -> AsyncIterator[RedisStore]:
    """Open the dump's store as a server opens it."""
    async with RedisStore.open(old_redis.url) as store:
        yield store


def assert_contains(stored: Json, read: Any) -> None:
    """Check that a value, encoded again, has every member of the stored record."""
    assert {name: read[name] for name in stored} == stored


async def test_every_call_is_read_with_its_outcome(old_store: RedisStore) -> None:
    seen = set()
    for organization, key, stored in keys_with(r"\{call:31337:(\w+)\}"):
        record = json.loads(stored["record"])
        call = await old_store.for_organization(organization).calls.get(CHAIN, Hash32.parse("0x" + key[1]))
        assert call is not None
        assert call.hash.hex0x() == record["hash"]
        assert str(call.sender) == record["sender"]
        assert call.nonce == int(record["nonce"], 16)
        assert (call.sent_at, call.kind) == (record["sentAt"], record["kind"])
        assert call.state is STATES[record["state"]]
        assert call.error == record.get("error")
        assert (None if call.transaction is None else call.transaction.hex0x()) == record.get("transaction")
        seen.add((record["kind"], record["state"]))
    assert seen == {
        ("user-operation", "sent"),
        ("user-operation", "sending"),
        ("user-operation", "refused"),
        ("delegation", "sent"),
    }


async def test_the_calls_of_a_nonce_are_found(old_store: RedisStore) -> None:
    count = 0
    for organization, key, stored in keys_with(r"\{nonce:31337:(\w+):(\w+)\}"):
        calls = old_store.for_organization(organization).calls
        found = await calls.list_by_nonce(CHAIN, Address.parse("0x" + key[1]), int(key[2], 16))
        assert {call.hash.hex() for call in found} == stored.keys() - {"tickets"}
        assert any(call.state is not CallState.REJECTED for call in found)
        count += 1
    assert count == 13


async def test_every_session_is_read_whole(old_store: RedisStore) -> None:
    states = set()
    for organization, key, stored in keys_with(r"\{account:(\w+):31337\}:session:(\w+)"):
        sessions = old_store.for_organization(organization).sessions
        account, session_id = Address.parse("0x" + key[1]), SessionId.parse("0x" + key[2])
        session = await sessions.get(account, CHAIN, session_id)
        assert session is not None
        assert_contains(json.loads(stored["record"]), wire.encode(Session, session))
        states.add(session.state.value)
    assert states == {"pending", "active"}


async def test_a_revoked_session_stays_revoked_and_an_end_stays(old_store: RedisStore) -> None:
    revocations = [(key[1], stored) for _, key, stored in keys_with(r"\{account:(\w+):31337\}:revoked")]
    assert [stored for _, stored in revocations] == [["1"]]
    account = Address.parse("0x" + revocations[0][0])

    assert await old_store.sessions.is_revoked(account, CHAIN, 1)
    assert not await old_store.sessions.is_revoked(account, CHAIN, 2)
    for _, key, stored in keys_with(r"\{account:(\w+):31337\}:end:(\d)"):
        assert await old_store.sessions.get_expiry(account, CHAIN, int(key[2])) == int(stored)


async def test_entity_ids_continue_after_those_given_out(old_store: RedisStore) -> None:
    count = 0
    for _, key, stored in keys_with(r"\{account:(\w+):31337\}:entities"):
        account = Address.parse("0x" + key[1])
        reserved = await reserve_entity(old_store, account, CHAIN)
        assert reserved == int(stored["open"])
        count += 1
    assert count == 3


async def test_every_account_is_found_by_signer_address_and_id(old_store: RedisStore) -> None:
    kinds = set()
    for organization, _, stored in keys_with(r"\{signer:(\w+)\}:accounts"):
        accounts: RedisAccounts = old_store.for_organization(organization).accounts
        for line in stored:
            record = json.loads(line)
            account = await accounts.find_by_address(Address.parse(record["address"]))
            assert account is not None
            assert_contains(record, wire.encode(Account, account))
            assert account in await accounts.find_by_id(UUID(record["id"]))
            kinds.add(account.kind.value)
    assert kinds == {"sma-b", "7702"}


async def test_the_groups_of_an_organization_are_read_and_a_revoked_session_is_not_listed(
    old_store: RedisStore,
) -> None:
    store = old_store.for_organization(_organization())
    [(_, _, records)] = keys_with(r"\{groups:\w+\}:records")
    [(_, _, revoked)] = keys_with(r"\{groups:\w+\}:revoked")
    found = {}
    for name, text in records.items():
        group = await store.groups.get(GroupId(name))
        assert group is not None
        assert group.created_at == json.loads(text)["createdAt"]
        assert str(group.account) == json.loads(text)["account"]
        assert group.policies == {"note": "of the tests"}
        [install] = group.installs
        assert await store.groups.find_by_session(install.session_id) == group
        found[install.session_id.hex()] = install.revoked_at
    [(ended, mark)] = revoked.items()
    assert len(found) == 2
    assert found.pop(ended) == int(mark.split()[0])
    assert list(found.values()) == [None]
    now = json.loads(next(iter(records.values())))["createdAt"]
    listed = await store.groups.page(SessionFilter(), now=now, offset=0, limit=10)
    assert [one.install.session_id.hex() for one in listed] == list(found)


async def test_tokens_are_read_and_a_revoked_one_stays_revoked(old_store: RedisStore) -> None:
    store = old_store.for_organization(_organization())
    revoked = {key[1] for _, key, _ in keys_with(r"\{token:(\w+)\}:revoked")}
    tokens = {key[1]: json.loads(stored)["claims"] for _, key, stored in keys_with(r"\{token:(\w+)\}")}
    assert (len(tokens), len(revoked)) == (2, 1)
    for token_id, stored in tokens.items():
        claims = await store.tokens.get(token_id)
        assert claims is not None
        assert (claims.id, claims.key, claims.organization) == (token_id, stored["key"], stored["organization"])
        assert (claims.issued_at, claims.expires_at) == (stored["issuedAt"], stored["expiresAt"])
        assert {"namespace": claims.wallet.namespace, "address": claims.wallet.address} == stored["wallet"]
        assert list(claims.scopes) == stored["scopes"]
        assert await store.tokens.is_revoked(token_id) == (token_id in revoked)


async def test_the_audit_log_is_intact_and_goes_on(old_store: RedisStore) -> None:
    audit = old_store.for_organization(_organization()).audit
    [(_, _, lines)] = keys_with(r"\{audit:\w+\}:entries")
    [(_, _, head)] = keys_with(r"\{audit:\w+\}:head")
    assert len(lines) == int(head.split()[0]) > 10

    assert [entry.number for entry in await audit.entries(0, len(lines))] == list(range(len(lines)))
    state = await audit.verify()
    assert state.failure is None
    assert state.head.hash == head.split()[1]
    await audit.append(AuditEvent(kind=EventKind.KEY_REVOKED, at=1, actor="cli", facts={}))
    state = await audit.verify()
    assert (state.failure, state.head.count) == (None, len(lines) + 1)


async def test_the_directory_is_read_and_a_revoked_key_stays_revoked(old_store: RedisStore) -> None:
    [organization] = [one for one in await old_store.directory.organizations() if one.id != OPEN_ORGANIZATION]
    assert (organization.id, organization.name) == (_organization(), "of the dump")
    keys = {key.id: key for key in await old_store.directory.keys_of(organization.id)}
    stored = {key[1]: content for _, key, content in keys_with(r"\{key:(\w+)\}")}
    assert len(keys) == len(stored) == 2
    for name, content in stored.items():
        key = keys[KeyId(name)]
        assert_contains(json.loads(content["record"]), wire.encode(ApiKey, key))
        assert key.revoked_at == (int(content["revoked"].split()[0]) if "revoked" in content else None)


async def test_the_requests_of_a_month_still_count(old_store: RedisStore) -> None:
    [(_, found, used)] = keys_with(r"\{limit:(\w+)\}:month:2026-11")
    key = await old_store.directory.key(KeyId(found[1]))
    assert key is not None
    caller = caller_of(replace(key, requests_per_minute=10**6))

    result = await old_store.limiter.take(caller, 1, now=key.created_at)

    assert result.remaining == 10_000 - int(used) - 1


async def test_the_budget_of_a_policy_and_its_open_reservations_are_read(old_store: RedisStore) -> None:
    [(_, _, sums)] = keys_with(rf"\{{policy:{POLICY}:0\}}:sums")
    [(_, _, reservations)] = keys_with(rf"\{{policy:{POLICY}:0\}}:promises")
    ledger = Ledger(POLICY)
    for field, text in sums.items():
        owner = None if field == "all" else Address.parse("0x" + field)
        high, low, count = map(int, text.split())
        assert high == 0
        assert await old_store.budgets.read_totals(ledger, owner) == (low, count)
    leased = await old_store.budgets.lease_pending(ledger, now=FAR_FUTURE, lease_seconds=60, most=10)
    assert {one.identity for one in leased} == set(reservations)
    sponsored = list(keys_with(r"\{sponsored:31337:(\w+)\}"))
    assert len(sponsored) == 4
    for _, key, _ in sponsored:
        assert await old_store.budgets.find_policy(CHAIN, Hash32.parse("0x" + key[1])) == POLICY


def test_the_dump_has_every_kind_of_key() -> None:
    kinds = {re.sub(r"[0-9a-f]{8}[0-9a-f-]{8,}|org_\w+|key_\w+|:\d+(?=[:}])", "", line["key"]) for line in read_dump()}
    assert len(kinds) >= 30
    assert not [line for line in read_dump() if line["type"] not in {"string", "hash", "list", "set", "zset"}]


def _organization() -> OrganizationId:
    [(_, key, _)] = keys_with(r"\{organization:(\w+)\}")
    return OrganizationId(key[1])

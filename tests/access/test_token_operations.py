"""Operations that create, describe and revoke session tokens, over a real store."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import combinations
from typing import Any

import jwt
import pytest

from tests.access.callers import EVM, SOLANA, TOKEN_SIGNER, a_key, by_token, ports_of
from tests.support.api_keys import caller_of
from tests.support.clocks import FixedClock
from wallet_rpc import wire
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.redis_tokens import RedisTokens
from wallet_rpc.domain.access import ApiKey, Caller, Claims, KeyScope, Rules, Scope, WalletNamespace
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.errors import (
    Conflict,
    Forbidden,
    InvalidParams,
    NotFound,
    SessionEnded,
    SponsorshipFailed,
    Unauthorized,
    Unavailable,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.operations import create_token, describe_token, revoke_token
from wallet_rpc.operations.access_control import add_access_control
from wallet_rpc.operations.catalogue import REST_OPERATIONS, rest_operations
from wallet_rpc.operations.create_token import CreatedToken, CreateToken
from wallet_rpc.operations.describe_token import DescribedToken, DescribeToken
from wallet_rpc.operations.operation import ErrorFormat, Operation
from wallet_rpc.operations.revoke_token import RevokedToken, RevokeToken
from wallet_rpc.ports import Ports
from wallet_rpc.services.session_stops import PERMISSIONS

SETS = [list(some) for size in range(1, 6) for some in combinations(Scope, size)]


async def create(ports: Ports, **fields: Any) -> CreatedToken:
    return await create_token.run(ports, wire.validate(CreateToken, {"walletAddress": EVM, **fields}))


def claims_of(created: CreatedToken) -> Claims:
    return TOKEN_SIGNER.verify_token(created.token, now=int(time.time()))


async def events(store: RedisStore, key: ApiKey) -> list[dict[str, Any]]:
    """Return the entries of the organisation's audit log."""
    entries = await store.for_organization(key.organization).audit.entries(0, 100)
    return [{"kind": entry.event.kind, "actor": entry.event.actor, **entry.event.facts} for entry in entries]


async def test_a_token_has_the_claims_of_its_creation_and_is_stored(store: RedisStore) -> None:
    key = a_key()
    created = await create(
        ports_of(store, caller_of(key)), scopes=["transactions:submit", "wallet:read"], ttlSeconds=600
    )

    claims = claims_of(created)
    assert (claims.key, claims.organization, claims.wallet.address) == (key.id, key.organization, EVM)
    assert list(claims.scopes) == list(created.scopes) == [Scope.TRANSACTIONS_SUBMIT, Scope.WALLET_READ]
    assert claims.expires_at - claims.issued_at == 600
    assert created.expires_at == claims.expires_at
    assert await store.for_organization(key.organization).tokens.get(claims.id) == claims
    assert key.digest not in str(jwt.decode(created.token, options={"verify_signature": False}))


async def test_no_two_tokens_are_the_same(store: RedisStore) -> None:
    ports = ports_of(store, caller_of(a_key()))
    assert len({claims_of(await create(ports)).id for _ in range(50)}) == 50


async def test_the_expiry_in_the_response_is_a_whole_second(store: RedisStore) -> None:
    created = await create(ports_of(store, caller_of(a_key())))
    encoded = wire.encode(CreatedToken, created)
    assert list(encoded) == ["token", "expiresAt", "scopes"]
    expires = jwt.decode(created.token, options={"verify_signature": False})["exp"]
    assert encoded["expiresAt"] == time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(expires))


@pytest.mark.parametrize("scopes", SETS, ids=" ".join)
async def test_a_read_only_key_creates_only_read_only_tokens(store: RedisStore, scopes: list[Scope]) -> None:
    ports = ports_of(store, caller_of(a_key(KeyScope.READ)))
    if {*scopes} <= {Scope.WALLET_READ, Scope.WALLET_STREAM}:
        assert list((await create(ports, scopes=scopes)).scopes) == scopes
    else:
        with pytest.raises(Forbidden, match="key scope does not allow this"):
            await create(ports, scopes=scopes)


async def test_the_default_scopes_are_more_than_a_read_only_key_may_give(store: RedisStore) -> None:
    with pytest.raises(Forbidden) as error_info:
        await create(ports_of(store, caller_of(a_key(KeyScope.READ))))
    assert (error_info.value.status, error_info.value.reason) == (403, "key_scope")


async def test_only_an_api_key_creates_or_revokes_tokens(store: RedisStore) -> None:
    anonymous_ports = ports_of(store, Caller(name="127.0.0.1"))
    token_ports = ports_of(store, by_token(*Scope))
    operations = {one.name: one for one in REST_OPERATIONS}
    for operation in (operations["createToken"], operations["revokeToken"]):
        with pytest.raises(Forbidden, match="Insufficient scope: API key required"):
            await operation.authorize(token_ports)
        request = wire.validate(operation.request, {"walletAddress": EVM, "id": "0" * 32})
        with pytest.raises(Unauthorized, match="Invalid API key"):
            await operation.run(anonymous_ports, request)


@pytest.mark.parametrize("wallet", [EVM, SOLANA])
@pytest.mark.parametrize("namespace", WalletNamespace)
async def test_the_operator_may_disable_a_namespace(store: RedisStore, wallet: str, namespace: WalletNamespace) -> None:
    ports = replace(ports_of(store, caller_of(a_key())), rules=Rules(token_wallets=frozenset({namespace})))
    if (wallet == EVM) == (namespace is WalletNamespace.EVM):
        assert claims_of(await create(ports, walletAddress=wallet)).wallet.namespace is namespace
    else:
        with pytest.raises(InvalidParams, match=r"^Invalid wallet address$"):
            await create(ports, walletAddress=wallet)


async def test_a_token_describes_itself(store: RedisStore) -> None:
    caller = by_token(Scope.WALLET_STREAM, Scope.SESSIONS_CREATE, wallet=SOLANA, expires_at=1_775_736_600)
    described = await describe_token.run(ports_of(store, caller), DescribeToken())
    assert wire.encode(DescribedToken, described) == {
        "walletAddress": SOLANA,
        "scopes": ["wallet:stream", "sessions:create"],
        "expiresAt": "2026-04-09T12:10:00.000Z",
    }
    with pytest.raises(Unauthorized, match="Invalid session token"):
        await describe_token.run(ports_of(store, caller_of(a_key())), DescribeToken())


async def test_a_token_is_revoked_once_by_its_own_key(store: RedisStore) -> None:
    key = a_key()
    ports = ports_of(store, caller_of(key))
    token = claims_of(await create(ports)).id
    tokens = store.for_organization(key.organization).tokens
    for other in (a_key(), a_key(organization="org_theirs")):
        with pytest.raises(NotFound, match="Session not found"):
            await revoke_token.run(ports_of(store, caller_of(other)), RevokeToken(id=token))
    assert not await tokens.is_revoked(token)

    began = int(time.time())
    revoked = await revoke_token.run(ports, RevokeToken(id=token))

    assert revoked.id == token
    assert began <= revoked.revoked_at <= time.time()
    assert await tokens.is_revoked(token)
    with pytest.raises(Conflict, match="Session already revoked") as again:
        await revoke_token.run(ports, RevokeToken(id=token))
    assert again.value.status == 409


@pytest.mark.parametrize("part", [RedisAudit, RedisTokens])
async def test_a_revocation_that_failed_half_way_is_in_the_log_once_it_succeeds(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch, part: type
) -> None:
    key = a_key()
    ports = ports_of(store, caller_of(key))
    token = claims_of(await create(ports)).id

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("the store does not answer", part="store")

    with monkeypatch.context() as patch:
        patch.setattr(part, "append" if part is RedisAudit else "revoke", away)
        with pytest.raises(Unavailable):
            await revoke_token.run(ports, RevokeToken(id=token))
    await revoke_token.run(ports, RevokeToken(id=token))
    entries = await events(store, key)

    assert entries[1:] == [{"kind": EventKind.TOKEN_REVOKED, "actor": key.id, "id": token}] * (len(entries) - 1)
    assert len(entries) == (2 if part is RedisAudit else 3)
    with pytest.raises(Conflict):
        await revoke_token.run(ports, RevokeToken(id=token))
    assert await events(store, key) == entries


async def test_of_many_concurrent_revocations_of_a_token_one_succeeds(store: RedisStore) -> None:
    key = a_key()
    ports = ports_of(store, caller_of(key))
    token = claims_of(await create(ports)).id

    requests = (revoke_token.run(ports, RevokeToken(id=token)) for _ in range(16))
    results = await asyncio.gather(*requests, return_exceptions=True)

    assert [type(each) for each in results].count(RevokedToken) == 1
    assert [type(each) for each in results].count(Conflict) == 15


@pytest.mark.parametrize("token", ["0" * 32, "", "me", "*", "a}:revoked", "é" * 200, "\0"])
async def test_an_unknown_token_id_is_not_found(store: RedisStore, token: str) -> None:
    with pytest.raises(NotFound) as error_info:
        await revoke_token.run(ports_of(store, caller_of(a_key())), RevokeToken(id=token))
    assert (error_info.value.status, error_info.value.reason) == (404, "session_token_not_found")


async def test_an_expired_token_is_not_found(store: RedisStore) -> None:
    key = a_key()
    ports = ports_of(store, caller_of(key))
    claims = claims_of(await create(ports))
    later = replace(ports, clock=FixedClock(claims.expires_at))
    with pytest.raises(NotFound):
        await revoke_token.run(later, RevokeToken(id=claims.id))


async def test_creation_and_revocation_of_tokens_are_in_the_audit_log(store: RedisStore) -> None:
    key = a_key()
    ports = ports_of(store, caller_of(key))
    created = await create(ports, walletAddress=SOLANA, scopes=["wallet:read"])
    token = claims_of(created).id
    await revoke_token.run(ports, RevokeToken(id=token))

    expires = wire.encode(CreatedToken, created)["expiresAt"]
    facts = {"id": token, "wallet": f"solana:{SOLANA}", "scopes": ["wallet:read"], "expiresAt": expires}
    assert await events(store, key) == [
        {"kind": EventKind.TOKEN_CREATED, "actor": key.id, **facts},
        {"kind": EventKind.TOKEN_REVOKED, "actor": key.id, "id": token},
    ]


async def test_denials_are_in_the_audit_log(store: RedisStore) -> None:
    key, reader = a_key(), a_key(KeyScope.READ)
    token = by_token(Scope.WALLET_READ, key=key)
    (operation,) = [one for one in REST_OPERATIONS if one.name == "createToken"]
    with pytest.raises(Forbidden):
        await operation.authorize(ports_of(store, token))
    with pytest.raises(Forbidden):
        await operation.run(ports_of(store, caller_of(reader)), wire.validate(CreateToken, {"walletAddress": EVM}))

    facts = {"kind": EventKind.DENIED, "operation": "createToken", "code": 4100}
    assert await events(store, key) == [
        {**facts, "actor": token.name, "reason": "insufficient_scope"},
        {**facts, "actor": reader.id, "reason": "key_scope"},
    ]


@pytest.mark.parametrize(
    ("error", "is_denial"),
    [
        (InvalidParams("not signed by the owner", field=PERMISSIONS), True),
        (InvalidParams("too long", field="params.calls"), False),
        (Unavailable("the node does not answer"), False),
        (SessionEnded("Session revoked"), True),
        (SponsorshipFailed("the policy has no budget left"), True),
        (ValidationReverted("the account refused the signature"), True),
        (Unauthorized("Wallet mismatch"), True),
    ],
)
async def test_errors_about_permissions_and_authority_are_logged_as_denials_and_others_are_not(
    store: RedisStore, error: WalletError, is_denial: bool
) -> None:
    async def run(_: Ports, __: None) -> None:
        raise error

    key = a_key()
    with pytest.raises(type(error)):
        await add_access_control(Operation("wallet_prepareCalls", type(None), None, run)).run(
            ports_of(store, caller_of(key)), None
        )
    kinds = [event["kind"] for event in await events(store, key)]
    assert kinds == ([EventKind.DENIED] if is_denial else [])


def test_a_server_without_token_secrets_has_no_token_operations() -> None:
    assert rest_operations(has_tokens=True) == REST_OPERATIONS
    without_tokens = rest_operations(has_tokens=False)
    assert {one.name for one in REST_OPERATIONS} - {one.name for one in without_tokens} == {
        "createToken",
        "describeToken",
        "revokeToken",
    }
    assert all(one.rest is not None and one.rest.error_format is ErrorFormat.ORGANIZATION for one in without_tokens)

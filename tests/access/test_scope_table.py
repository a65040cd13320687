"""Which method a token may call with which scopes: the table of the reference, over every method and set of scopes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.access.callers import a_key, by_key, by_token, ports_of
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Caller, KeyScope, Scope
from wallet_rpc.errors import Forbidden
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.operations.operation import Credential, Operation

READ, STREAM, BUILD, SUBMIT, CREATE = Scope
TABLE: dict[str, set[Scope]] = {
    "wallet_requestAccount": {READ},
    "wallet_getCallsStatus": {READ, SUBMIT},
    "wallet_prepareCalls": {BUILD},
    "wallet_sendPreparedCalls": {SUBMIT},
    "wallet_createSession": {CREATE},
    "describeToken": set(Scope),
}
"""Any one of these; a method that is not here is not for tokens."""
WRITE = {
    "wallet_prepareCalls",
    "wallet_sendPreparedCalls",
    "wallet_createSession",
    "wallet_grantPermissions",
    "wallet_requestExecutionPermissions",
    "createOrganizationSession",
    "revokeOrganizationSession",
}
"""What a key that only reads may not call."""
SETS = [frozenset(some) for size in range(6) for some in combinations(Scope, size)]
EVERY = [*OPERATIONS, *REST_OPERATIONS]
AnyOperation = Operation[Any, Any, Any]


async def is_authorized(store: RedisStore, operation: AnyOperation, caller: Caller) -> bool:
    try:
        await operation.authorize(ports_of(store, caller))
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.name)
async def test_a_token_may_call_what_the_table_says_and_nothing_else(
    store: RedisStore, operation: AnyOperation
) -> None:
    needed = TABLE.get(operation.name, set())
    for scopes in SETS:
        assert await is_authorized(store, operation, by_token(*scopes)) == bool(needed & scopes), scopes


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.name)
async def test_a_token_never_gets_more_than_the_key_behind_it(store: RedisStore, operation: AnyOperation) -> None:
    reader = a_key(KeyScope.READ)
    by_reader = await is_authorized(store, operation, by_key(reader))
    assert by_reader == (operation.name not in WRITE)
    for scopes in SETS:
        may = by_reader and bool(TABLE.get(operation.name, set()) & scopes)
        assert await is_authorized(store, operation, by_token(*scopes, key=reader)) == may, scopes


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.name)
async def test_a_key_that_may_write_may_call_everything(store: RedisStore, operation: AnyOperation) -> None:
    assert await is_authorized(store, operation, by_key(a_key()))
    assert await is_authorized(store, operation, Caller(name="127.0.0.1"))


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        ("wallet_requestAccount", "wallet:read"),
        ("wallet_getCallsStatus", "wallet:read or transactions:submit"),
        ("wallet_prepareCalls", "transactions:build"),
        ("wallet_sendPreparedCalls", "transactions:submit"),
        ("wallet_createSession", "sessions:create"),
        ("wallet_listAccounts", "API key"),
        ("wallet_grantPermissions", "API key"),
    ],
)
async def test_a_refusal_says_what_is_needed(store: RedisStore, method: str, needed: str) -> None:
    (operation,) = [one for one in OPERATIONS if one.name == method]
    for key in (a_key(), a_key(KeyScope.READ)):
        with pytest.raises(Forbidden) as error_info:
            await operation.authorize(ports_of(store, by_token(STREAM, key=key)))
        assert error_info.value.message == f"Insufficient scope: {needed} required"
        assert (error_info.value.code, error_info.value.status) == (4100, 403)
        assert error_info.value.reason == "insufficient_scope"


def test_every_method_for_tokens_says_whose_accounts_it_is_about() -> None:
    told = {one.name for one in OPERATIONS if one.need.scopes and one.wallets is not None}
    assert told == {name for name in TABLE if name.startswith("wallet_")} - {"wallet_getCallsStatus"}  # looks itself


def test_only_what_tokens_may_do_is_open_to_them_in_rest() -> None:
    for one in REST_OPERATIONS:
        assert one.rest is not None
        assert (one.rest.credential is Credential.TOKEN) == bool(one.need.scopes)

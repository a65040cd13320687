"""Scopes that methods require of session tokens: the reference's table, over every method and set of scopes."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from tests.access.callers import a_key, by_token, ports_of
from tests.support.api_keys import caller_of
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Caller, KeyScope, Scope
from wallet_rpc.errors import Forbidden
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.operations.operation import Credential, Operation

READ, STREAM, BUILD, SUBMIT, CREATE = Scope
TABLE: dict[str, set[Scope]] = {
    "wallet_requestAccount": {READ},
    "wallet_getCallsStatus": {READ, SUBMIT},
    "wallet_explainCalls": {READ, BUILD},
    "wallet_prepareCalls": {BUILD},
    "wallet_sendPreparedCalls": {SUBMIT},
    "wallet_createSession": {CREATE},
    "wallet_listSessions": {READ},
    "wallet_getSession": {READ},
    "wallet_subscribe": {Scope.WALLET_STREAM},
    "wallet_unsubscribe": {Scope.WALLET_STREAM},
    "describeToken": set(Scope),
}
"""Scopes by method, any one of which suffices; other methods accept no session tokens."""
WRITE = {
    "wallet_prepareCalls",
    "wallet_sendPreparedCalls",
    "wallet_createSession",
    "wallet_grantPermissions",
    "wallet_requestExecutionPermissions",
    "wallet_revokeExecutionPermission",
    "wallet_setSessionTags",
    "wallet_setSessionRules",
    "wallet_approveCalls",
    "wallet_rejectCalls",
    "createOrganizationSession",
    "revokeOrganizationSession",
    "createWebhook",
    "deleteWebhook",
    "pauseOrganizationSession",
    "resumeOrganizationSession",
    "setOrganizationSessionRules",
    "setOrganizationSessionTags",
    "approveOrganizationCalls",
    "rejectOrganizationCalls",
    "setOrganizationStop",
    "removeOrganizationStop",
    "wallet_prepareSessionChange",
    "wallet_pauseSession",
    "wallet_resumeSession",
    "wallet_revokeSession",
    "wallet_rotateSessionKey",
    "wallet_stopSessions",
    "wallet_resumeSessions",
}
"""Methods that a read-only API key may not call."""
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
    sufficient = TABLE.get(operation.name, set())
    for scopes in SETS:
        assert await is_authorized(store, operation, by_token(*scopes)) == bool(sufficient & scopes), scopes


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.name)
async def test_a_token_never_gets_more_than_the_key_behind_it(store: RedisStore, operation: AnyOperation) -> None:
    reader = a_key(KeyScope.READ)
    by_reader = await is_authorized(store, operation, caller_of(reader))
    assert by_reader == (operation.name not in WRITE)
    for scopes in SETS:
        expected = by_reader and bool(TABLE.get(operation.name, set()) & scopes)
        assert await is_authorized(store, operation, by_token(*scopes, key=reader)) == expected, scopes


@pytest.mark.parametrize("operation", EVERY, ids=lambda operation: operation.name)
async def test_a_key_that_may_write_may_call_everything(store: RedisStore, operation: AnyOperation) -> None:
    assert await is_authorized(store, operation, caller_of(a_key()))
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
async def test_the_error_names_the_required_scopes(store: RedisStore, method: str, needed: str) -> None:
    (operation,) = [one for one in OPERATIONS if one.name == method]
    for key in (a_key(), a_key(KeyScope.READ)):
        with pytest.raises(Forbidden) as error_info:
            await operation.authorize(ports_of(store, by_token(STREAM, key=key)))
        assert error_info.value.message == f"Insufficient scope: {needed} required"
        assert (error_info.value.code, error_info.value.status) == (4100, 403)
        assert error_info.value.reason == "insufficient_scope"


def test_every_method_for_tokens_declares_the_wallets_of_its_request() -> None:
    declared = {one.name for one in OPERATIONS if one.need.scopes and one.wallets is not None}
    # wallet_getCallsStatus checks the wallet of the call's record itself
    assert declared == {name for name in TABLE if name.startswith("wallet_")} - {
        "wallet_getCallsStatus",
        "wallet_unsubscribe",
    }


def test_rest_operations_accept_tokens_exactly_if_they_have_token_scopes() -> None:
    for one in REST_OPERATIONS:
        assert one.rest is not None
        assert (one.rest.credential is Credential.TOKEN) == bool(one.need.scopes)

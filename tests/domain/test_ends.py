"""Tests of the domain's time limits: the second before a start or an expiry, the second itself, and the one after."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, KEY, TERMS
from tests.support.api_keys import build_api_key
from wallet_rpc import wire
from wallet_rpc.domain.access import ApiKey
from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.erc7715_permission import Erc7715Permission, translate_permissions
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.sdk_values import CompileError
from wallet_rpc.domain.session_group import Install, Status, combine_status
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.primitives import Data, Hash32, SessionId

ROOT = wire.decode(tuple[Permission, ...], [{"type": "root"}])


def _key(end: int) -> ApiKey:
    return build_api_key("a key", created_at=0, expires_at=end)


def _install(end: int) -> Install:
    return Install(chain_id=1, session_id=SessionId(bytes(16)), entity_id=1, signature=Data(b"\1" * 65), expires_at=end)


def _ticket(end: int) -> Ticket:
    return Ticket(hash=Hash32(bytes(32)), wallet=ACCOUNT, chain_id=1, expires_at=end)


def _terms(end: int, now: int) -> SessionTerms:
    return SessionTerms(account=TERMS.account, key=KEY, entity_id=1, deadline=end, now=now)


def _is_compiled(end: int, now: int) -> bool:
    try:
        compile_permissions(ROOT, _terms(end, now))
    except CompileError as error:
        return error.name != "ExpiredDeadlineError"
    return True


def _is_guarded(end: int, now: int) -> bool:
    try:
        check_and_compile(ROOT, _terms(end, now))
    except InvalidParams as error:
        return error.reason != "expired"
    return True


def _is_started(start: int, now: int) -> bool:
    value = {
        "type": "native-token-allowance",
        "data": {"allowance": "0x1", "startTime": start},
        "required": True,
    }
    permission = wire.decode(Erc7715Permission, value)
    try:
        translate_permissions([permission], now=now, at=["params.permissions[0]"])
    except UnsupportedCapability as error:
        return error.reason != "start_time_not_supported"
    return True


FIRST_REJECTED: dict[str, Callable[[int, int], bool]] = {
    "an API key": lambda end, now: not _key(end).is_expired(now),
    "an active API key": lambda end, now: _key(end).is_active(now),
    "a registered session": lambda end, now: _install(end).status(now) is Status.ACTIVE,
    "a group of sessions": lambda end, now: (
        combine_status(one.status(now) for one in (_install(end), _install(1))) is Status.ACTIVE
    ),
    "a submission ticket": lambda end, now: not _ticket(end).is_expired(now),
}
"""Checks that return True while valid; the expiry is the first invalid second."""
LAST_ACCEPTED: dict[str, Callable[[int, int], bool]] = {
    "a grant": lambda end, now: not DeferredAction(nonce=0, deadline=end, call=Data()).is_expired(now),
    "a session that is compiled": _is_compiled,
    "a session that is guarded": _is_guarded,
}
"""Checks that return True while valid; the deadline is the last valid second, as in the contracts."""
ends = st.integers(2, 9_999_999_998)


@pytest.mark.parametrize("what", FIRST_REJECTED)
@given(end=ends)
def test_validity_with_a_first_rejected_second_ends_before_it(what: str, end: int) -> None:
    assert [FIRST_REJECTED[what](end, now) for now in (end - 1, end, end + 1)] == [True, False, False]


@pytest.mark.parametrize("what", LAST_ACCEPTED)
@given(end=ends)
def test_validity_with_a_last_second_includes_it(what: str, end: int) -> None:
    assert [LAST_ACCEPTED[what](end, now) for now in (end - 1, end, end + 1)] == [True, True, False]


@given(start=ends)
def test_a_permission_may_start_in_this_second_and_in_none_to_come(start: int) -> None:
    assert [_is_started(start, now) for now in (start - 1, start, start + 1)] == [False, True, True]


@pytest.mark.parametrize(
    ("end", "reason"), [(9_999_999_998, None), (9_999_999_999, None), (10_000_000_000, "deadline_too_late")]
)
def test_the_last_second_of_all_is_that_of_the_hosted_service(end: int, reason: str | None) -> None:
    try:
        check_and_compile(ROOT, _terms(end, 0))
        found = None
    except InvalidParams as error:
        found = error.reason
    assert found == reason

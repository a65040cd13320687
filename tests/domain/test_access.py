"""Tests of API keys and organisations: creation from random bytes, stored form, and access checks."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api_keys import build_api_key
from wallet_rpc.domain.access import (
    DEFAULT_SCOPES,
    READ_ACCESS,
    WRITE_ACCESS,
    ApiKey,
    Caller,
    Claims,
    KeyScope,
    Organization,
    OrganizationId,
    RequiredAccess,
    Rules,
    Scope,
    Wallet,
    WalletNamespace,
    build_invalid_token_error,
    derive_key_id,
    matches_key,
    new_api_key,
    new_organization_id,
    sha256_hex,
)
from wallet_rpc.errors import Forbidden

ENTROPY = st.binary(min_size=32, max_size=32)
SECONDS = st.integers(0, 2**40)


def build_key(key: str, **values: Any) -> ApiKey:
    return build_api_key(key, **{"created_at": 0, **values})


@given(ENTROPY)
def test_a_key_is_its_prefix_and_all_of_its_random_bytes(entropy: bytes) -> None:
    key = new_api_key(entropy)

    assert re.fullmatch(r"wrk_[A-Za-z0-9_-]{43}", key)
    assert base64.urlsafe_b64decode(key.removeprefix("wrk_") + "=") == entropy


@given(st.binary(min_size=10, max_size=10))
def test_an_organization_has_an_id_of_20_letters_or_digits(entropy: bytes) -> None:
    assert re.fullmatch(r"org_[0-9a-z]{20}", new_organization_id(entropy))
    assert bytes.fromhex(new_organization_id(entropy)[4:]) == entropy


@given(st.text())
def test_only_the_hash_of_a_key_is_stored(key: str) -> None:
    hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    assert (sha256_hex(key), derive_key_id(key)) == (hashed, f"key_{hashed[:20]}")
    assert matches_key(key, build_key(key))


@given(ENTROPY, ENTROPY)
def test_no_other_key_is_taken_for_it(one: bytes, other: bytes) -> None:
    assert matches_key(new_api_key(one), build_key(new_api_key(other))) == (one == other)


@given(now=SECONDS, end=st.none() | SECONDS, revoked=st.none() | SECONDS)
def test_a_key_is_active_until_it_ends_or_is_revoked(now: int, end: int | None, revoked: int | None) -> None:
    key = build_key("a key", expires_at=end, revoked_at=revoked)

    assert key.is_expired(now) == (end is not None and now >= end)
    assert key.is_active(now) == (revoked is None and not key.is_expired(now))


@given(st.sampled_from([None, *KeyScope]))
def test_callers_without_a_key_and_writing_keys_may_write(scope: KeyScope | None) -> None:
    organization = OrganizationId("org_1")
    key = None if scope is None else build_key("a key", organization=organization, scope=scope)
    caller = Caller(name="somebody", organization=organization, key=key)

    assert caller.is_anonymous == (scope is None)
    assert caller.holder == ("somebody" if key is None else key.id)
    assert caller.may_write == (scope is not KeyScope.READ)


def test_half_of_a_hash_of_the_caller_is_stored() -> None:
    caller = Caller(name="127.0.0.1")

    assert caller.holder_digest == hashlib.sha256(b"127.0.0.1").hexdigest()[:32]
    key = build_key("a key")
    assert replace(caller, key=key).holder_digest == hashlib.sha256(key.id.encode()).hexdigest()[:32]


def test_the_operator_rules_by_number_of_days_and_sessions() -> None:
    rules = Rules()

    assert (rules.session_seconds, rules.unsigned_seconds) == (31_536_000, 7_776_000)
    assert (rules.unsigned_per_caller, rules.unsigned_per_account) == (10_000, 1_000)
    assert replace(rules, session_seconds=1).session_seconds == 1


def test_records_of_organizations_and_keys_are_of_the_first_form() -> None:
    organization = Organization(id=OrganizationId("org_1"), name="one", created_at=0)

    assert (organization.version, build_key("a key").version) == (1, 1)


scopes = st.lists(st.sampled_from(Scope), unique=True).map(tuple)


def with_token(key: ApiKey, *granted: Scope) -> Caller:
    wallet = Wallet(namespace=WalletNamespace.EVM, address="0x" + "11" * 20)
    claims = Claims(
        id="00" * 16,
        wallet=wallet,
        scopes=granted,
        key=key.id,
        organization=key.organization,
        issued_at=0,
        expires_at=1,
    )
    return Caller(name="a page", key=key, token=claims)


@given(st.booleans(), scopes, st.sampled_from(KeyScope), st.none() | scopes)
def test_a_need_is_met_by_key_and_token_together(
    writes: bool, required: tuple[Scope, ...], scope: KeyScope, granted: tuple[Scope, ...] | None
) -> None:
    access = RequiredAccess(writes=writes, scopes=required)
    key = build_key("wrk_x", scope=scope)
    caller = Caller(name=key.id, key=key) if granted is None else with_token(key, *granted)
    lacks_scope = granted is not None and not set(required) & set(granted)
    lacks_key = writes and scope is KeyScope.READ
    if not lacks_scope and not lacks_key:
        access.authorize(caller)
        return

    with pytest.raises(Forbidden) as error_info:
        access.authorize(caller)

    assert error_info.value.reason == ("insufficient_scope" if lacks_scope else "key_scope")


def test_by_default_an_operation_requires_a_writing_key_and_accepts_no_token() -> None:
    reader = build_key("a key", scope=KeyScope.READ)
    writer = build_key("a key")
    for access in (RequiredAccess(), WRITE_ACCESS):
        access.authorize(Caller(name="somebody", key=writer))
        with pytest.raises(Forbidden, match=r"^key scope does not allow this$"):
            access.authorize(Caller(name="somebody", key=reader))
    READ_ACCESS.authorize(Caller(name="somebody", key=reader))
    for access in (RequiredAccess(), WRITE_ACCESS, READ_ACCESS):
        with pytest.raises(Forbidden, match=r"^Insufficient scope: API key required$"):
            access.authorize(with_token(writer, *Scope))
    with pytest.raises(Forbidden, match=r"^Insufficient scope: sessions:create or wallet:read required$"):
        RequiredAccess(scopes=(Scope.SESSIONS_CREATE, Scope.WALLET_READ)).authorize(with_token(writer))


def test_the_usual_scopes_of_a_token_are_the_documented_ones() -> None:
    assert DEFAULT_SCOPES == ("wallet:read", "wallet:stream", "transactions:build", "transactions:submit")
    assert {*Scope} - {*DEFAULT_SCOPES} == {"sessions:create"}


@given(st.booleans(), scopes)
def test_a_caller_without_required_key_passes_every_access_check(writes: bool, required: tuple[Scope, ...]) -> None:
    RequiredAccess(writes=writes, scopes=required).authorize(Caller(name="127.0.0.1"))


def test_an_invalid_token_error_states_its_cause_in_the_reason_only() -> None:
    error = build_invalid_token_error("session_token_revoked")
    assert (error.message, error.reason) == ("Invalid session token", "session_token_revoked")

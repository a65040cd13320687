"""Keys and organisations: what random bytes make, what is kept of a key, and when it lets anyone in."""

from __future__ import annotations

import base64
import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.access import (
    OPEN,
    ApiKey,
    Caller,
    KeyScope,
    OrganizationId,
    digest_of,
    is_key,
    key_id,
    new_key,
    new_organization_id,
)

CHANCE = st.binary(min_size=32, max_size=32)
SECONDS = st.integers(0, 2**40)


def kept(key: str, **values: object) -> ApiKey:
    made = {"organization": OPEN, "requests_per_minute": 60, "created_at": 0, **values}
    return ApiKey(id=key_id(key), digest=digest_of(key), **made)  # type: ignore[arg-type]  # as each test has it


@given(CHANCE)
def test_a_key_is_its_prefix_and_all_of_its_chance(chance: bytes) -> None:
    key = new_key(chance)

    assert re.fullmatch(r"wrk_[A-Za-z0-9_-]{43}", key)
    assert base64.urlsafe_b64decode(key.removeprefix("wrk_") + "=") == chance


@given(st.binary(min_size=10, max_size=10))
def test_an_organization_has_an_id_of_20_letters_or_digits(chance: bytes) -> None:
    assert re.fullmatch(r"org_[0-9a-z]{20}", new_organization_id(chance))
    assert bytes.fromhex(new_organization_id(chance)[4:]) == chance


@given(st.text())
def test_what_is_kept_of_a_key_is_its_hash(key: str) -> None:
    hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    assert (digest_of(key), key_id(key)) == (hashed, f"key_{hashed[:20]}")
    assert is_key(key, kept(key))


@given(CHANCE, CHANCE)
def test_no_other_key_is_taken_for_it(one: bytes, other: bytes) -> None:
    assert is_key(new_key(one), kept(new_key(other))) == (one == other)


@given(now=SECONDS, end=st.none() | SECONDS, revoked=st.none() | SECONDS)
def test_a_key_is_active_until_it_ends_or_is_revoked(now: int, end: int | None, revoked: int | None) -> None:
    key = kept("a key", expires_at=end, revoked_at=revoked)

    assert key.is_expired(now) == (end is not None and now >= end)
    assert key.is_active(now) == (revoked is None and not key.is_expired(now))


@given(st.sampled_from([None, *KeyScope]))
def test_who_shows_no_key_may_write_and_so_may_keys_that_say_so(scope: KeyScope | None) -> None:
    organization = OrganizationId("org_1")
    key = None if scope is None else kept("a key", organization=organization, scope=scope)
    caller = Caller(name="somebody", organization=organization, key=key)

    assert caller.is_open == (scope is None)
    assert caller.holder == ("somebody" if key is None else key.id)
    assert caller.may_write == (scope is not KeyScope.READ)

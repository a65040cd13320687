"""Tests of nonces and their parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import uint32, uint64
from wallet_rpc.domain.nonce import MAX_PARALLEL_KEY, NonceKey, find_free_entity_id, owner_nonce_key, split_nonce

keys = st.builds(
    lambda entity, shared, deferred, parallel: NonceKey(
        entity_id=entity, is_global=shared, is_deferred=deferred, parallel_key=parallel
    ),
    uint32,
    st.booleans(),
    st.booleans(),
    st.integers(0, MAX_PARALLEL_KEY),
)


@given(keys, uint64)
def test_a_nonce_comes_back_as_its_parts_and_is_at_most_256_bits(key: NonceKey, sequence: int) -> None:
    assert NonceKey.parse(key.key) == key
    assert split_nonce(key.nonce(sequence)) == (key, sequence)
    assert key.nonce(sequence) < 1 << 256


@given(keys, uint64, keys, uint64)
def test_different_parts_are_different_nonces(one: NonceKey, first: int, other: NonceKey, second: int) -> None:
    assert ((one, first) == (other, second)) == (one.nonce(first) == other.nonce(second))


def test_the_nonce_of_the_published_example() -> None:
    """Source: seed 001. Entity 1, global, deferred, sequence 0."""
    assert NonceKey(entity_id=1, is_global=True, is_deferred=True).nonce(0) == 0x1030000000000000000
    assert owner_nonce_key().nonce(0) == 0x10000000000000000


@pytest.mark.parametrize(
    "parts",
    [
        {"entity_id": -1},
        {"entity_id": 1 << 32},
        {"entity_id": 0, "parallel_key": -1},
        {"entity_id": 0, "parallel_key": MAX_PARALLEL_KEY + 1},
    ],
)
def test_a_part_that_does_not_fit_is_refused(parts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"expected .* below"):
        NonceKey(**parts)  # type: ignore[arg-type]  # some fields by name


def test_a_sequence_or_key_that_does_not_fit_is_refused() -> None:
    for sequence in (-1, 1 << 64):
        with pytest.raises(ValueError, match="sequence"):
            owner_nonce_key().nonce(sequence)
    for key in (-1, 1 << 192):
        with pytest.raises(ValueError, match="2\\^192"):
            NonceKey.parse(key)
    with pytest.raises(ValueError, match="got 0x04"):
        NonceKey.parse(4)


@given(st.sets(st.integers(0, 8)), st.integers(0, 8))
def test_a_free_entity_id_is_the_first_unused_one_and_never_the_owners(used: set[int], start: int) -> None:
    found = find_free_entity_id(lambda candidate: candidate in used, start=start)
    assert found not in used
    assert found >= max(1, start)
    assert all(earlier in used for earlier in range(max(1, start), found))

"""Tests of the decoder of call data: it returns the encoded calls, and accepts any bytes."""

from __future__ import annotations

import tracemalloc

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, addresses, blobs, uint256
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_batch_call_data, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.primitives import Address, Data, Selector

OTHER = Address(b"\x11" * 20)
WORD = bytes(32)
HUGE = b"\xff" * 32
calls = st.builds(Call, to=addresses.filter(lambda to: to != ACCOUNT), value=uint256, data=blobs)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@given(st.lists(calls, max_size=4), st.booleans())
def test_the_calls_of_execute_call_data_are_those_it_was_made_of(made: list[Call], wrapped: bool) -> None:
    call_data = execute_call_data(ACCOUNT, made)

    assert decode_calls(ACCOUNT, wrap_execute_user_op(call_data) if wrapped else call_data) == tuple(made)


@given(st.lists(calls, max_size=4))
def test_a_batch_is_read_as_it_was_made_also_of_one_call_or_none(made: list[Call]) -> None:
    assert decode_calls(ACCOUNT, execute_batch_call_data(made)) == tuple(made)


@given(st.lists(calls, max_size=3))
def test_a_batch_encoded_by_another_library_is_read(made: list[Call]) -> None:
    items = [(bytes(call.to), call.value, bytes(call.data)) for call in made]

    assert decode_calls(ACCOUNT, abi.EXECUTE_BATCH + encode(["(address,uint256,bytes)[]"], [items])) == tuple(made)


@given(st.binary(min_size=4, max_size=80).filter(lambda data: data[:4] != abi.EXECUTE_USER_OP))
def test_a_function_of_the_account_is_one_call_to_itself(data: bytes) -> None:
    if data[:4] not in (abi.EXECUTE, abi.EXECUTE_BATCH):
        assert decode_calls(ACCOUNT, data) == (Call(to=ACCOUNT, value=0, data=Data(data)),)


def test_only_one_prefix_is_looked_through() -> None:
    twice = wrap_execute_user_op(wrap_execute_user_op(b"\x12\x34\x56\x78"))

    assert decode_calls(ACCOUNT, twice) == (Call(to=ACCOUNT, value=0, data=Data(twice[4:])),)


@pytest.mark.parametrize(
    "call_data",
    [
        b"",
        b"\x12\x34\x56",
        abi.EXECUTE_USER_OP,
        abi.EXECUTE_USER_OP + b"\xb6\x1d\x27",
        abi.EXECUTE,
        abi.EXECUTE + WORD + WORD,
        abi.EXECUTE + WORD + WORD + HUGE,
        abi.EXECUTE + WORD + WORD + word(96) + HUGE,
        abi.EXECUTE + WORD + WORD + word(96) + word(1),
        abi.EXECUTE + b"\x01" + WORD[1:] + WORD + word(96) + WORD,
        abi.EXECUTE_BATCH,
        abi.EXECUTE_BATCH + HUGE,
        abi.EXECUTE_BATCH + word(32) + HUGE,
        abi.EXECUTE_BATCH + word(32) + word(1) + HUGE,
    ],
    ids=lambda data: data.hex()[:40],
)
def test_undecodable_call_data_is_none(call_data: bytes) -> None:
    assert decode_calls(ACCOUNT, call_data) is None


def test_the_padding_after_the_last_byte_may_be_missing_or_dirty() -> None:
    """Solidity ignores the padding; eth-abi 6 rejects missing and dirty padding."""
    head = abi.EXECUTE + abi.address(OTHER) + WORD + word(96) + word(3)

    for tail in (b"abc", b"abc" + HUGE):
        assert decode_calls(ACCOUNT, head + tail) == (Call(to=OTHER, data=Data(b"abc")),)


words = st.sampled_from([word(number) for number in (0, 1, 2, 32, 64, 96, 128, 2**63, 2**64 - 1, 2**256 - 1)])
selectors = st.sampled_from([abi.EXECUTE, abi.EXECUTE_BATCH, Selector(bytes(4))])
shaped = st.builds(lambda start, rest: start + b"".join(rest), selectors, st.lists(words, max_size=9))


@given(st.binary(max_size=300) | shaped, st.booleans(), st.integers(0, 40))
def test_any_bytes_get_an_answer_no_longer_than_they_are(data: bytes, wrapped: bool, cut: int) -> None:
    call_data = (abi.EXECUTE_USER_OP if wrapped else b"") + data[: max(0, len(data) - cut)]

    found = decode_calls(ACCOUNT, call_data)

    assert found is None or sum(len(call.data) for call in found) <= len(call_data)


def test_a_batch_whose_calls_share_their_bytes_costs_no_more_than_its_length() -> None:
    """Without the limit these 600 kB would become 3 GB."""
    count = 10_000
    size = 300_000
    shared = abi.address(OTHER) + WORD + word(96) + word(size) + bytes(size)
    batch = abi.EXECUTE_BATCH + word(32) + word(count) + word(32 * count) * count + shared
    tracemalloc.start()
    try:
        assert decode_calls(ACCOUNT, batch) is None
        assert tracemalloc.get_traced_memory()[1] < 4 * len(batch)
    finally:
        tracemalloc.stop()

"""Tests of the reader of untrusted ABI data: never more bytes than the input, never another exception."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader

values = st.tuples(
    st.binary(min_size=20, max_size=20), st.binary(max_size=70), st.lists(st.binary(max_size=40), max_size=4)
)


@given(values)
def test_data_of_eth_abi_is_decoded(value: tuple[bytes, bytes, list[bytes]]) -> None:
    address, blob, items = value
    reader = Reader(encode(("address", "bytes", "bytes[]"), value))
    assert reader.address(0) == address
    assert reader.blob(reader.word(32)) == blob
    start = reader.word(64)
    assert [reader.blob(start + 32 + reader.word(at)) for at in reader.items(start)] == items


@given(st.binary(max_size=200), st.integers(0, 2**256))
def test_any_bytes_are_read_or_refused(data: bytes, at: int) -> None:
    reader = Reader(data)
    for read in (reader.word, reader.address, reader.blob, reader.items, lambda place: reader.fixed_bytes(place, 25)):
        try:
            read(at)
        except AbiDecodeError:
            continue


def test_parts_that_share_bytes_are_refused_before_they_are_copied() -> None:
    blob = (64).to_bytes(32, "big") + bytes(64)
    reader = Reader(blob)
    assert len(reader.blob(0)) == 64
    with pytest.raises(AbiDecodeError, match="overlap"):
        reader.blob(0)


def test_dirty_upper_bytes_are_no_address_and_no_fixed_bytes() -> None:
    reader = Reader(b"\xff" * 32)
    with pytest.raises(AbiDecodeError, match="expected an address"):
        reader.address(0)
    with pytest.raises(AbiDecodeError, match="expected a bytes25"):
        reader.fixed_bytes(0, 25)

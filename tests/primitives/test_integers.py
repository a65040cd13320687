"""Tests of wire integers that are written as doubles, and of chain ids of other namespaces."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import from_json

from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import ChainId, Uint256, UnixSeconds


def decode_error(kind: Any, value: Any) -> str:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(kind, value, at="it")
    assert error_info.value.data == {"reason": "invalid_params", "field": "it"}
    return error_info.value.message


@given(st.integers(0, 2**53 - 1))
@example(1795936313)
@example(0)
def test_a_whole_number_may_be_written_as_a_double(number: int) -> None:
    written = from_json(json.dumps(float(number)))

    assert isinstance(written, float)
    assert wire.decode(Uint256, written) == number
    if number < 2**48:
        found = wire.decode(UnixSeconds, written)
        assert found == number
        assert type(found) is int


@given(st.floats().filter(lambda number: not (number.is_integer() and 0 <= number < 2**53)))
@example(float(from_json(b"9007199254740993.0")))
def test_a_double_that_is_not_exactly_one_integer_is_refused(number: float) -> None:
    for kind in (Uint256, UnixSeconds):
        assert decode_error(kind, number).startswith("it: expected ")


@pytest.mark.parametrize(
    ("text", "namespace"),
    [
        ("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "solana"),
        ("solana:devnet", "solana"),
        ("bip122:000000000019d6689c085ae165831e93", "bip122"),
        ("eip155:1", "eip155"),
    ],
)
def test_a_chain_id_of_another_namespace_is_refused_by_the_namespace(text: str, namespace: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(ChainId, text, at="chainId")

    assert f"got one of the namespace {namespace};" in error_info.value.message
    assert error_info.value.data == {"reason": "namespace_not_supported", "field": "chainId"}


@pytest.mark.parametrize("text", ["solana", "solana:", ":1", "so:1", "Solana:1", "solana:" + "1" * 33])
def test_a_text_that_is_no_chain_id_of_any_namespace_is_malformed(text: str) -> None:
    assert decode_error(ChainId, text).startswith("it: expected a hex quantity below 2^32, got ")

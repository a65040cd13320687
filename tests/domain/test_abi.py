"""Tests of the ABI encoder against eth-abi, and of every selector against its signature."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, blobs, uint256
from wallet_rpc.domain import abi

LONG = {
    "PackedUserOperation": "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)",
    "ExecutionManifest": "((bytes4,bool,bool)[],(bytes4,uint32,bool,bool)[],bytes4[])",
}


def spell_out(signature: str) -> str:
    """Replace the names of structs by their types."""
    for short, full in LONG.items():
        signature = signature.replace(short, full)
    return signature


def documented_selectors() -> list[tuple[str, bytes]]:
    """Return every selector whose docstring starts with its signature."""
    text = Path(abi.__file__).read_text("utf-8")
    found = re.findall(r'^(\w+) = Selector\(.*\)\n"""[^`"]*?`(\w+\([^`]*\))`', text, re.MULTILINE)
    return [(spell_out(signature), getattr(abi, name)) for name, signature in found]


@pytest.mark.parametrize(("signature", "selector"), documented_selectors())
def test_a_selector_is_that_of_its_signature(signature: str, selector: bytes) -> None:
    assert abi.selector_of(signature) == selector


def test_most_selectors_are_documented_by_signature() -> None:
    assert len(documented_selectors()) >= 40


@given(addresses, uint256, blobs, st.lists(st.tuples(addresses, uint256, blobs), max_size=4))
def test_the_encoding_is_eth_abis(to: bytes, value: int, data: bytes, items: list[tuple[bytes, int, bytes]]) -> None:
    encoded = abi.sequence(
        abi.address(to),
        abi.uint(value),
        abi.blob(data),
        abi.array(abi.Dynamic(abi.sequence(abi.address(a), abi.uint(b), abi.blob(c))) for a, b, c in items),
        abi.fixed_bytes(data[:25]),
        abi.array(abi.fixed_bytes(c[:4]) for _, _, c in items),
    )
    types = ("address", "uint256", "bytes", "(address,uint256,bytes)[]", "bytes25", "bytes4[]")
    assert encoded == encode(types, (to, value, data, items, data[:25], [c[:4] for _, _, c in items]))


@pytest.mark.parametrize(("value", "bits"), [(-1, 256), (2**256, 256), (2**32, 32)])
def test_an_integer_that_does_not_fit_is_refused(value: int, bits: int) -> None:
    with pytest.raises(ValueError, match="is not a uint"):
        abi.uint(value, bits)

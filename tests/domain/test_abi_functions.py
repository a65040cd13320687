"""Parsing of functions from signatures and from entries of JSON ABIs."""

from __future__ import annotations

from typing import Any

import pytest

from wallet_rpc.domain.decoding.functions import AbiError, parse_json_function, parse_signature


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f",
        "f(",
        "f(uint256",
        "f(uint7)",
        "f(uint264 x)",
        "f(uint08 x)",
        "f(bytes33)",
        "f(bytes0)",
        "f(function x)",
        "f(fixed128x18)",
        "f(uint256[)",
        "f(uint256 x y)",
        "f(uint256,)",
        "f(uint256;)",
        "1f()",
        "f(uint256@self)",
        "f(uint256 x@self)",
        f"f({'(' * 20}uint256{')' * 20})",
        f"f({','.join(['uint256'] * 65)})",
        f"f(uint256{'[]' * 9})",
        "f" * 200 + "()",
        "x" * 5000,
        "f[](uint256)",
        "f uint256",
        "(uint256)",
    ],
)
def test_a_malformed_signature_is_refused(text: str) -> None:
    with pytest.raises(AbiError):
        parse_signature(text, "test")


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("function transfer(address to, uint amount) external returns (bool)", "transfer(address,uint256)"),
        ("f ( tuple( bytes calldata a , int b )[2][] memory x )", "f((bytes,int256)[2][])"),
        ("$f()", "$f()"),
    ],
)
def test_signatures_are_read_as_people_write_them(text: str, signature: str) -> None:
    assert parse_signature(text, "test").signature == signature


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"name": "f"},
        {"name": "", "inputs": []},
        {"name": 7, "inputs": []},
        {"name": "f", "inputs": "uint256"},
        {"name": "f", "inputs": [7]},
        {"name": "f", "inputs": [{"name": "x"}]},
        {"name": "f", "inputs": [{"name": "x y", "type": "uint256"}]},
        {"name": "f", "inputs": [{"type": "tuple"}]},
        {"name": "f", "inputs": [{"type": "uint256" + "[]" * 100}]},
        {"name": "f", "inputs": [{"type": "uint256]["}]},
    ],
)
def test_a_malformed_entry_of_an_abi_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(AbiError):
        parse_json_function(entry, "test")

"""Typed data that the tests change."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from wallet_rpc.domain.typed_data import hash_typed_data
from wallet_rpc.errors import InvalidParams

PERSON = [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}]
DOMAIN_TYPE = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
MAIL: dict[str, Any] = {
    "domain": {"name": "Ether Mail", "version": "1", "chainId": 1, "verifyingContract": "0x" + "cc" * 20},
    "types": {
        "EIP712Domain": DOMAIN_TYPE,
        "Person": PERSON,
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person"},
            {"name": "contents", "type": "string"},
        ],
    },
    "primaryType": "Mail",
    "message": {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
}
"""The example of EIP-712."""


def change_value(path: str, value: Any) -> dict[str, Any]:
    """The example with another value at a path."""
    data = copy.deepcopy(MAIL)
    *way, last = path.split(".")
    inside: Any = data
    for step in way:
        inside = inside[int(step) if isinstance(inside, list) else step]
    inside[int(last) if isinstance(inside, list) else last] = value
    return data


def of(type_: str, value: Any, **structs: Any) -> dict[str, Any]:
    """Typed data of one member."""
    types = {"Data": [{"name": "a", "type": type_}], **structs}
    return {"types": types, "primaryType": "Data", "message": {"a": value}}


def refusal(data: dict[str, Any], at: str = "") -> InvalidParams:
    with pytest.raises(InvalidParams) as caught:
        hash_typed_data(data, at=at)
    assert caught.value.message.startswith(f"{caught.value.facts['field']}: ")
    return caught.value

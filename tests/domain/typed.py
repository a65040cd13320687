"""Typed data that tests vary."""

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
    """Return the example with another value at a path."""
    data = copy.deepcopy(MAIL)
    *parents, last = path.split(".")
    parent: Any = data
    for name in parents:
        parent = parent[int(name) if isinstance(parent, list) else name]
    parent[int(last) if isinstance(parent, list) else last] = value
    return data


def of(type_: str, value: Any, **structs: Any) -> dict[str, Any]:
    """Build typed data with one member."""
    types = {"Data": [{"name": "a", "type": type_}], **structs}
    return {"types": types, "primaryType": "Data", "message": {"a": value}}


def refusal(data: dict[str, Any], at: str = "") -> InvalidParams:
    """Return the error of hashing `data`, after a check that its message starts with its field."""
    with pytest.raises(InvalidParams) as error_info:
        hash_typed_data(data, at=at)
    assert error_info.value.message.startswith(f"{error_info.value.field}: ")
    return error_info.value

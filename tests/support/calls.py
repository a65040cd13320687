"""Calls as clients encode them, without code of the server."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.support.constants import FRIEND, TOKEN


def call_data(signature: str, *values: Any) -> str:
    """Return the call data of `signature`, written as `name(types)`, with these values."""
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    return "0x" + (keccak(text=signature)[:4] + encode(types, values)).hex()


def transfer(amount: int, *, to: str = FRIEND) -> dict[str, str]:
    return {"to": TOKEN, "data": call_data("transfer(address,uint256)", to, amount)}

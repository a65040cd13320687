"""Helpers that send requests to a chain, and that catch its errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.devchain.sample import ENTRY_POINT_TEXT, Node, RpcFailure, on_wire
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.domain.permission import ContractAccess, Target
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.primitives import Address

POLICY = {"policyId": "7ba7b810-9dad-41d1-80b4-00c04fd430c8"}
TOKEN_ACCESS = ContractAccess(type="contract-access", data=Target(address=TEST_TOKEN))
CODE_ADDRESS = Address(b"\xc0" * 20).hex0x()
"""The address at which tests set code."""


def token_balance(node: Node, holder: Address) -> int:
    data = "0x70a08231" + "00" * 12 + holder.hex()
    return int(node.rpc("eth_call", {"to": TEST_TOKEN.hex0x(), "data": data}), 16)


def send(node: Node, op: UserOperation) -> str:
    return str(node.rpc("eth_sendUserOperation", on_wire(op), ENTRY_POINT_TEXT))


def catch_failure(action: Callable[[], Any]) -> RpcFailure:
    with pytest.raises(RpcFailure) as caught:
        action()
    return caught.value


def failure(node: Node, method: str, *params: Any) -> RpcFailure:
    return catch_failure(lambda: node.rpc(method, *params))


def set_code(node: Node, code: bytes) -> str:
    node.rpc("anvil_setCode", CODE_ADDRESS, "0x" + code.hex())
    return CODE_ADDRESS


def words(answer: str) -> list[int]:
    raw = bytes.fromhex(answer[2:])
    return [int.from_bytes(raw[at : at + 32]) for at in range(0, len(raw), 32)]

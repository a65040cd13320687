"""Decoding of user operations from `handleOps` call data.

Source: EntryPoint v0.7 `IEntryPoint`, `UserOperationLib`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from wallet_rpc.devchain.authorizations import from_evm_authorization
from wallet_rpc.domain import abi, funds
from wallet_rpc.domain.user_operation import Factory, PaymasterPart, UserOperation
from wallet_rpc.primitives import Address, Data

_PACKED = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[]"


def read_handle_ops(call_data: bytes) -> list[UserOperation]:
    """Decode the operations of a `handleOps` call; return none for other call data."""
    if call_data[:4] != abi.HANDLE_OPS:
        return []
    try:
        packed, _ = decode([_PACKED, "address"], call_data[4:])
    except DecodingError:
        return []
    return [unpack(*fields) for fields in packed]


def unpack(*packed: Any) -> UserOperation:
    """Convert the entry point's packed struct to an operation."""
    sender, nonce, init_code, call_data, limits, pre_verification_gas, fees, paymaster, signature = packed
    return UserOperation(
        sender=Address.parse(sender),
        nonce=nonce,
        factory=Factory(Address(init_code[:20]), Data(init_code[20:])) if init_code else None,
        call_data=Data(call_data),
        verification_gas_limit=int.from_bytes(limits[:16]),
        call_gas_limit=int.from_bytes(limits[16:]),
        pre_verification_gas=pre_verification_gas,
        max_priority_fee_per_gas=int.from_bytes(fees[:16]),
        max_fee_per_gas=int.from_bytes(fees[16:]),
        paymaster=_paymaster(paymaster) if paymaster else None,
        signature=Data(signature),
    )


def with_authorization(op: UserOperation, signed: Sequence[Any]) -> UserOperation:
    """Return `op` with the authorization of its sender, if one of the `signed` authorizations is the sender's."""
    for one in signed:
        authorization = from_evm_authorization(one)
        if authorization is not None and authorization.authority == op.sender:
            return replace(op, authorization=authorization)
    return op


def deposit_slot_number(account: Address) -> int:
    """Return the entry point's slot of an account's deposit, in wei: the first word of its `DepositInfo`."""
    return int.from_bytes(funds.deposit_slot(account))


def _paymaster(data: bytes) -> PaymasterPart:
    return PaymasterPart(
        address=Address(data[:20]),
        verification_gas_limit=int.from_bytes(data[20:36]),
        post_op_gas_limit=int.from_bytes(data[36:52]),
        data=Data(data[52:]),
    )

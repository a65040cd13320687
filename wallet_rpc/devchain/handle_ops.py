"""Decoding of user operations from `handleOps` call data and from the entry point's events.

Source: EntryPoint v0.7 `IEntryPoint`, `UserOperationLib`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from wallet_rpc.devchain.authorizations import from_evm_authorization
from wallet_rpc.devchain.evm import EventLog
from wallet_rpc.domain import abi, funds
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.user_operation import USER_OPERATION_EVENT, Factory, PaymasterPart, UserOperation
from wallet_rpc.primitives import Address, Data

REVERT_EVENT = abi.keccak(b"UserOperationRevertReason(bytes32,address,uint256,bytes)")
"""The topic of a revert reason. Further topics: operation hash, sender. Data: nonce, revert data."""
BEFORE_EXECUTION_EVENT = abi.keccak(b"BeforeExecution()")
"""The topic of the event that the entry point emits between the validations and the executions of a bundle."""
_PACKED = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[]"


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """The outcome of an operation. `position` is the event's index among the logs of its transaction."""

    operation_hash: bytes
    sender: Address
    paymaster: Address
    nonce: int
    success: bool
    cost: int
    """The gas cost in wei."""
    gas_used: int
    position: int


def operation_events(logs: Sequence[EventLog]) -> list[OperationEvent]:
    """Return the outcome events of all operations in these logs."""
    found = []
    for position, log in enumerate(logs):
        if _is_entry_points(log, USER_OPERATION_EVENT):
            nonce, success, cost, gas = (int.from_bytes(log.data[at : at + 32]) for at in range(0, 128, 32))
            sender, paymaster = Address(log.topics[2][12:]), Address(log.topics[3][12:])
            found.append(OperationEvent(log.topics[1], sender, paymaster, nonce, success == 1, cost, gas, position))
    return found


def revert_reason(logs: Sequence[EventLog], operation_hash: bytes) -> bytes | None:
    """Return the revert data of an operation's execution; None when there is none."""
    for log in logs:
        if log.address == ENTRY_POINT and log.topics[:2] == (REVERT_EVENT, operation_hash):
            return bytes(decode(["uint256", "bytes"], log.data)[1])
    return None


def operation_log_indexes(logs: Sequence[EventLog], event: OperationEvent, *, is_direct: bool) -> list[int]:
    """Return the indexes of this operation's logs among the logs of its transaction.

    If the transaction calls the entry point directly (`is_direct`) with one operation, all logs are the operation's.
    Otherwise its logs are those of its execution, and the validation logs that name it. A bundle validates all its
    operations first, and a contract that calls the entry point may log before and after.
    """
    events = operation_events(logs)
    if is_direct and len(events) == 1:
        return list(range(len(logs)))
    openings = [at for at, log in enumerate(logs) if _is_entry_points(log, BEFORE_EXECUTION_EVENT)]
    opened = max(at for at in openings if at < event.position)
    closed = min([len(logs), *(at for at in openings if at > opened)])
    bundle = [other for other in events if opened < other.position < closed]
    first = max([opened, *(other.position for other in bundle if other.position < event.position)]) + 1
    previous = max([-1, *(other.position for other in events if other.position < opened)])
    named = {event.operation_hash}
    if [other.sender for other in bundle].count(event.sender) == 1:
        named.add(abi.address(event.sender))
    validated = [at for at in range(previous + 1, opened) if _names(logs[at], event, named)]
    return validated + list(range(first, event.position + 1))


def _is_entry_points(log: EventLog, topic: bytes) -> bool:
    return log.address == ENTRY_POINT and log.topics[:1] == (topic,)


def _names(log: EventLog, event: OperationEvent, named: Set[bytes]) -> bool:
    """Return True for a validation log by the operation's account, or by the entry point about the operation."""
    if log.address == ENTRY_POINT:
        return not named.isdisjoint(log.topics[1:])
    return log.address == event.sender and abi.address(event.sender) in named


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

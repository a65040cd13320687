"""The entry point's events of user operations, and the logs of one operation among those of its transaction.

Source: EntryPoint v0.7 `IEntryPoint`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.revert import find_revert_reason
from wallet_rpc.domain.user_operation import USER_OPERATION_EVENT
from wallet_rpc.primitives import Address

REVERT_EVENT = abi.keccak(b"UserOperationRevertReason(bytes32,address,uint256,bytes)")
"""The topic of a revert reason. Further topics: operation hash, sender. Data: nonce, revert data."""
BEFORE_EXECUTION_EVENT = abi.keccak(b"BeforeExecution()")
"""The topic of the event that the entry point emits between the validations and the executions of a bundle."""


class OperationLog(Protocol):
    """One log entry of a transaction."""

    @property
    def address(self) -> bytes:
        """The contract that logged it, 20 bytes."""

    @property
    def topics(self) -> tuple[bytes, ...]:
        """Up to four topics, 32 bytes each."""

    @property
    def data(self) -> bytes:
        """The data."""


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


def operation_events(logs: Sequence[OperationLog]) -> list[OperationEvent]:
    """Return the outcome events of all operations in these logs.

    Topics: event signature, operation hash, sender, paymaster. Data: nonce, success, cost, gas; 32 bytes each.
    """
    found = []
    for position, log in enumerate(logs):
        if _is_entry_points(log, USER_OPERATION_EVENT) and len(log.topics) == 4 and len(log.data) == 128:
            nonce, success, cost, gas = (int.from_bytes(log.data[at : at + 32]) for at in range(0, 128, 32))
            sender, paymaster = Address(log.topics[2][12:]), Address(log.topics[3][12:])
            found.append(OperationEvent(log.topics[1], sender, paymaster, nonce, success == 1, cost, gas, position))
    return found


def revert_data_of(logs: Sequence[OperationLog], operation_hash: bytes) -> bytes:
    """Return the revert data of an operation's calls or of its `postOp`; empty when the logs have none."""
    reasons = (find_revert_reason(log.topics, log.data, operation_hash) for log in logs if log.address == ENTRY_POINT)
    return next((reason for reason in reasons if reason), b"")


def execution_revert_data(logs: Sequence[OperationLog], operation_hash: bytes) -> bytes:
    """Return the revert data of an operation's calls, without that of its paymaster's `postOp`."""
    return revert_data_of([log for log in logs if log.topics[:1] == (REVERT_EVENT,)], operation_hash)


def operation_log_indexes(logs: Sequence[OperationLog], event: OperationEvent, *, is_direct: bool) -> list[int]:
    """Return the indexes of this operation's logs among the logs of its transaction.

    If the transaction calls the entry point directly (`is_direct`) with one operation, all logs are the operation's.
    Otherwise its logs are those of its execution, and the validation logs that name it. A bundle validates all its
    operations first, and a contract that calls the entry point may log before and after.
    """
    events = operation_events(logs)
    if is_direct and len(events) == 1:
        return list(range(len(logs)))
    openings = [at for at, log in enumerate(logs) if _is_entry_points(log, BEFORE_EXECUTION_EVENT)]
    opened = max([-1, *(at for at in openings if at < event.position)])
    closed = min([len(logs), *(at for at in openings if at > opened)])
    bundle = [other for other in events if opened < other.position < closed]
    first = max([opened, *(other.position for other in bundle if other.position < event.position)]) + 1
    previous = max([-1, *(other.position for other in events if other.position < opened)])
    named = {event.operation_hash}
    if [other.sender for other in bundle].count(event.sender) == 1:
        named.add(abi.address(event.sender))
    validated = [at for at in range(previous + 1, opened) if _names(logs[at], event, named)]
    return validated + list(range(first, event.position + 1))


def _is_entry_points(log: OperationLog, topic: bytes) -> bool:
    return log.address == ENTRY_POINT and log.topics[:1] == (topic,)


def _names(log: OperationLog, event: OperationEvent, named: Set[bytes]) -> bool:
    """Return True for a validation log by the operation's account, or by the entry point about the operation."""
    if log.address == ENTRY_POINT:
        return not named.isdisjoint(log.topics[1:])
    return log.address == event.sender and abi.address(event.sender) in named

"""`wallet_test_delayOperations`: the bundler includes the next user operations late."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import Milliseconds, NextOperations, choose_chain, controls_of
from wallet_rpc.wire import strict_shape


@strict_shape
class DelayOperations(NextOperations):
    """The user operations that the bundler includes late, and the delay."""

    milliseconds: Milliseconds
    """Time that the bundler keeps the operation in its mempool, in milliseconds, 1 to 60,000."""


async def run(ports: Ports, request: DelayOperations) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.DELAY_OPERATIONS,
        chain_id=choose_chain(ports, request),
        remaining=request.count,
        milliseconds=request.milliseconds,
    )
    return await controls_of(ports).add(fault)


OPERATION: Operation[Ports, DelayOperations, Fault] = Operation(
    "wallet_test_delayOperations",
    DelayOperations,
    Fault,
    run,
    "Have the bundler keep the next user operations in its mempool for a time.",
    (LimitExceeded, UnsupportedChain),
    reasons=("too_many_faults",),
    description=(
        "The operation is checked, and its hash returned. After the time it is checked again and included, or dropped "
        "if it is no longer valid. An operation of the same account and nonce replaces it."
    ),
)

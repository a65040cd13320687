"""`wallet_test_delayNext`: the next requests of a method are answered late."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import FAULT_REASONS, Milliseconds, NextRequests, add_request_fault
from wallet_rpc.wire import strict_shape


@strict_shape
class DelayNext(NextRequests):
    """The requests that are answered late, and the delay."""

    milliseconds: Milliseconds
    """Delay of the answer in milliseconds, 1 to 60,000."""


async def run(ports: Ports, request: DelayNext) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.DELAY,
        method=request.method,
        chain_id=request.chain_id,
        remaining=request.count,
        milliseconds=request.milliseconds,
    )
    return await add_request_fault(ports, fault)


OPERATION: Operation[Ports, DelayNext, Fault] = Operation(
    "wallet_test_delayNext",
    DelayNext,
    Fault,
    run,
    "Have the next requests of a method be executed at once and answered late.",
    (LimitExceeded, UnsupportedChain),
    reasons=FAULT_REASONS,
    description=("A batch waits for its slowest entry. When the server ends, the answer is sent at once."),
)

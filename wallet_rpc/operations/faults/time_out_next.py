"""`wallet_test_timeOutNext`: the next requests of a method get no answer."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import (
    FAULT_REASONS,
    MAX_MILLISECONDS,
    Milliseconds,
    NextRequests,
    add_request_fault,
)
from wallet_rpc.wire import strict_shape


@strict_shape
class TimeOutNext(NextRequests):
    """The requests that time out, and the time until their connections are closed."""

    milliseconds: Milliseconds = MAX_MILLISECONDS
    """Time without an answer, after which the server closes the connection, 1 to 60,000."""
    executes: bool = False
    """True if the request is executed, so that only its answer is lost."""


async def run(ports: Ports, request: TimeOutNext) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.TIME_OUT,
        method=request.method,
        chain_id=request.chain_id,
        remaining=request.count,
        milliseconds=request.milliseconds,
        executes=request.executes,
    )
    return await add_request_fault(ports, fault)


OPERATION: Operation[Ports, TimeOutNext, Fault] = Operation(
    "wallet_test_timeOutNext",
    TimeOutNext,
    Fault,
    run,
    "Have the next requests of a method get no answer until their client gives up.",
    (LimitExceeded, UnsupportedChain),
    reasons=FAULT_REASONS,
    description=(
        "If the client waits longer than the time, its connection is closed. So it is when the server ends. Of a "
        "batch with such a request, nothing is answered."
    ),
)

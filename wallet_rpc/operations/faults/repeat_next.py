"""`wallet_test_repeatNext`: the next requests of a method are executed twice."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import FAULT_REASONS, NextRequests, add_request_fault
from wallet_rpc.wire import strict_shape


@strict_shape
class RepeatNext(NextRequests):
    """The requests that are repeated."""


async def run(ports: Ports, request: RepeatNext) -> Fault:
    """Add the fault."""
    fault = Fault(kind=FaultKind.REPEAT, method=request.method, chain_id=request.chain_id, remaining=request.count)
    return await add_request_fault(ports, fault)


OPERATION: Operation[Ports, RepeatNext, Fault] = Operation(
    "wallet_test_repeatNext",
    RepeatNext,
    Fault,
    run,
    "Have the next requests of a method be executed twice, as if a proxy had repeated them.",
    (LimitExceeded, UnsupportedChain),
    reasons=FAULT_REASONS,
    description=(
        "Both runs are complete, one after the other. Over a WebSocket both answers are sent; over HTTP, which has "
        "one answer for a request, that of the second run. Of a batch, only the entries of the method run twice."
    ),
)

"""`wallet_test_cutNext`: the connection of the next requests of a method is cut."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import FAULT_REASONS, NextRequests, add_request_fault
from wallet_rpc.wire import strict_shape


@strict_shape
class CutNext(NextRequests):
    """The requests whose connection is cut."""

    executes: bool = False
    """True if the request is executed first, so that its answer is lost; false if nothing is executed."""


async def run(ports: Ports, request: CutNext) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.CUT,
        method=request.method,
        chain_id=request.chain_id,
        remaining=request.count,
        executes=request.executes,
    )
    return await add_request_fault(ports, fault)


OPERATION: Operation[Ports, CutNext, Fault] = Operation(
    "wallet_test_cutNext",
    CutNext,
    Fault,
    run,
    "Cut the connection of the next requests of a method, before or after they are executed.",
    (LimitExceeded, UnsupportedChain),
    reasons=FAULT_REASONS,
    description=(
        "The client sees a connection that the server has closed without a response. Of a batch with such a request, "
        "nothing is answered."
    ),
)

"""`wallet_test_dropOperations`: the bundler drops the next user operations."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import NextOperations, choose_chain, controls_of
from wallet_rpc.wire import strict_shape


@strict_shape
class DropOperations(NextOperations):
    """The user operations that the bundler drops."""


async def run(ports: Ports, request: DropOperations) -> Fault:
    """Add the fault."""
    chain_id = choose_chain(ports, request)
    fault = Fault(kind=FaultKind.DROP_OPERATIONS, chain_id=chain_id, remaining=request.count)
    return await controls_of(ports).add(fault)


OPERATION: Operation[Ports, DropOperations, Fault] = Operation(
    "wallet_test_dropOperations",
    DropOperations,
    Fault,
    run,
    "Have the bundler accept the next user operations and forget them.",
    (LimitExceeded, UnsupportedChain),
    reasons=("too_many_faults",),
    description=(
        "The operation is checked, and its hash returned. Then the bundler does not know it. The wallet server finds "
        "out and delivers a call that it has accepted again."
    ),
)

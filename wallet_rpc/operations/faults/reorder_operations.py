"""`wallet_test_reorderOperations`: the bundler includes the next user operations in reverse order."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.fault_requests import (
    MAX_COUNT,
    MAX_MILLISECONDS,
    ChainSelector,
    Milliseconds,
    choose_chain,
    controls_of,
)
from wallet_rpc.wire import strict_shape


@strict_shape
class ReorderOperations(ChainSelector):
    """The user operations that the bundler includes in reverse order."""

    count: Annotated[int, Field(strict=True, ge=2, le=MAX_COUNT), BeforeValidator(exact_integer)] = 2
    """Number of user operations that the bundler collects."""
    milliseconds: Milliseconds = MAX_MILLISECONDS
    """Longest time that it waits for the last of them, in milliseconds, 1 to 60,000."""


async def run(ports: Ports, request: ReorderOperations) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.REORDER_OPERATIONS,
        chain_id=choose_chain(ports, request),
        remaining=request.count,
        milliseconds=request.milliseconds,
    )
    return await controls_of(ports).add(fault)


OPERATION: Operation[Ports, ReorderOperations, Fault] = Operation(
    "wallet_test_reorderOperations",
    ReorderOperations,
    Fault,
    run,
    "Have the bundler collect the next user operations and include them in reverse order.",
    (LimitExceeded, UnsupportedChain),
    reasons=("too_many_faults",),
    description=(
        "Each operation is checked, and its hash returned. The last one that is collected is included first. After "
        "the time, the operations that there are are included, in reverse order too."
    ),
)

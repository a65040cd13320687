"""`wallet_test_refuseSponsorship`: the paymaster refuses the next requests."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultError, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import (
    ChainSelector,
    Count,
    ErrorCode,
    ErrorData,
    ErrorMessage,
    choose_chain,
    controls_of,
)
from wallet_rpc.wire import strict_shape


@strict_shape
class RefuseSponsorship(ChainSelector):
    """The requests that the paymaster refuses, and its error."""

    code: ErrorCode = -32501
    """Code of the paymaster's error."""
    message: ErrorMessage = "the paymaster refuses, as a test has requested"
    """Text of the error."""
    data: ErrorData = None
    """Data of the error, any JSON value of at most 16,384 bytes. Default: none."""
    count: Count = 1
    """Number of requests that the paymaster refuses; a `wallet_prepareCalls` ends at the first refusal."""


async def run(ports: Ports, request: RefuseSponsorship) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.REFUSE_SPONSORSHIP,
        chain_id=choose_chain(ports, request),
        remaining=request.count,
        error=FaultError(code=request.code, message=request.message, data=request.data),
    )
    return await controls_of(ports).add(fault)


OPERATION: Operation[Ports, RefuseSponsorship, Fault] = Operation(
    "wallet_test_refuseSponsorship",
    RefuseSponsorship,
    Fault,
    run,
    "Have the embedded paymaster answer the next requests with an error.",
    (LimitExceeded, UnsupportedChain),
    reasons=("too_many_faults",),
    description=(
        "The requests are `pm_getPaymasterStubData` and `pm_getPaymasterData`. The wallet server maps the code as "
        "that of any paymaster. Policies that the server itself sponsors are not affected."
    ),
)

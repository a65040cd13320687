"""`wallet_test_failNext`: the next requests of a method get an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.fault import Fault, FaultError, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.fault_requests import (
    FAULT_REASONS,
    ErrorCode,
    ErrorData,
    ErrorMessage,
    NextRequests,
    add_request_fault,
)
from wallet_rpc.wire import strict_shape


@strict_shape
class FailNext(NextRequests):
    """The requests that fail, and their error."""

    code: ErrorCode
    """Code of the error, such as -32603 or 4001."""
    message: ErrorMessage = "this request fails, as a test has requested"
    """Text of the error."""
    data: ErrorData = None
    """Data of the error, any JSON value of at most 16,384 bytes. Default: none."""
    status: Annotated[int, Field(strict=True, ge=400, le=599), BeforeValidator(exact_integer)] | None = None
    """HTTP status of the response, for requests outside of batches. Default: 200."""


async def run(ports: Ports, request: FailNext) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.FAIL,
        method=request.method,
        chain_id=request.chain_id,
        remaining=request.count,
        error=FaultError(code=request.code, message=request.message, data=request.data),
        status=request.status,
    )
    return await add_request_fault(ports, fault)


OPERATION: Operation[Ports, FailNext, Fault] = Operation(
    "wallet_test_failNext",
    FailNext,
    Fault,
    run,
    "Have the next requests of a method fail with an error.",
    (LimitExceeded, UnsupportedChain),
    reasons=FAULT_REASONS,
    description=(
        "The requests are not executed. Of a batch, only the entries of the method fail. Over a WebSocket there is no "
        "status."
    ),
)

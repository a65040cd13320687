"""`wallet_test_clearFaults`: remove faults before they have occurred."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Data, malformed_error
from wallet_rpc.services.fault_requests import controls_of
from wallet_rpc.wire import shape, strict_shape


def _check_length(given: Data) -> Data:
    if len(given) != 8:
        raise malformed_error("the id of a fault, 8 bytes", given.hex0x())
    return given


@strict_shape
class ClearFaults:
    """The fault to remove."""

    id: Annotated[Data, AfterValidator(_check_length)] | None = None
    """Id of the fault. Default: all faults are removed."""


@shape
class ClearedFaults:
    """The number of removed faults."""

    cleared: int
    """Number of faults that were removed; 0 if the fault has occurred already."""


async def run(ports: Ports, request: ClearFaults) -> ClearedFaults:
    """Remove one fault or all."""
    return ClearedFaults(cleared=await controls_of(ports).clear(request.id))


OPERATION: Operation[Ports, ClearFaults, ClearedFaults] = Operation(
    "wallet_test_clearFaults",
    ClearFaults,
    ClearedFaults,
    run,
    "Remove one fault, or all.",
    description=(
        "User operations that the bundler keeps back are included at once. A request that waits for its answer goes "
        "on waiting, and a pause of Redis goes on until its end."
    ),
)

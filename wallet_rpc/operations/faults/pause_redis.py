"""`wallet_test_pauseRedis`: Redis answers nothing for a time."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import Rejected, UnsupportedCapability
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.fault_requests import Milliseconds, controls_of
from wallet_rpc.wire import strict_shape


@strict_shape
class PauseRedis:
    """The time without Redis."""

    milliseconds: Milliseconds
    """Time in which Redis answers nothing, in milliseconds, 1 to 60,000."""


async def run(ports: Ports, request: PauseRedis) -> Fault:
    """Pause Redis."""
    return await controls_of(ports).add(Fault(kind=FaultKind.PAUSE_REDIS, milliseconds=request.milliseconds))


OPERATION: Operation[Ports, PauseRedis, Fault] = Operation(
    "wallet_test_pauseRedis",
    PauseRedis,
    Fault,
    run,
    "Pause the Redis of the server for a time.",
    (Rejected, UnsupportedCapability),
    reasons=("redis_paused", "redis_not_embedded"),
    description=(
        "Redis really stops answering, to this server and to others (`CLIENT PAUSE`). Requests behave as in "
        "production: they wait, then fail as `unavailable`. Nothing can end the pause before its time. Only a Redis "
        "that the server has started can be paused."
    ),
)

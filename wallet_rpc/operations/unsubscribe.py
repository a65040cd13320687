"""`wallet_unsubscribe`: the end of a subscription of this WebSocket."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.errors import InvalidRequest
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.subscribe import FOLLOW_ACCESS, subscriber_of
from wallet_rpc.ports import Ports
from wallet_rpc.wire import shape


@shape
class Unsubscribe:
    """A subscription of this connection."""

    subscription: str
    """Id that `wallet_subscribe` returned."""


async def run(ports: Ports, request: Unsubscribe) -> bool:
    """End a subscription; False for one that the connection does not have. Raises: InvalidRequest."""
    return await subscriber_of(ports).unsubscribe(request.subscription)


OPERATION: Operation[Ports, Unsubscribe, bool] = Operation(
    "wallet_unsubscribe",
    Unsubscribe,
    Annotated[bool, Field(description="True if the connection had this subscription.")],
    run,
    "End a subscription of this WebSocket; false if it has none with this id.",
    (InvalidRequest,),
    positional=True,
    need=FOLLOW_ACCESS,
    reasons=("websocket_required",),
    description="No notification of the subscription follows the response.",
)

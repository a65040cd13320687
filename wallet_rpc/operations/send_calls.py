"""`wallet_sendCalls` (EIP-5792): always rejected, because it requires a wallet with keys, and this server has none.

It exists so that clients get an error that names the methods to call instead.
"""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.errors import MethodNotFound
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.wire import shape


@shape
class SendCalls:
    """Any parameters; they are ignored."""


async def run(ports: Ports, request: SendCalls) -> NoReturn:
    """Raise MethodNotFound (no_keys_here)."""
    raise MethodNotFound(
        "wallet_sendCalls: this server holds no keys and cannot sign; call wallet_prepareCalls, sign its "
        "signatureRequest, and pass the signed calls to wallet_sendPreparedCalls",
        reason="no_keys_here",
        instead=["wallet_prepareCalls", "wallet_sendPreparedCalls"],
    )


OPERATION: Operation[Ports, SendCalls, dict[str, Any]] = Operation(
    "wallet_sendCalls",
    SendCalls,
    Annotated[dict[str, Any], Field(description="Never returned: every request is rejected.")],
    run,
    "Always rejected, because the server holds no keys; use wallet_prepareCalls and wallet_sendPreparedCalls.",
    (MethodNotFound,),
    need=READ_ACCESS,
    description=(
        "The method exists for the message of its error, which names the methods to call instead. All parameters "
        "are ignored."
    ),
)

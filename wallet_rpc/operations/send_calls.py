"""`wallet_sendCalls` (EIP-5792): asks whoever holds the keys to sign and send, which a server without keys cannot.

It is there to say so: a client gets a sentence that tells what to call instead.
"""

from __future__ import annotations

from typing import Any, NoReturn

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.errors import MethodNotFound
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.wire import shape


@shape
class SendCalls:
    """Anything: nothing is sent."""


async def run(ports: Ports, request: SendCalls) -> NoReturn:
    """Raises: MethodNotFound (no_keys_here)."""
    raise MethodNotFound(
        "wallet_sendCalls: this server holds no keys and cannot sign; call wallet_prepareCalls, sign what it answers, "
        "and hand that to wallet_sendPreparedCalls",
        reason="no_keys_here",
        instead=["wallet_prepareCalls", "wallet_sendPreparedCalls"],
    )


OPERATION: Operation[Ports, SendCalls, dict[str, Any]] = Operation(
    "wallet_sendCalls",
    SendCalls,
    dict[str, Any],
    run,
    "Refused: there are no keys here.",
    (MethodNotFound,),
    need=READ_ACCESS,
)

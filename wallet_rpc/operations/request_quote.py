"""`wallet_requestQuote_v0` and `wallet_getCrossChainStatus_v0`: swaps, for which this server has no provider.

Both are there to say so: a client gets a code and a sentence, and not "no such method".
"""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator

from wallet_rpc.errors import UnsupportedCapability
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Data
from wallet_rpc.wire import shape


@shape
class RequestQuote:
    """Anything: no quote is given."""


def _unnested(value: Any) -> Any:
    """Some guides put the id into an array of its own."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@shape
class GetCrossChainStatus:
    """The id of a swap, which nobody can have got from here."""

    call_id: Annotated[Data, BeforeValidator(_unnested)]


async def refuse_quote(ports: Ports, request: RequestQuote) -> NoReturn:
    """Raises: UnsupportedCapability."""
    raise UnsupportedCapability(
        "wallet_requestQuote_v0: swaps are not supported here, as no quote provider is configured; send the calls of a "
        "swap that you got elsewhere by wallet_prepareCalls",
        reason="no_quote_provider",
        capability="swaps",
    )


async def refuse_status(ports: Ports, request: GetCrossChainStatus) -> NoReturn:
    """Raises: UnsupportedCapability."""
    raise UnsupportedCapability(
        "wallet_getCrossChainStatus_v0: swaps are not supported here, as no quote provider is configured; ask "
        "wallet_getCallsStatus about calls of this server",
        reason="no_quote_provider",
        capability="swaps",
    )


QUOTE: Operation[Ports, RequestQuote, dict[str, Any]] = Operation(
    "wallet_requestQuote_v0",
    RequestQuote,
    dict[str, Any],
    refuse_quote,
    "Refused: no swaps here.",
    (UnsupportedCapability,),
)
STATUS: Operation[Ports, GetCrossChainStatus, dict[str, Any]] = Operation(
    "wallet_getCrossChainStatus_v0",
    GetCrossChainStatus,
    dict[str, Any],
    refuse_status,
    "Refused: no swaps here.",
    (UnsupportedCapability,),
    positional=True,
)

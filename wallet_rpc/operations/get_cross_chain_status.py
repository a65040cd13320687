"""`wallet_getCrossChainStatus_v0`: how a swap stands, in the words of the provider that priced it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.quote import SwapOutcome
from wallet_rpc.errors import UnknownBundle, UnsupportedCapability
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.request_quote import provider_of
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Data
from wallet_rpc.wire import shape


def _unnest_call_id(value: Any) -> Any:
    """Some guides put the id into an array of its own."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@shape
class GetCrossChainStatus:
    """The id of a swap."""

    call_id: Annotated[Data, BeforeValidator(_unnest_call_id)]


async def run(ports: Ports, request: GetCrossChainStatus) -> SwapOutcome:
    """Raises: UnsupportedCapability without a provider; UnknownBundle when it does not know the id."""
    quotes = provider_of(
        ports,
        method="wallet_getCrossChainStatus_v0",
        instead="ask wallet_getCallsStatus about calls of this server",
    )
    return await quotes.outcome(request.call_id)


OPERATION: Operation[Ports, GetCrossChainStatus, SwapOutcome] = Operation(
    "wallet_getCrossChainStatus_v0",
    GetCrossChainStatus,
    SwapOutcome,
    run,
    "Tell how a swap stands; refused where no quote provider is configured.",
    (UnknownBundle, UnsupportedCapability),
    positional=True,
    has_long_answers=True,
    need=READ_ACCESS,
)

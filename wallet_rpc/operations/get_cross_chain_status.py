"""`wallet_getCrossChainStatus_v0`: the status of a swap, as reported by the quote provider that priced it."""

from __future__ import annotations

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.prepared import NestedCallId
from wallet_rpc.domain.quote import SwapOutcome
from wallet_rpc.errors import LimitExceeded, UnknownBundle, UnsupportedCapability
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.request_quote import provider_of
from wallet_rpc.ports import Ports
from wallet_rpc.wire import shape


@shape
class GetCrossChainStatus:
    """The id of a swap."""

    call_id: NestedCallId
    """Id that the quote provider gave the swap: `callId` of `wallet_requestQuote_v0`."""


async def run(ports: Ports, request: GetCrossChainStatus) -> SwapOutcome:
    """Return the provider's status of a swap.

    Raises: UnsupportedCapability without a quote provider; UnknownBundle when the provider does not know the id.
    """
    quotes = provider_of(
        ports,
        method="wallet_getCrossChainStatus_v0",
        instead="call wallet_getCallsStatus for calls that were sent through this server",
    )
    return await quotes.outcome(request.call_id)


OPERATION: Operation[Ports, GetCrossChainStatus, SwapOutcome] = Operation(
    "wallet_getCrossChainStatus_v0",
    GetCrossChainStatus,
    SwapOutcome,
    run,
    "Get the status of a swap; rejected when no quote provider is configured.",
    (UnknownBundle, UnsupportedCapability, LimitExceeded),
    positional=True,
    is_long=lambda _: True,
    need=READ_ACCESS,
    reasons=("no_quote_provider", "answer_too_large"),
    description="Ask the quote provider that priced the swap, and return its answer.",
)

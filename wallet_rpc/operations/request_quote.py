"""`wallet_requestQuote_v0`: a swap, priced by the configured quote provider, as raw calls or as prepared calls.

The provider only prices; authority and payment are resolved here, as for any other calls. Without a provider every
request is rejected with `no_quote_provider`, before its content is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import Field, WrapValidator

from wallet_rpc import wire
from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import RequestedCapabilities
from wallet_rpc.domain.prepared import (
    PreparedArray,
    PreparedAuthorization,
    PreparedCalls,
    PreparedPermit,
    PreparedUserOperation,
)
from wallet_rpc.domain.quote import Quote, QuotedSwap, Swap
from wallet_rpc.domain.requested_call import RequestedCall, to_calls, to_requested_calls
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.operations import prepare_calls, reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports, Quotes
from wallet_rpc.primitives import ChainId, Data
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class RequestQuote(Swap):
    """A swap and the form of the response: raw calls (`returnRawCalls`), or calls prepared with `capabilities`."""

    post_calls: tuple[RequestedCall, ...] = ()
    """Calls that the account makes after the swap, in the same batch and therefore on the same chain."""
    return_raw_calls: bool = False
    """True: return the calls of the swap without preparing them."""
    capabilities: RequestedCapabilities = None
    """Ignored for raw calls."""

    @property
    def swap(self) -> Swap:
        """The part of the request that the provider receives."""
        return Swap(**{name: getattr(self, name) for name in Swap.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class UndecodedRequest:
    """The undecoded parameters of a request; they are decoded only if a provider is configured."""

    value: Any

    @staticmethod
    def of(value: Any, read: Callable[[Any], Any]) -> Any:
        """Wrap an object without decoding it; pass any other value to `read`, which rejects it."""
        return UndecodedRequest(value) if isinstance(value, Mapping) else read(value)


@shape
class RawQuote:
    """The calls of a swap, not prepared."""

    raw_calls: Literal[True] = True
    """Always true: the calls are not prepared."""
    quote: Quote
    """Amounts and expiry of the price."""
    chain_id: ChainId
    """Chain on which the calls are made."""
    call_id: Data | None = None
    """Id for `wallet_getCrossChainStatus_v0`; absent if the provider gives none."""
    calls: tuple[Call, ...]
    """Calls of the swap, then those of `postCalls`, for `wallet_prepareCalls`."""


@shape
class QuotedUserOperation(PreparedUserOperation):
    """A prepared user operation of `wallet_prepareCalls` with the quote of its swap."""

    raw_calls: Literal[False] = False
    """Always false: the calls are prepared."""
    quote: Quote
    """Amounts and expiry of the price."""
    call_id: Data | None = None
    """Id for `wallet_getCrossChainStatus_v0`; absent if the provider gives none."""


@shape
class QuotedArray(PreparedArray):
    """A prepared user operation and authorization, for an account to delegate, with the quote."""

    raw_calls: Literal[False] = False
    """Always false: the calls are prepared."""
    quote: Quote
    """Amounts and expiry of the price."""
    chain_id: ChainId
    """Chain on which the calls are made."""
    call_id: Data | None = None
    """Id for `wallet_getCrossChainStatus_v0`; absent if the provider gives none."""


@shape
class QuotedPermit(PreparedPermit):
    """A permit to sign first, with the quote; the modified request contains the calls of this quote."""

    raw_calls: Literal[False] = False
    """Always false: the calls are prepared once the permit is signed."""
    quote: Quote
    """Amounts and expiry of the price."""
    chain_id: ChainId
    """Chain on which the calls are made."""
    call_id: Data | None = None
    """Id for `wallet_getCrossChainStatus_v0`; absent if the provider gives none."""


QuotedCalls: TypeAlias = Annotated[
    RawQuote | Annotated[QuotedUserOperation | QuotedArray | QuotedPermit, Field(discriminator="type")],
    Field(description="Price of the swap, with its raw calls (`rawCalls` is true) or its prepared calls."),
]
"""The response of `wallet_requestQuote_v0`."""


def provider_of(ports: Ports, *, method: str, instead: str) -> Quotes:
    """Return the configured quote provider. Raises: UnsupportedCapability (no_quote_provider) without one."""
    if ports.quotes is None:
        raise UnsupportedCapability(
            f"{method}: swaps are not supported here, because no quote provider is configured; {instead}",
            reason="no_quote_provider",
            capability="swaps",
        )
    return ports.quotes


async def run(ports: Ports, undecoded: UndecodedRequest) -> QuotedCalls:
    """Get a quote from the provider and prepare its calls. Raises: UnsupportedCapability without a provider."""
    quotes = provider_of(
        ports,
        method="wallet_requestQuote_v0",
        instead="get the calls of a swap elsewhere and pass them to wallet_prepareCalls",
    )
    request = wire.decode(RequestQuote, undecoded.value)
    request.check()
    if request.to_chain_id is not None and request.post_calls:
        raise InvalidParams(
            "expected none with toChainId, because all calls of a batch run on one chain",
            field="params.postCalls",
            reason="post_calls_across_chains",
        )
    chain_of(ports, request.chain_id)
    swap = await quotes.quote(request.swap)
    calls = (*swap.calls, *to_calls(request.chain_id, request.post_calls, at="params.postCalls"))
    if request.return_raw_calls:
        return RawQuote(quote=swap.quote, chain_id=request.chain_id, call_id=swap.call_id, calls=calls)
    to_prepare = prepare_calls.PrepareCalls(
        calls=to_requested_calls(calls),
        from_=request.from_,
        chain_id=request.chain_id,
        capabilities=request.capabilities,
    )
    return _build_quoted_calls(await prepare_calls.run(ports, to_prepare), swap, request.chain_id)


def _build_quoted_calls(prepared: PreparedCalls, swap: QuotedSwap, chain_id: ChainId) -> QuotedCalls:
    """Combine the prepared calls and the quote into one response."""
    fields = {name: getattr(prepared, name) for name in prepared.__dataclass_fields__}
    fields |= {"quote": swap.quote, "call_id": swap.call_id, "chain_id": chain_id}
    match prepared:
        case PreparedUserOperation():
            return QuotedUserOperation(**fields)
        case PreparedArray():
            return QuotedArray(**fields)
        case PreparedPermit():
            return QuotedPermit(**fields)
        case PreparedAuthorization():  # pragma: no cover  # only the removal of a delegation, without calls
            raise AssertionError


_REQUEST: Any = Annotated[RequestQuote, WrapValidator(UndecodedRequest.of)]

OPERATION: Operation[Ports, UndecodedRequest, QuotedCalls] = Operation(
    "wallet_requestQuote_v0",
    cast("type[UndecodedRequest]", _REQUEST),
    QuotedCalls,
    run,
    "Price a swap and prepare its calls; rejected when no quote provider is configured.",
    prepare_calls.OPERATION.errors,
    need=READ_ACCESS,
    reasons=(
        *reasons.PREPARE_CALLS,
        "no_quote_provider",
        "no_quote",
        "post_calls_across_chains",
        "quote_refused",
        "slippage_too_high",
        "swap_amount",
    ),
    description=(
        "Ask the configured quote provider for the price and the calls of a swap. With `returnRawCalls` the calls "
        "are returned as they are, else `wallet_prepareCalls` prepares them. The provider decides on the price "
        "only."
    ),
)

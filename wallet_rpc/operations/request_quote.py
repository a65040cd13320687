"""`wallet_requestQuote_v0`: a swap, priced by the configured provider, as calls or as calls that are already prepared.

The rule: the provider only prices. Who may act and who pays is decided here, as for any other calls; without a provider
every request is refused by name, whatever is in it.
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
from wallet_rpc.operations import prepare_calls
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports, Quotes
from wallet_rpc.primitives import ChainId, Data
from wallet_rpc.services.accounts import chain_of
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class RequestQuote(Swap):
    """A swap, and what to make of it: calls (`returnRawCalls`), or calls prepared with the given capabilities."""

    post_calls: tuple[RequestedCall, ...] = ()
    """What the account does with the tokens it got; in the same batch, so on the same chain."""
    return_raw_calls: bool = False
    capabilities: RequestedCapabilities = None
    """Without meaning for raw calls."""

    @property
    def swap(self) -> Swap:
        """What the provider is told."""
        return Swap(**{name: getattr(self, name) for name in Swap.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class UndecodedRequest:
    """The parameters of a request, read once it is known that there is a provider."""

    value: Any

    @staticmethod
    def of(value: Any, read: Callable[[Any], Any]) -> Any:
        """An object is put off; anything else is refused by `read`."""
        return UndecodedRequest(value) if isinstance(value, Mapping) else read(value)


@shape
class RawQuote:
    """The calls of a swap, for an account that is not prepared here."""

    raw_calls: Literal[True] = True
    quote: Quote
    chain_id: ChainId
    call_id: Data | None = None
    calls: tuple[Call, ...]


@shape
class QuotedUserOperation(PreparedUserOperation):
    """A swap as `wallet_prepareCalls` answers it, with its quote."""

    raw_calls: Literal[False] = False
    quote: Quote
    call_id: Data | None = None


@shape
class QuotedArray(PreparedArray):
    """The same, where the account is delegated first."""

    raw_calls: Literal[False] = False
    quote: Quote
    chain_id: ChainId
    call_id: Data | None = None


@shape
class QuotedPermit(PreparedPermit):
    """The same, where a permit is to be signed first; the modified request holds the calls of this quote."""

    raw_calls: Literal[False] = False
    quote: Quote
    chain_id: ChainId
    call_id: Data | None = None


QuotedCalls: TypeAlias = (
    RawQuote | Annotated[QuotedUserOperation | QuotedArray | QuotedPermit, Field(discriminator="type")]
)
"""What `wallet_requestQuote_v0` answers."""


def provider_of(ports: Ports, *, method: str, instead: str) -> Quotes:
    """Raises: UnsupportedCapability (no_quote_provider)."""
    if ports.quotes is None:
        raise UnsupportedCapability(
            f"{method}: swaps are not supported here, as no quote provider is configured; {instead}",
            reason="no_quote_provider",
            capability="swaps",
        )
    return ports.quotes


async def run(ports: Ports, unread: UndecodedRequest) -> QuotedCalls:
    """Ask for the price, then prepare what it takes. Raises: UnsupportedCapability without a provider."""
    quotes = provider_of(
        ports,
        method="wallet_requestQuote_v0",
        instead="send the calls of a swap that you got elsewhere by wallet_prepareCalls",
    )
    request = wire.decode(RequestQuote, unread.value)
    request.check()
    if request.to_chain_id is not None and request.post_calls:
        raise InvalidParams(
            "params.postCalls: expected none beside toChainId, as a batch is of one chain",
            field="params.postCalls",
            reason="post_calls_across_chains",
        )
    chain_of(ports, request.chain_id)
    found = await quotes.quote(request.swap)
    calls = (*found.calls, *to_calls(request.chain_id, request.post_calls, at="params.postCalls"))
    if request.return_raw_calls:
        return RawQuote(quote=found.quote, chain_id=request.chain_id, call_id=found.call_id, calls=calls)
    asked = prepare_calls.PrepareCalls(
        calls=to_requested_calls(calls),
        from_=request.from_,
        chain_id=request.chain_id,
        capabilities=request.capabilities,
    )
    return _build_quoted_calls(await prepare_calls.run(ports, asked), found, request.chain_id)


def _build_quoted_calls(prepared: PreparedCalls, found: QuotedSwap, chain_id: ChainId) -> QuotedCalls:
    """The prepared calls and the quote in one object."""
    fields = {name: getattr(prepared, name) for name in prepared.__dataclass_fields__}
    fields |= {"quote": found.quote, "call_id": found.call_id, "chain_id": chain_id}
    match prepared:
        case PreparedUserOperation():
            return QuotedUserOperation(**fields)
        case PreparedArray():
            return QuotedArray(**fields)
        case PreparedPermit():
            return QuotedPermit(**fields)
        case PreparedAuthorization():  # pragma: no cover  # a removal of a delegation takes no calls, a swap has some
            raise AssertionError


_REQUEST: Any = Annotated[RequestQuote, WrapValidator(UndecodedRequest.of)]

OPERATION: Operation[Ports, UndecodedRequest, QuotedCalls] = Operation(
    "wallet_requestQuote_v0",
    cast("type[UndecodedRequest]", _REQUEST),
    QuotedCalls,
    run,
    "Price a swap and prepare its calls; refused where no quote provider is configured.",
    prepare_calls.OPERATION.errors,
    need=READ_ACCESS,
)

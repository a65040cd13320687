"""Client of a quote provider: a JSON-RPC server with the Wallet API's two swap methods that returns raw calls.

A response is malformed if its swap differs from the requested one, or if one of its calls goes to the account itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.quote import Quote, QuotedSwap, Swap, SwapOutcome
from wallet_rpc.errors import InvalidParams, Rejected, Unavailable, UnknownBundle, WalletError
from wallet_rpc.primitives import ChainId, Data
from wallet_rpc.wire import encode, shape

QUOTE_PROVIDER = "quote provider"
"""Name of the provider in errors."""
QUOTE_LIMITS = ClientLimits(answer_bytes=1 << 20)
"""Client limits of a provider: eight seconds for all attempts, and a response of up to a mebibyte."""
MAX_SWAP_CALLS = 100
"""Maximum number of calls of a swap; an approval and a trade are two."""
MAX_ID_BYTES = 1024
"""Maximum length of a swap's id."""
OWN_ID_BYTES = 64
"""Length of this server's call ids. The ids of cross-chain swaps are longer, so the length tells them apart."""


@shape
class _Answer:
    raw_calls: Literal[True]
    chain_id: ChainId
    quote: Quote
    calls: Annotated[tuple[Call, ...], Field(min_length=1, max_length=MAX_SWAP_CALLS)]
    call_id: Data | None = None


class HttpQuotes:
    """`ports.Quotes` over a provider's JSON-RPC.

    Both calls are reads: a quote has no effect until its calls are sent.
    """

    def __init__(self, client: Rpc) -> None:
        self._client = client

    async def quote(self, swap: Swap) -> QuotedSwap:
        """Request a quote. Raises: InvalidParams (quote_refused), Rejected (no_quote), Unavailable."""
        request = {**encode(Swap, swap), "returnRawCalls": True}
        answer = await self._client.read(
            "wallet_requestQuote_v0", [request], map_error=_map_quote_error, unbatched=True
        )
        found = self._client.decode_result(_Answer, answer)
        if found.chain_id != swap.chain_id or any(call.to == swap.from_ for call in found.calls):
            raise _malformed_answer_error()
        if found.call_id is not None and not OWN_ID_BYTES < len(found.call_id) <= MAX_ID_BYTES:
            raise _malformed_answer_error()
        return QuotedSwap(quote=found.quote, calls=found.calls, call_id=found.call_id)

    async def outcome(self, call_id: Data) -> SwapOutcome:
        """Return the status of a cross-chain swap. Raises: UnknownBundle, Unavailable."""
        answer = await self._client.read(
            "wallet_getCrossChainStatus_v0", [call_id.hex0x()], map_error=_map_outcome_error, unbatched=True
        )
        kind: Any = SwapOutcome
        found: SwapOutcome = self._client.decode_result(kind, answer)
        return found


def _malformed_answer_error() -> Unavailable:
    return Unavailable(f"the {QUOTE_PROVIDER} returned a malformed response", part=QUOTE_PROVIDER)


def _unavailable_error(error: ErrorObject) -> Unavailable:
    return Unavailable(f"the {QUOTE_PROVIDER} returned an error", part=QUOTE_PROVIDER, upstreamCode=error.code)


def _map_quote_error(error: ErrorObject) -> WalletError:
    """Map an error of the quote method, which defines no codes: all but the general ones mean "no quote"."""
    match error.code:
        case -32602:
            return InvalidParams(f"the {QUOTE_PROVIDER} rejected the swap's parameters", reason="quote_refused")
        case -32700 | -32600 | -32601 | -32603 | -32005:
            return _unavailable_error(error)
        case _:
            return Rejected(
                f"the {QUOTE_PROVIDER} has no quote for the swap", reason="no_quote", upstreamCode=error.code
            )


def _map_outcome_error(error: ErrorObject) -> WalletError:
    if error.code in {-32602, 5730}:
        return UnknownBundle(f"the {QUOTE_PROVIDER} has no swap with this id")
    return _unavailable_error(error)

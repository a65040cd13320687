"""A quote provider: a JSON-RPC server that answers the Wallet API's two methods for swaps with raw calls.

The rule: an answer that is not for what was asked is malformed, as is one whose calls would change the account itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from wallet_rpc.adapters.client import Fault
from wallet_rpc.adapters.limits import Limits
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.quote import Quote, QuotedSwap, Swap, SwapOutcome
from wallet_rpc.errors import InvalidParams, Rejected, Unavailable, UnknownBundle, WalletError
from wallet_rpc.primitives import ChainId, Data
from wallet_rpc.wire import encode, shape

PART = "quote provider"
"""What errors call it."""
LIMITS = Limits(answer_bytes=1 << 20)
"""Of one provider: ten seconds for all attempts, and a mebibyte of calls."""
MOST_CALLS = 100
"""How many calls a swap may take; an approval and a trade are two."""
MOST_ID_BYTES = 1024
"""How long the id of a swap may be."""
OWN_ID_BYTES = 64
"""How long the ids of this server's calls are; those of swaps between chains are longer, to be told apart."""


@shape
class _Answer:
    raw_calls: Literal[True]
    chain_id: ChainId
    quote: Quote
    calls: Annotated[tuple[Call, ...], Field(min_length=1, max_length=MOST_CALLS)]
    call_id: Data | None = None


class HttpQuotes:
    """`ports.Quotes` over a provider's JSON-RPC. Both are reads: a quote binds nobody until its calls are sent."""

    def __init__(self, client: Rpc) -> None:
        self._client = client

    async def quote(self, swap: Swap) -> QuotedSwap:
        """Raises: InvalidParams (quote_refused), Rejected (no_quote), Unavailable."""
        asked = {**encode(Swap, swap), "returnRawCalls": True}
        answer = await self._client.read("wallet_requestQuote_v0", [asked], refused=_no_quote, alone=True)
        found = self._client.answered(_Answer, answer)
        if found.chain_id != swap.chain_id or any(call.to == swap.from_ for call in found.calls):
            raise _malformed()
        if found.call_id is not None and not OWN_ID_BYTES < len(found.call_id) <= MOST_ID_BYTES:
            raise _malformed()
        return QuotedSwap(quote=found.quote, calls=found.calls, call_id=found.call_id)

    async def outcome(self, call_id: Data) -> SwapOutcome:
        """Raises: UnknownBundle, Unavailable."""
        answer = await self._client.read(
            "wallet_getCrossChainStatus_v0", [call_id.hex0x()], refused=_no_outcome, alone=True
        )
        kind: Any = SwapOutcome
        found: SwapOutcome = self._client.answered(kind, answer)
        return found


def _malformed() -> Unavailable:
    return Unavailable(f"the {PART} gave a malformed answer", part=PART)


def _silent(fault: Fault) -> Unavailable:
    return Unavailable(f"the {PART} refused to answer", part=PART, upstreamCode=fault.code)


def _no_quote(fault: Fault) -> WalletError:
    """The method says no codes of its own, so all but the general ones mean that there is no such swap."""
    match fault.code:
        case -32602:
            return InvalidParams(f"the {PART} does not accept the swap as it stands", reason="quote_refused")
        case -32700 | -32600 | -32601 | -32603 | -32005:
            return _silent(fault)
        case _:
            return Rejected(f"the {PART} has no quote for the swap", reason="no_quote", upstreamCode=fault.code)


def _no_outcome(fault: Fault) -> WalletError:
    if fault.code in {-32602, 5730}:
        return UnknownBundle(f"the {PART} knows no swap of this id")
    return _silent(fault)

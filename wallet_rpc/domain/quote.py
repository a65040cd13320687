"""Swaps: the request to a quote provider, its response, and the status of a sent swap.

Source: the Wallet API's `wallet_requestQuote_v0` and `wallet_getCrossChainStatus_v0`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.receipt import CallReceipt
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, ChainId, Data, NonZeroAddress, Seconds, Uint256, Wei
from wallet_rpc.wire import shape

WHOLE_SLIPPAGE = 10_000
"""The whole price, in basis points."""


@shape
class Swap:
    """A requested swap. Either the sold amount or the minimum of the bought amount is fixed."""

    chain_id: ChainId
    to_chain_id: ChainId | None = None
    """Absent: the same chain."""
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    from_token: Address
    to_token: Address
    from_amount: Wei | None = None
    """The sold amount. Both amounts are in the smallest unit of their token."""
    minimum_to_amount: Wei | None = None
    slippage: Uint256 | None = None
    """Maximum deterioration of the price, in basis points."""

    def check(self) -> None:
        """Check the amounts and the slippage.

        Raises: InvalidParams unless exactly one amount is fixed, and when the slippage exceeds the whole price.
        """
        if (self.from_amount is None) == (self.minimum_to_amount is None):
            given = "neither" if self.from_amount is None else "both"
            raise InvalidParams(
                f"expected either fromAmount or minimumToAmount, got {given}",
                field="params.fromAmount",
                reason="swap_amount",
            )
        if self.slippage is not None and self.slippage > WHOLE_SLIPPAGE:
            raise InvalidParams(
                f"expected at most {WHOLE_SLIPPAGE:#x} ({WHOLE_SLIPPAGE} basis points), got {self.slippage:#x}",
                field="params.slippage",
                reason="slippage_too_high",
            )


@shape
class Quote:
    """The sold amount and the minimum of the bought amount, in the tokens' smallest units, and the quote's expiry."""

    from_amount: Wei
    minimum_to_amount: Wei
    expiry: Seconds
    """Unix time."""


@shape
class QuotedSwap:
    """A quote, the calls that execute it, and for a swap across chains the id for its status."""

    quote: Quote
    calls: tuple[Call, ...]
    call_id: Data | None = None


SwapStatus: TypeAlias = Literal[100, 110, 115, 116, 120, 200, 400, 410, 500, 600]
"""Status codes of `wallet_getCallsStatus`; also 120: confirmed on the origin chain, 410: failed and refunded."""


@shape
class SwapTransaction:
    """The transaction of a swap on one chain."""

    chain_id: ChainId
    status: SwapStatus
    receipt: CallReceipt | None = None


@shape
class SameChainSwap:
    """The status of a swap within one chain."""

    type: Literal["same-chain"] = "same-chain"
    id: Data
    status: SwapStatus
    origin_transaction: SwapTransaction | None = None


@shape
class CrossChainSwap:
    """The status of a swap between two chains."""

    type: Literal["cross-chain"] = "cross-chain"
    id: Data
    status: SwapStatus
    origin_transaction: SwapTransaction | None = None
    destination_transaction: SwapTransaction | None = None


SwapOutcome: TypeAlias = Annotated[SameChainSwap | CrossChainSwap, Field(discriminator="type")]
"""The status of a swap."""

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
    """Chain on which the token is sold."""
    to_chain_id: ChainId | None = None
    """Absent: the same chain."""
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    """Account that swaps."""
    from_token: Address
    """Token to sell; `0xEeee…` is the chain's native token."""
    to_token: Address
    """Token to buy; `0xEeee…` is the chain's native token."""
    from_amount: Wei | None = None
    """The sold amount. Both amounts are in the smallest unit of their token."""
    minimum_to_amount: Wei | None = None
    """Minimum of the bought amount. Exactly one of the two amounts is given."""
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
    """Sold amount in the token's smallest unit."""
    minimum_to_amount: Wei
    """Smallest bought amount that the swap's calls accept, in the token's smallest unit."""
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
    """Chain of the transaction."""
    status: SwapStatus
    """Status code of this transaction."""
    receipt: CallReceipt | None = None
    """Receipt of the transaction, once it is in a block."""


@shape
class SameChainSwap:
    """The status of a swap within one chain."""

    type: Literal["same-chain"] = "same-chain"
    """Kind of swap: both tokens on one chain."""
    id: Data
    """Id of the swap in the request."""
    status: SwapStatus
    """100 pending, 110 or 115 on chain but not final, 200 confirmed, 400 not sent, 410 refunded, 500 reverted."""
    origin_transaction: SwapTransaction | None = None
    """Transaction of the swap, as far as the provider knows it."""


@shape
class CrossChainSwap:
    """The status of a swap between two chains."""

    type: Literal["cross-chain"] = "cross-chain"
    """Kind of swap: from one chain to another."""
    id: Data
    """Id of the swap in the request."""
    status: SwapStatus
    """100 pending, 120 confirmed on the origin chain, 200 confirmed on both, 410 failed and refunded, 500 reverted."""
    origin_transaction: SwapTransaction | None = None
    """Transaction that sells the token, on the chain of the request."""
    destination_transaction: SwapTransaction | None = None
    """Transaction that delivers the bought token, on the other chain."""


SwapOutcome: TypeAlias = Annotated[
    SameChainSwap | CrossChainSwap, Field(discriminator="type", description="Progress of a swap, by its kind.")
]
"""The status of a swap."""

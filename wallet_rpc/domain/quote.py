"""Swaps: what is asked of a quote provider, what it answers, and how a swap that was sent ended.

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
"""All of the price, in basis points."""


@shape
class Swap:
    """What an account gives and wants; either what it gives or the least it wants is fixed."""

    chain_id: ChainId
    to_chain_id: ChainId | None = None
    """Absent: the same chain."""
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    from_token: Address
    to_token: Address
    from_amount: Wei | None = None
    """In the token's smallest unit, as is the other."""
    minimum_to_amount: Wei | None = None
    slippage: Uint256 | None = None
    """How much worse the price may get, in basis points."""

    def check(self) -> None:
        """Raises: InvalidParams when not exactly one amount is fixed, or the slippage is more than the whole price."""
        if (self.from_amount is None) == (self.minimum_to_amount is None):
            given = "neither" if self.from_amount is None else "both"
            raise InvalidParams(
                f"params: expected either fromAmount or minimumToAmount, got {given}",
                field="params.fromAmount",
                reason="swap_amount",
            )
        if self.slippage is not None and self.slippage > WHOLE_SLIPPAGE:
            raise InvalidParams(
                f"params.slippage: expected at most {WHOLE_SLIPPAGE} basis points (0x2710)",
                field="params.slippage",
                reason="slippage_too_high",
            )


@shape
class Quote:
    """What the swap costs and brings, in the tokens' smallest units, and until when."""

    from_amount: Wei
    minimum_to_amount: Wei
    expiry: Seconds
    """Unix time."""


@shape
class QuotedSwap:
    """A quote, the calls by which the account takes it, and across chains the id to ask for the outcome."""

    quote: Quote
    calls: tuple[Call, ...]
    call_id: Data | None = None


SwapStatus: TypeAlias = Literal[100, 110, 115, 116, 120, 200, 400, 410, 500, 600]
"""As of `wallet_getCallsStatus`; 120: confirmed where it began, 410: failed and refunded."""


@shape
class SwapTransaction:
    """One end of a swap."""

    chain_id: ChainId
    status: SwapStatus
    receipt: CallReceipt | None = None


@shape
class SameChainSwap:
    """How a swap within a chain stands."""

    type: Literal["same-chain"] = "same-chain"
    id: Data
    status: SwapStatus
    origin_transaction: SwapTransaction | None = None


@shape
class CrossChainSwap:
    """How a swap between chains stands."""

    type: Literal["cross-chain"] = "cross-chain"
    id: Data
    status: SwapStatus
    origin_transaction: SwapTransaction | None = None
    destination_transaction: SwapTransaction | None = None


SwapOutcome: TypeAlias = Annotated[SameChainSwap | CrossChainSwap, Field(discriminator="type")]
"""How a swap stands."""

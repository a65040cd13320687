"""The tokens that an account needs for its gas, whatever it has now, and the refusals that name them.

An estimate in which nothing is taken succeeds for an account without tokens, and does not depend on what it holds. With
the gas that taking adds at most, and what the calls themselves transfer, it gives an amount that suffices: an account
that is topped up to it is served.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.permit import build_approval, sum_transfers, zero_out_transfers
from wallet_rpc.domain.prepared import FeePayment
from wallet_rpc.domain.token_charge import max_erc20_cost, wei_to_erc20
from wallet_rpc.domain.token_gas import ERC20_PATH, Mode, PermitContext
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import Rejected
from wallet_rpc.primitives import Address
from wallet_rpc.services.erc20_gas_quote import TokenQuote
from wallet_rpc.services.sponsorship import (
    ExtraGas,
    SponsoredOperation,
    await_sponsorship,
    estimate_gas_limits,
    with_paymaster,
)
from wallet_rpc.services.user_operation_builder import Preparation, with_calls_of

AMOUNTS_GAS = 2_200
"""What two amounts of 32 bytes cost more in call data than zeros: 30 gas a byte (EIP-7623), and a bundler's margin."""
TAKING_GAS = 40_000
"""What a transfer before the calls costs more than one of nothing: three new words of storage at most."""
MOVING_GAS = 40_000
"""The same for a transfer among the calls."""
STEP_GAS = 1_000
"""preVerificationGas of a need is a multiple of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Payment:
    """How an account pays: by the calls of `task`, an approval in front of them included, to the offering paymaster."""

    preparation: Preparation
    quote: TokenQuote
    mode: Mode
    expected_allowance: int | None = None
    """The allowance that will be there; None: the calls may change it."""
    permit: PermitContext | None = None
    provisional_amount: int | None = None
    """The approval in front of the calls stands for one of exactly the most, and is of so much."""

    @property
    def transferred_amount(self) -> int:
        """The units of the token that the calls transfer."""
        return sum_transfers(self.preparation.calls, self.quote.request.token_address)

    def preparation_for(self, most: int) -> Preparation:
        """The task as it is signed: an exact approval is of `most`, and left out where as much is allowed already."""
        if self.provisional_amount is None:
            return self.preparation
        bare = replace(self.preparation, calls=self.preparation.calls[1:])
        return bare if self.quote.allowance >= most else add_approval(bare, self.quote, most)

    @property
    def requires_balance(self) -> bool:
        """Whether the account must have the tokens before its calls."""
        settings = self.quote.request.post_op_settings
        return settings is None or settings.balance_check is None


def add_approval(preparation: Preparation, quote: TokenQuote, amount: int) -> Preparation:
    """The task with an approval in front of its calls."""
    return replace(
        preparation, calls=(build_approval(quote.request.token_address, quote.paymaster, amount), *preparation.calls)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Need:
    """An operation's limits when nothing is known of the account's tokens, and what it takes of them."""

    operation: UserOperation
    calls: tuple[Call, ...]
    most: int
    """The most that gas can cost, in the token's smallest unit."""
    transferred_amount: int
    """What the calls transfer of the same token."""

    def to_sponsored_operation(self, token: Address) -> SponsoredOperation:
        """As a mere estimate answers it."""
        fee = FeePayment(sponsored=False, token_address=token, max_amount=self.most)
        return SponsoredOperation(operation=self.operation, calls=self.calls, fee=fee)


async def estimate_need(payment: Erc20Payment, draft: UserOperation) -> Erc20Need:
    """What the operation needs. Raises: ExecutionReverted, ValidationReverted when its calls revert by themselves."""
    task, token = payment.preparation, payment.quote.request.token_address
    still = replace(task, calls=zero_out_transfers(task.calls, token))
    changed = sum(one != other for one, other in zip(task.calls, still.calls, strict=True))
    more = ExtraGas(
        pre_verification=AMOUNTS_GAS,
        call=MOVING_GAS * changed,
        paymaster_verification=TAKING_GAS if payment.mode == "preOp" else 0,
    )
    sized = _round_pre_verification_gas(
        payment, await estimate_with_stub(replace(payment, preparation=still), draft, most=0, extra=more)
    )
    most = max_erc20_cost(sized, payment.quote.rate)
    final = payment.preparation_for(most)
    return Erc20Need(
        operation=with_calls_of(final, sized),
        calls=final.calls,
        most=most,
        transferred_amount=payment.transferred_amount,
    )


def _round_pre_verification_gas(payment: Erc20Payment, sized: UserOperation) -> UserOperation:
    """With preVerificationGas in whole steps: asked a moment later, a time in the paymaster's data has other bytes."""
    overrides = payment.preparation.capabilities.gas_params_override
    if overrides is not None and overrides.pre_verification_gas is not None:
        return sized
    return replace(sized, pre_verification_gas=-(-sized.pre_verification_gas // STEP_GAS) * STEP_GAS)


def margin_of(payment: Erc20Payment, sized: UserOperation) -> int:
    """More tokens than a need exceeds the cost of limits that were found by taking."""
    gas = STEP_GAS + AMOUNTS_GAS + TAKING_GAS + MOVING_GAS * len(payment.preparation.calls)
    return wei_to_erc20(gas * sized.max_fee_per_gas, payment.quote.rate)


async def estimate_with_stub(
    payment: Erc20Payment, draft: UserOperation, *, most: int | None, extra: ExtraGas | None = None
) -> UserOperation:
    """The operation with its limits and a stub of the paymaster, which takes `most` at most.

    What the service says the last transfer needs is the least: the estimate is of calls that succeed, and these may
    leave the token's storage cheaper than calls that revert.
    """
    offer, draft = payment.quote, with_calls_of(payment.preparation, draft)
    stub = await await_sponsorship(
        offer.service.stub(draft, offer.build_context(payment.mode, most, payment.permit)), offer.policy
    )
    sized = await estimate_gas_limits(payment.preparation, with_paymaster(draft, stub), extra)
    overrides, part = payment.preparation.capabilities.gas_params_override, sized.paymaster
    if part is None or (overrides is not None and overrides.paymaster_post_op_gas_limit is not None):
        return sized
    least = max(part.post_op_gas_limit, stub.post_op_gas_limit or 0)
    return replace(sized, paymaster=replace(part, post_op_gas_limit=least))


def refuse_small_max_amount(payment: Erc20Payment, *, most: int, sufficient: int) -> None:
    """Raises: Rejected (max_token_amount_exceeded) when less than `most` is offered; `named` is what suffices."""
    ceiling, token = payment.quote.request.max_token_amount, payment.quote.request.token_address
    if ceiling is not None and ceiling < most:
        raise Rejected(
            f"precheck failed: {ERC20_PATH}.maxTokenAmount is {ceiling}, but the operation may cost {sufficient} of "
            f"{token}",
            reason="max_token_amount_exceeded",
            field=f"{ERC20_PATH}.maxTokenAmount",
        )


def refuse_small_balance(payment: Erc20Payment, need: Erc20Need) -> None:
    """Raises: Rejected (insufficient_token_balance) when the account has less than it needs."""
    offer, most = payment.quote, need.most + need.transferred_amount
    if offer.balance < most:
        moved = "" if need.transferred_amount == 0 else f", {need.transferred_amount} of which its calls transfer"
        raise Rejected(
            f"precheck failed: sender has {offer.balance} of the token {offer.request.token_address} but must have at "
            f"least {most} to pay for this operation{moved}",
            reason="insufficient_token_balance",
        )


def refuse_small_allowance(payment: Erc20Payment, *, allowance: int, most: int, sufficient: int) -> None:
    """Raises: Rejected (insufficient_token_allowance) when less than `most` is allowed; `named` is what suffices."""
    offer = payment.quote
    if allowance < most:
        raise Rejected(
            f"precheck failed: the allowance of {offer.request.token_address} for the paymaster {offer.paymaster} is "
            f"{allowance} but must be at least {sufficient} to pay for this operation",
            reason="insufficient_token_allowance",
        )

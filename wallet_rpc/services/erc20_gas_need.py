"""The tokens that an account needs to pay gas in ERC-20, independent of its balance, and the errors with that amount.

The computation starts with an estimate in which the paymaster charges nothing, so that it succeeds even without tokens.
It adds the maximum gas of the charge, and the tokens that the calls transfer. An account with that amount is accepted.
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
"""Extra gas of two nonzero 32-byte amounts in call data: 30 gas per byte (EIP-7623), and a bundler's margin."""
TAKING_GAS = 40_000
"""Extra gas of a charge before the calls, compared with a charge of zero: at most three new storage slots."""
MOVING_GAS = 40_000
"""Extra gas of each token transfer by the calls, compared with a transfer of zero: at most three new storage slots."""
STEP_GAS = 1_000
"""Step size in gas; the preVerificationGas of an `Erc20Need` is rounded up to a whole number of steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Payment:
    """A planned payment in ERC-20: the calls, with any approval before them, the paymaster's quote and the mode."""

    preparation: Preparation
    quote: TokenQuote
    mode: Mode
    expected_allowance: int | None = None
    """The allowance at the time of the charge; None if it is unknown because the calls may change it."""
    permit: PermitContext | None = None
    provisional_amount: int | None = None
    """The amount of a provisional approval before the calls, to be replaced by one of exactly the maximum amount."""

    @property
    def transferred_amount(self) -> int:
        """The amount that the calls transfer, in the token's smallest unit."""
        return sum_transfers(self.preparation.calls, self.quote.request.token_address)

    def preparation_for(self, max_amount: int) -> Preparation:
        """Return the preparation to sign: a provisional approval becomes one of `max_amount`.

        The approval is left out if the allowance suffices already.
        """
        if self.provisional_amount is None:
            return self.preparation
        bare = replace(self.preparation, calls=self.preparation.calls[1:])
        return bare if self.quote.allowance >= max_amount else add_approval(bare, self.quote, max_amount)

    @property
    def requires_balance(self) -> bool:
        """True if the account must have the tokens before its calls."""
        settings = self.quote.request.post_op_settings
        return settings is None or settings.balance_check is None


def add_approval(preparation: Preparation, quote: TokenQuote, amount: int) -> Preparation:
    """Return the preparation with an approval before its calls."""
    return replace(
        preparation, calls=(build_approval(quote.request.token_address, quote.paymaster, amount), *preparation.calls)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Need:
    """An operation with gas limits that do not depend on the account's balance, and the tokens that it needs."""

    operation: UserOperation
    calls: tuple[Call, ...]
    max_amount: int
    """The maximum cost of gas, in the token's smallest unit."""
    transferred_amount: int
    """The amount that the calls transfer, in the token's smallest unit."""

    def to_sponsored_operation(self, token: Address) -> SponsoredOperation:
        """Return the response of a request for an estimate only."""
        fee = FeePayment(sponsored=False, token_address=token, max_amount=self.max_amount)
        return SponsoredOperation(operation=self.operation, calls=self.calls, fee=fee)


async def estimate_need(payment: Erc20Payment, draft: UserOperation) -> Erc20Need:
    """Estimate the gas limits, and compute the tokens that the account needs for gas and transfers.

    The estimate runs without a charge and with token transfers of zero, so the account's balance does not matter.

    Raises: ExecutionReverted or ValidationReverted when the operation reverts even so.
    """
    preparation = payment.preparation
    calls = zero_out_transfers(preparation.calls, payment.quote.request.token_address)
    transfer_count = sum(one != other for one, other in zip(preparation.calls, calls, strict=True))
    extra = ExtraGas(
        pre_verification=AMOUNTS_GAS,
        call=MOVING_GAS * transfer_count,
        paymaster_verification=TAKING_GAS if payment.mode == "preOp" else 0,
    )
    without_transfers = replace(payment, preparation=replace(preparation, calls=calls))
    estimated = _round_pre_verification_gas(
        payment, await estimate_with_stub(without_transfers, draft, max_amount=0, extra=extra)
    )
    max_amount = max_erc20_cost(estimated, payment.quote.rate)
    final = payment.preparation_for(max_amount)
    return Erc20Need(
        operation=with_calls_of(final, estimated),
        calls=final.calls,
        max_amount=max_amount,
        transferred_amount=payment.transferred_amount,
    )


def _round_pre_verification_gas(payment: Erc20Payment, estimated: UserOperation) -> UserOperation:
    """Round preVerificationGas up to whole steps.

    Otherwise it would vary between requests, because the timestamp in the paymaster's data changes every second.
    """
    overrides = payment.preparation.capabilities.gas_params_override
    if overrides is not None and overrides.pre_verification_gas is not None:
        return estimated
    return replace(estimated, pre_verification_gas=-(-estimated.pre_verification_gas // STEP_GAS) * STEP_GAS)


def margin_of(payment: Erc20Payment, estimated: UserOperation) -> int:
    """Return an upper bound, in tokens, of the difference between an `Erc20Need` and the cost of the usual estimate."""
    gas = STEP_GAS + AMOUNTS_GAS + TAKING_GAS + MOVING_GAS * len(payment.preparation.calls)
    return wei_to_erc20(gas * estimated.max_fee_per_gas, payment.quote.rate)


async def estimate_with_stub(
    payment: Erc20Payment, draft: UserOperation, *, max_amount: int | None, extra: ExtraGas | None = None
) -> UserOperation:
    """Estimate the gas limits with a stub of the paymaster that charges at most `max_amount`.

    The service's own postOp limit is the minimum. In the estimate the calls succeed, and the final transfer may then
    need less gas than after calls that revert.
    """
    quote = payment.quote
    draft = with_calls_of(payment.preparation, draft)
    context = quote.build_context(payment.mode, max_amount, payment.permit)
    stub = await await_sponsorship(quote.service.stub(draft, context), quote.policy)
    estimated = await estimate_gas_limits(payment.preparation, with_paymaster(draft, stub), extra)
    overrides = payment.preparation.capabilities.gas_params_override
    part = estimated.paymaster
    if part is None or (overrides is not None and overrides.paymaster_post_op_gas_limit is not None):
        return estimated
    post_op_gas_limit = max(part.post_op_gas_limit, stub.post_op_gas_limit or 0)
    return replace(estimated, paymaster=replace(part, post_op_gas_limit=post_op_gas_limit))


def refuse_small_max_amount(payment: Erc20Payment, *, max_amount: int, sufficient: int) -> None:
    """Raise Rejected (max_token_amount_exceeded) when `maxTokenAmount` is below `max_amount`.

    The error names `sufficient` as the amount to send.
    """
    limit = payment.quote.request.max_token_amount
    token = payment.quote.request.token_address
    if limit is not None and limit < max_amount:
        raise Rejected(
            f"expected at least {sufficient} of {token}, which the operation may cost, got {limit}",
            field=f"{ERC20_PATH}.maxTokenAmount",
            reason="max_token_amount_exceeded",
        )


def refuse_small_balance(payment: Erc20Payment, need: Erc20Need) -> None:
    """Raise Rejected (insufficient_token_balance) when the account's balance is below its need."""
    quote = payment.quote
    required = need.max_amount + need.transferred_amount
    if quote.balance < required:
        transferred = f", {need.transferred_amount} of which its calls transfer" if need.transferred_amount else ""
        raise Rejected(
            f"precheck failed: sender has {quote.balance} of the token {quote.request.token_address} but must have at "
            f"least {required} to pay for this operation{transferred}",
            reason="insufficient_token_balance",
        )


def refuse_small_allowance(payment: Erc20Payment, *, allowance: int, max_amount: int, sufficient: int) -> None:
    """Raise Rejected (insufficient_token_allowance) when the allowance is below `max_amount`.

    The error names `sufficient` as the allowance to set.
    """
    quote = payment.quote
    if allowance < max_amount:
        raise Rejected(
            f"precheck failed: the allowance of {quote.request.token_address} for the paymaster {quote.paymaster} is "
            f"{allowance} but must be at least {sufficient} to pay for this operation",
            reason="insufficient_token_allowance",
        )

"""Gas paid in ERC-20: find a paymaster, check allowance and balance, estimate gas limits, and get the sponsorship.

The paymaster may charge up to `max_amount`, the cost of all gas limits at the maximum fee; it charges the actual cost.
The server signs nothing: the paymaster service (ERC-7677) quotes, and its contract enforces the quote. The tokens that
an account needs are computed independently of its balance (`erc20_gas_need`), so that an error names a sufficient
amount.
"""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.domain.prepared import FeePayment, Signature
from wallet_rpc.domain.token_charge import max_erc20_cost, wei_to_erc20
from wallet_rpc.domain.token_gas import AutoApprove, AutoPermit, Erc20Gas, PermitDetails
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, Rejected, ValidationReverted
from wallet_rpc.services.erc20_gas_need import (
    Erc20Need,
    Erc20Payment,
    add_approval,
    estimate_need,
    estimate_with_stub,
    margin_of,
    refuse_small_allowance,
    refuse_small_balance,
    refuse_small_max_amount,
)
from wallet_rpc.services.erc20_gas_quote import TokenQuote, find_token_quote
from wallet_rpc.services.erc20_permit import RequiredPermit, build_required_permit, verify_permit
from wallet_rpc.services.sponsorship import SponsoredOperation, await_sponsorship, is_estimate_only, with_paymaster
from wallet_rpc.services.user_operation_builder import Preparation, with_calls_of

SENTINEL_GAS = 2_000_000
"""The gas whose price is charged or approved in an estimate; well above the gas of usual operations."""
MIN_GAS = 80_000
"""A lower bound of any operation's gas; an account that cannot pay for this gas is rejected before the estimate."""
_MAX_UINT256 = (1 << 256) - 1
_POST_OP_REVERTED = "AA50"


async def resolve_erc20_payment(
    preparation: Preparation, draft: UserOperation, request: Erc20Gas, permit: Signature | None
) -> SponsoredOperation | RequiredPermit:
    """Complete an operation whose account pays gas in ERC-20, or return the permit that the account must sign first.

    Raises: UnsupportedCapability, SponsorshipFailed when no paymaster accepts the token; Rejected when the account's
    balance, allowance or `maxTokenAmount` is too small.
    """
    quote = await find_token_quote(preparation, draft, request)
    if request.pre_op_settings is not None:
        payment = await _plan_pre_op(preparation, quote, permit)
        if isinstance(payment, RequiredPermit):
            return payment
    else:
        payment = _plan_post_op(preparation, draft, quote)
    if is_estimate_only(preparation.capabilities):
        return (await estimate_need(payment, draft)).to_sponsored_operation(request.token_address)
    return await _estimate_checked(payment, draft)


async def _plan_pre_op(
    preparation: Preparation, quote: TokenQuote, signature: Signature | None
) -> Erc20Payment | RequiredPermit:
    """Plan a payment of the maximum amount before the calls, by the existing allowance or by a permit."""
    token, settings = quote.request.token_address, quote.request.pre_op_settings
    match None if settings is None else settings.permit_details or settings.auto_permit:
        case PermitDetails() as details:
            permit = await verify_permit(preparation, token, quote.paymaster, details, signature)
            return Erc20Payment(
                preparation=preparation, quote=quote, mode="preOp", expected_allowance=details.value, permit=permit
            )
        case AutoPermit() as auto if quote.allowance < auto.below and not is_estimate_only(preparation.capabilities):
            return await build_required_permit(preparation, token, quote.paymaster, auto)
        case _:
            return Erc20Payment(preparation=preparation, quote=quote, mode="preOp", expected_allowance=quote.allowance)


def _plan_post_op(preparation: Preparation, draft: UserOperation, quote: TokenQuote) -> Erc20Payment:
    """Plan a payment of the cost after the calls, by an existing allowance or by an approval before the calls."""
    match None if quote.request.post_op_settings is None else quote.request.post_op_settings.auto_approve:
        case AutoApprove(below=below, amount=amount):
            if quote.allowance >= below:
                return Erc20Payment(
                    preparation=preparation, quote=quote, mode="postOp", expected_allowance=quote.allowance
                )
            return Erc20Payment(
                preparation=add_approval(preparation, quote, amount),
                quote=quote,
                mode="postOp",
                expected_allowance=amount,
            )
        case True:
            amount = _tokens_for_gas(SENTINEL_GAS, draft, quote)
            return Erc20Payment(
                preparation=add_approval(preparation, quote, amount),
                quote=quote,
                mode="postOp",
                provisional_amount=amount,
            )
        case None:
            return Erc20Payment(preparation=preparation, quote=quote, mode="postOp")


async def _estimate_checked(payment: Erc20Payment, draft: UserOperation) -> SponsoredOperation:
    """Estimate the gas limits with the token transfer included, check the account's funds, and get the sponsorship.

    Raises: Rejected that names the balance, allowance or `maxTokenAmount` that is too small, and a sufficient amount.
    """
    need: Erc20Need | None = None
    if payment.requires_balance and payment.quote.balance < _tokens_for_gas(MIN_GAS, draft, payment.quote):
        need = await estimate_need(payment, draft)
        refuse_small_balance(payment, need)
    try:
        estimated = await _estimate_with_transfer(payment, draft)
    except (ExecutionReverted, ValidationReverted) as reverted:
        if _is_failed_payment(reverted):
            _refuse_shortage(payment, await estimate_need(payment, draft) if need is None else need)
        raise
    max_amount = max_erc20_cost(estimated, payment.quote.rate)
    if need is None and not _is_certainly_sufficient(payment, estimated, max_amount):
        need = await estimate_need(payment, draft)
    if need is not None:
        if payment.requires_balance:
            refuse_small_balance(payment, need)
        refuse_small_max_amount(payment, max_amount=max_amount, sufficient=max(max_amount, need.max_amount))
        if payment.expected_allowance is not None:
            refuse_small_allowance(
                payment,
                allowance=payment.expected_allowance,
                max_amount=max_amount,
                sufficient=max(max_amount, need.max_amount),
            )
    return await _request_sponsorship(payment, estimated)


async def _estimate_with_transfer(payment: Erc20Payment, draft: UserOperation) -> UserOperation:
    """Estimate gas limits that suffice for the paymaster's token transfer.

    The first estimate charges, or approves, the price of `SENTINEL_GAS` instead of the whole balance, which leaves the
    other tokens to the calls. Only an operation that may cost more is estimated again.
    """
    quote = payment.quote
    payable = _max_pre_op_amount(payment)
    usual = _tokens_for_gas(SENTINEL_GAS, draft, quote)
    estimated = await estimate_with_stub(payment, draft, max_amount=None if payable is None else min(usual, payable))
    max_amount = max_erc20_cost(estimated, quote.rate)
    if max_amount <= usual or (payable is None and payment.provisional_amount is None):
        return estimated
    doubled = min(2 * max_amount, _MAX_UINT256)
    if payment.provisional_amount is not None:
        payment = replace(payment, preparation=payment.preparation_for(doubled))
    return await estimate_with_stub(payment, draft, max_amount=None if payable is None else min(doubled, payable))


def _tokens_for_gas(gas: int, draft: UserOperation, quote: TokenQuote) -> int:
    return wei_to_erc20(gas * draft.max_fee_per_gas, quote.rate)


def _max_pre_op_amount(payment: Erc20Payment) -> int | None:
    """Return the maximum amount of a charge before the calls; None for one after the calls, which depends on them."""
    if payment.mode == "postOp" or payment.expected_allowance is None:
        return None
    return payment.quote.max_payable(payment.expected_allowance)


def _is_certainly_sufficient(payment: Erc20Payment, estimated: UserOperation, max_amount: int) -> bool:
    """Return True when balance, allowance and `maxTokenAmount` certainly suffice, without computing the exact need."""
    sufficient = max_amount + margin_of(payment, estimated)
    limits = (payment.expected_allowance, payment.quote.request.max_token_amount)
    available = [amount for amount in limits if amount is not None]
    if payment.requires_balance:
        available.append(payment.quote.balance - payment.transferred_amount)
    return min(available, default=sufficient) >= sufficient


def _is_failed_payment(reverted: ExecutionReverted | ValidationReverted) -> bool:
    """Return True when the paymaster's token transfer failed.

    The signs are the entry point's error for postOp, and a revert with empty data: reverting calls usually give a
    reason.
    """
    if isinstance(reverted, ExecutionReverted):
        return reverted.is_empty
    return reverted.entry_point == _POST_OP_REVERTED


def _refuse_shortage(payment: Erc20Payment, need: Erc20Need) -> None:
    """Raise Rejected when the current balance or allowance is too small for the paymaster's token transfer."""
    refuse_small_balance(payment, need)
    if payment.provisional_amount is None:
        allowance = payment.quote.allowance if payment.expected_allowance is None else payment.expected_allowance
        refuse_small_allowance(payment, allowance=allowance, max_amount=need.max_amount, sufficient=need.max_amount)


async def _request_sponsorship(payment: Erc20Payment, estimated: UserOperation) -> SponsoredOperation:
    """Request the paymaster's signed data for the operation with its final gas limits.

    Raises: Rejected (token_price_changed) when the paymaster charges more than it quoted.
    """
    quote = payment.quote
    max_amount = max_erc20_cost(estimated, quote.rate)
    preparation = payment.preparation_for(max_amount)
    estimated = with_calls_of(preparation, estimated)
    limit = quote.request.max_token_amount if payment.mode == "postOp" else _max_pre_op_amount(payment)
    context = quote.build_context(payment.mode, limit, payment.permit)
    sponsorship = await await_sponsorship(quote.service.sponsor(estimated, context), quote.policy)
    if sponsorship.token is None or sponsorship.token.max_token_amount > max_amount:
        raise Rejected(
            f"the paymaster's price in {quote.request.token_address} changed during preparation; prepare the calls "
            "again",
            reason="token_price_changed",
        )
    fee = FeePayment(
        sponsored=False, token_address=quote.request.token_address, max_amount=sponsorship.token.max_token_amount
    )
    return SponsoredOperation(operation=with_paymaster(estimated, sponsorship), calls=preparation.calls, fee=fee)

"""Gas paid in a token: the allowance that is there or has to come, what may be taken, and whether that is there.

The rule: `most`, what every gas limit costs at the maximum fee, is what may be taken; what is taken is the cost.
Nothing is signed here; the paymaster service (ERC-7677) quotes, and its contract holds to the quote. What an account
needs is computed without looking at what it has (`erc20_gas_need`), so that a refusal names an amount that suffices.
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
"""The gas whose price is taken or approved in an estimate: well above most operations."""
MIN_GAS = 80_000
"""Less than any operation's limits: an account that cannot pay for this is told what it needs at once."""
_ALL = (1 << 256) - 1
_POST_OP_REVERTED = "AA50"


async def resolve_erc20_payment(
    preparation: Preparation, draft: UserOperation, request: Erc20Gas, permit: Signature | None
) -> SponsoredOperation | RequiredPermit:
    """Payer and limits of an operation whose account pays in a token.

    Raises: UnsupportedCapability, SponsorshipFailed when nobody takes the token; Rejected when the account has, allows
    or offers too little.
    """
    offer = await find_token_quote(preparation, draft, request)
    if request.pre_op_settings is not None:
        way = await _plan_pre_op(preparation, offer, permit)
        if isinstance(way, RequiredPermit):
            return way
    else:
        way = _plan_post_op(preparation, draft, offer)
    if is_estimate_only(preparation.capabilities):
        return (await estimate_need(way, draft)).to_sponsored_operation(request.token_address)
    return await _estimate_checked(way, draft)


async def _plan_pre_op(
    preparation: Preparation, quote: TokenQuote, signature: Signature | None
) -> Erc20Payment | RequiredPermit:
    """The most is taken before the calls: by the allowance there is, or by a permit."""
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
    """The cost is taken after the calls: by an allowance of before, or of an approval put in front of them."""
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
            much = _tokens_for_gas(SENTINEL_GAS, draft, quote)
            return Erc20Payment(
                preparation=add_approval(preparation, quote, much), quote=quote, mode="postOp", provisional_amount=much
            )
        case None:
            return Erc20Payment(preparation=preparation, quote=quote, mode="postOp")


async def _estimate_checked(payment: Erc20Payment, draft: UserOperation) -> SponsoredOperation:
    """Limits, found by taking what the account has, once it has what it needs.

    Raises: Rejected that names the balance, allowance or offer that is too small, and what suffices.
    """
    need: Erc20Need | None = None
    if payment.requires_balance and payment.quote.balance < _tokens_for_gas(MIN_GAS, draft, payment.quote):
        need = await estimate_need(payment, draft)
        refuse_small_balance(payment, need)
    try:
        sized = await _estimate_with_transfer(payment, draft)
    except (ExecutionReverted, ValidationReverted) as reverted:
        if _is_failed_payment(reverted):
            _refuse_shortage(payment, await estimate_need(payment, draft) if need is None else need)
        raise
    most = max_erc20_cost(sized, payment.quote.rate)
    if need is None and not _has_plenty(payment, sized, most):
        need = await estimate_need(payment, draft)
    if need is not None:
        if payment.requires_balance:
            refuse_small_balance(payment, need)
        refuse_small_max_amount(payment, most=most, sufficient=max(most, need.most))
        if payment.expected_allowance is not None:
            refuse_small_allowance(
                payment, allowance=payment.expected_allowance, most=most, sufficient=max(most, need.most)
            )
    return await _request_sponsorship(payment, sized)


async def _estimate_with_transfer(payment: Erc20Payment, draft: UserOperation) -> UserOperation:
    """The operation with limits that let the paymaster take its tokens.

    The estimate takes, or approves, the price of much gas; only an operation that may cost more is estimated again. So
    it leaves the calls the tokens that gas does not need.
    """
    offer, payable = payment.quote, _max_pre_op_amount(payment)
    much = _tokens_for_gas(SENTINEL_GAS, draft, offer)
    sized = await estimate_with_stub(payment, draft, most=None if payable is None else min(much, payable))
    most = max_erc20_cost(sized, offer.rate)
    if most <= much or (payable is None and payment.provisional_amount is None):
        return sized
    more = min(2 * most, _ALL)
    again = (
        payment if payment.provisional_amount is None else replace(payment, preparation=payment.preparation_for(more))
    )
    return await estimate_with_stub(again, draft, most=None if payable is None else min(more, payable))


def _tokens_for_gas(gas: int, draft: UserOperation, quote: TokenQuote) -> int:
    return wei_to_erc20(gas * draft.max_fee_per_gas, quote.rate)


def _max_pre_op_amount(payment: Erc20Payment) -> int | None:
    """The most that can be taken before the calls; None after them, where the calls decide."""
    return (
        None
        if payment.mode == "postOp" or payment.expected_allowance is None
        else payment.quote.max_payable(payment.expected_allowance)
    )


def _has_plenty(payment: Erc20Payment, sized: UserOperation, most: int) -> bool:
    """Whether balance, allowance and offer are beyond all doubt, so that the need is not to be computed."""
    plenty = most + margin_of(payment, sized)
    had = [
        amount for amount in (payment.expected_allowance, payment.quote.request.max_token_amount) if amount is not None
    ]
    had += [payment.quote.balance - payment.transferred_amount] if payment.requires_balance else []
    return min(had, default=plenty) >= plenty


def _is_failed_payment(reverted: ExecutionReverted | ValidationReverted) -> bool:
    """Whether the last transfer failed: the entry point's word says so, or no word at all, as calls have a reason."""
    is_silent = isinstance(reverted, ExecutionReverted) and reverted.facts.get("revert") in {None, "0x"}
    return is_silent or reverted.facts.get("entryPoint") == _POST_OP_REVERTED


def _refuse_shortage(payment: Erc20Payment, need: Erc20Need) -> None:
    """Raises: Rejected when the last transfer finds too little, as balance and allowance are now."""
    refuse_small_balance(payment, need)
    if payment.provisional_amount is None:
        allowed = payment.quote.allowance if payment.expected_allowance is None else payment.expected_allowance
        refuse_small_allowance(payment, allowance=allowed, most=need.most, sufficient=need.most)


async def _request_sponsorship(payment: Erc20Payment, sized: UserOperation) -> SponsoredOperation:
    """The paymaster's part, signed over the limits.

    Raises: Rejected when the paymaster asks for more than it said before.
    """
    offer, most = payment.quote, max_erc20_cost(sized, payment.quote.rate)
    task = payment.preparation_for(most)
    sized = with_calls_of(task, sized)
    offered = offer.request.max_token_amount if payment.mode == "postOp" else _max_pre_op_amount(payment)
    told = offer.build_context(payment.mode, offered, payment.permit)
    given = await await_sponsorship(offer.service.sponsor(sized, told), offer.policy)
    if given.token is None or given.token.max_token_amount > most:
        raise Rejected(
            f"the paymaster's price in {offer.request.token_address} has changed meanwhile; prepare the calls again",
            reason="token_price_changed",
        )
    fee = FeePayment(
        sponsored=False, token_address=offer.request.token_address, max_amount=given.token.max_token_amount
    )
    return SponsoredOperation(operation=with_paymaster(sized, given), calls=task.calls, fee=fee)

"""Gas paid in a token: the allowance that is there or has to come, what may be taken, and whether that is there.

The rule: `most`, what every gas limit costs at the maximum fee, is what may be taken; what is taken is the cost.
Nothing is signed here; the paymaster service (ERC-7677) quotes, and its contract holds to the quote. What an account
needs is computed without looking at what it has (`erc20_gas_need`), so that a refusal names an amount that suffices.
"""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.domain.prepared import FeePayment, Signature
from wallet_rpc.domain.token_charge import most_tokens, tokens_for
from wallet_rpc.domain.token_gas import AutoApprove, AutoPermit, PermitDetails, TokenGas
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, Rejected, ValidationReverted
from wallet_rpc.services.erc20_gas_need import (
    Need,
    Way,
    approving,
    margin_of,
    need_of,
    refuse_small_allowance,
    refuse_small_balance,
    refuse_small_offer,
    sized_by,
)
from wallet_rpc.services.erc20_gas_quote import Offer, offer_of
from wallet_rpc.services.erc20_permit import PermitNeeded, needed_permit, signed_permit
from wallet_rpc.services.sponsorship import Paid, answer_of, only_estimates, with_paymaster
from wallet_rpc.services.user_operation_builder import Task, with_calls_of

SENTINEL_GAS = 2_000_000
"""The gas whose price is taken or approved in an estimate: well above most operations."""
LEAST_GAS = 80_000
"""Less than any operation's limits: an account that cannot pay for this is told what it needs at once."""
_ALL = (1 << 256) - 1
_POST_OP_REVERTED = "AA50"


async def paid_in_token(
    task: Task, draft: UserOperation, asked: TokenGas, permit: Signature | None
) -> Paid | PermitNeeded:
    """Payer and limits of an operation whose account pays in a token.

    Raises: UnsupportedCapability, SponsorshipFailed when nobody takes the token; Rejected when the account has, allows
    or offers too little.
    """
    offer = await offer_of(task, draft, asked)
    if asked.pre_op_settings is not None:
        way = await _before(task, offer, permit)
        if isinstance(way, PermitNeeded):
            return way
    else:
        way = _after(task, draft, offer)
    if only_estimates(task.capabilities):
        return (await need_of(way, draft)).paid_in(asked.token_address)
    return await _checked(way, draft)


async def _before(task: Task, offer: Offer, signature: Signature | None) -> Way | PermitNeeded:
    """The most is taken before the calls: by the allowance there is, or by a permit."""
    token, settings = offer.asked.token_address, offer.asked.pre_op_settings
    match None if settings is None else settings.permit_details or settings.auto_permit:
        case PermitDetails() as details:
            permit = await signed_permit(task, token, offer.paymaster, details, signature)
            return Way(task=task, offer=offer, mode="preOp", allowed=details.value, permit=permit)
        case AutoPermit() as auto if offer.allowance < auto.below and not only_estimates(task.capabilities):
            return await needed_permit(task, token, offer.paymaster, auto)
        case _:
            return Way(task=task, offer=offer, mode="preOp", allowed=offer.allowance)


def _after(task: Task, draft: UserOperation, offer: Offer) -> Way:
    """The cost is taken after the calls: by an allowance of before, or of an approval put in front of them."""
    match None if offer.asked.post_op_settings is None else offer.asked.post_op_settings.auto_approve:
        case AutoApprove(below=below, amount=amount):
            if offer.allowance >= below:
                return Way(task=task, offer=offer, mode="postOp", allowed=offer.allowance)
            return Way(task=approving(task, offer, amount), offer=offer, mode="postOp", allowed=amount)
        case True:
            much = _price_of(SENTINEL_GAS, draft, offer)
            return Way(task=approving(task, offer, much), offer=offer, mode="postOp", stand_in=much)
        case None:
            return Way(task=task, offer=offer, mode="postOp")


async def _checked(way: Way, draft: UserOperation) -> Paid:
    """Limits, found by taking what the account has, once it has what it needs.

    Raises: Rejected that names the balance, allowance or offer that is too small, and what suffices.
    """
    need: Need | None = None
    if way.is_looked_at and way.offer.balance < _price_of(LEAST_GAS, draft, way.offer):
        need = await need_of(way, draft)
        refuse_small_balance(way, need)
    try:
        sized = await _taking(way, draft)
    except (ExecutionReverted, ValidationReverted) as reverted:
        if _is_of_last_transfer(reverted):
            _refuse_short(way, await need_of(way, draft) if need is None else need)
        raise
    most = most_tokens(sized, way.offer.rate)
    if need is None and not _has_plenty(way, sized, most):
        need = await need_of(way, draft)
    if need is not None:
        if way.is_looked_at:
            refuse_small_balance(way, need)
        refuse_small_offer(way, most=most, named=max(most, need.most))
        if way.allowed is not None:
            refuse_small_allowance(way, allowed=way.allowed, most=most, named=max(most, need.most))
    return await _final(way, sized)


async def _taking(way: Way, draft: UserOperation) -> UserOperation:
    """The operation with limits that let the paymaster take its tokens.

    The estimate takes, or approves, the price of much gas; only an operation that may cost more is estimated again. So
    it leaves the calls the tokens that gas does not need.
    """
    offer, payable = way.offer, _payable(way)
    much = _price_of(SENTINEL_GAS, draft, offer)
    sized = await sized_by(way, draft, most=None if payable is None else min(much, payable))
    most = most_tokens(sized, offer.rate)
    if most <= much or (payable is None and way.stand_in is None):
        return sized
    more = min(2 * most, _ALL)
    again = way if way.stand_in is None else replace(way, task=way.task_for(more))
    return await sized_by(again, draft, most=None if payable is None else min(more, payable))


def _price_of(gas: int, draft: UserOperation, offer: Offer) -> int:
    return tokens_for(gas * draft.max_fee_per_gas, offer.rate)


def _payable(way: Way) -> int | None:
    """The most that can be taken before the calls; None after them, where the calls decide."""
    return None if way.mode == "postOp" or way.allowed is None else way.offer.payable(way.allowed)


def _has_plenty(way: Way, sized: UserOperation, most: int) -> bool:
    """Whether balance, allowance and offer are beyond all doubt, so that the need is not to be computed."""
    plenty = most + margin_of(way, sized)
    had = [amount for amount in (way.allowed, way.offer.asked.max_token_amount) if amount is not None]
    had += [way.offer.balance - way.moved] if way.is_looked_at else []
    return min(had, default=plenty) >= plenty


def _is_of_last_transfer(reverted: ExecutionReverted | ValidationReverted) -> bool:
    """Whether the last transfer failed: the entry point's word says so, or no word at all, as calls have a reason."""
    is_silent = isinstance(reverted, ExecutionReverted) and reverted.facts.get("revert") in {None, "0x"}
    return is_silent or reverted.facts.get("entryPoint") == _POST_OP_REVERTED


def _refuse_short(way: Way, need: Need) -> None:
    """Raises: Rejected when the last transfer finds too little, as balance and allowance are now."""
    refuse_small_balance(way, need)
    if way.stand_in is None:
        allowed = way.offer.allowance if way.allowed is None else way.allowed
        refuse_small_allowance(way, allowed=allowed, most=need.most, named=need.most)


async def _final(way: Way, sized: UserOperation) -> Paid:
    """The paymaster's part, signed over the limits.

    Raises: Rejected when the paymaster asks for more than it said before.
    """
    offer, most = way.offer, most_tokens(sized, way.offer.rate)
    task = way.task_for(most)
    sized = with_calls_of(task, sized)
    offered = offer.asked.max_token_amount if way.mode == "postOp" else _payable(way)
    told = offer.told(way.mode, offered, way.permit)
    given = await answer_of(offer.service.sponsor(sized, told), offer.policy)
    if given.token is None or given.token.max_token_amount > most:
        raise Rejected(
            f"the paymaster's price in {offer.asked.token_address} has changed meanwhile; prepare the calls again",
            reason="token_price_changed",
        )
    fee = FeePayment(sponsored=False, token_address=offer.asked.token_address, max_amount=given.token.max_token_amount)
    return Paid(operation=with_paymaster(sized, given), calls=task.calls, fee=fee)

"""Gas paid in a token: which allowance there is or has to come, what may be taken, and whether that is there.

The rule: `most`, what every gas limit costs at the maximum fee, is what the account must have and allow; what is taken
is the cost. Nothing is signed here; the paymaster service (ERC-7677) quotes, and its contract holds to the quote.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wallet_rpc.domain.permit import approval
from wallet_rpc.domain.prepared import FeePayment, Signature
from wallet_rpc.domain.token_charge import most_tokens, tokens_for
from wallet_rpc.domain.token_gas import ERC20, AutoApprove, AutoPermit, PermitDetails, TokenGas
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, Rejected, ValidationReverted
from wallet_rpc.operations._drafting import Task, with_calls_of
from wallet_rpc.operations._paying import Paid, answer_of, limited, only_estimates, with_paymaster
from wallet_rpc.operations._token_offer import Offer, offer_of
from wallet_rpc.operations._token_permit import PermitNeeded, needed_permit, signed_permit

SENTINEL_GAS = 2_000_000
"""What an exact approval is estimated with: the price of so much gas, well above most operations."""
LEAST_GAS = 80_000
"""Less than any operation's limits: who cannot pay for this need not be estimated, which would say it less clearly."""
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
        return await _before(task, draft, offer, permit)
    return await _after(task, draft, offer)


async def _before(task: Task, draft: UserOperation, offer: Offer, signature: Signature | None) -> Paid | PermitNeeded:
    """The most is taken before the calls: by the allowance there is, or by a permit."""
    token, settings, allowed, permit = offer.asked.token_address, offer.asked.pre_op_settings, offer.allowance, None
    match None if settings is None else settings.permit_details or settings.auto_permit:
        case PermitDetails() as details:
            permit, allowed = await signed_permit(task, token, offer.paymaster, details, signature), details.value
        case AutoPermit() as auto if allowed < auto.below and not only_estimates(task.capabilities):
            return await needed_permit(task, token, offer.paymaster, auto)
        case _:
            pass
    _check(task, offer, most=_least(task, draft, offer), allowed=allowed)
    return await _quoted(task, draft, offer, offer.told("preOp", offer.payable(allowed), permit), allowed=allowed)


async def _after(task: Task, draft: UserOperation, offer: Offer) -> Paid:
    """The cost is taken after the calls: by an allowance of before, or of an approval put in front of them."""
    settings, least = offer.asked.post_op_settings, _least(task, draft, offer)
    _check(task, offer, most=least, allowed=None)
    try:
        match None if settings is None else settings.auto_approve:
            case None:
                told = _told_after(task, offer, offer.allowance)
                return await _quoted(task, draft, offer, told, allowed=None)
            case True:
                return await _exactly_approved(task, draft, offer)
            case AutoApprove(below=below, amount=amount):
                enough = offer.allowance >= below
                allowed, final = (offer.allowance, task) if enough else (amount, _approving(task, offer, amount))
                return await _quoted(final, draft, offer, _told_after(task, offer, allowed), allowed=allowed)
    except (ExecutionReverted, ValidationReverted) as reverted:
        is_approved = settings is not None and settings.auto_approve is not None
        short = _short_of(offer, least, None if is_approved else offer.allowance, reverted)
        if short is None:
            raise
        raise short from reverted


def _told_after(task: Task, offer: Offer, allowed: int) -> dict[str, Any]:
    """What the service is told; of a mere estimate that no more is taken than can be, so that the transfer succeeds."""
    most = offer.payable(allowed) if only_estimates(task.capabilities) else offer.asked.max_token_amount
    return offer.told("postOp", most)


def _short_of(
    offer: Offer, least: int, allowed: int | None, reverted: ExecutionReverted | ValidationReverted
) -> Rejected | None:
    """What the last transfer found too little of; None when the estimate reverted for another reason.

    That the transfer reverts is told by the entry point's word, or by no word at all, since the calls have a reason.
    """
    is_silent = isinstance(reverted, ExecutionReverted) and reverted.facts.get("revert") in {None, "0x"}
    if not is_silent and reverted.facts.get("entryPoint") != _POST_OP_REVERTED:
        return None
    if offer.balance < least:
        return _too_little_held(offer, least)
    if allowed is not None and allowed < least:
        return _too_little_allowed(offer, least, allowed)
    return None


async def _exactly_approved(task: Task, draft: UserOperation, offer: Offer) -> Paid:
    """The limits of an approval that is large enough, then an approval of what those limits cost at most."""
    told = _told_after(task, offer, offer.balance)
    sentinel = tokens_for(SENTINEL_GAS * draft.max_fee_per_gas, offer.rate)
    sized = await _sized(_approving(task, offer, sentinel), draft, offer, told)
    most = most_tokens(sized, offer.rate)
    if most > sentinel:
        sized = await _sized(_approving(task, offer, min(2 * most, _ALL)), draft, offer, told)
        most = most_tokens(sized, offer.rate)
    final = task if offer.allowance >= most else _approving(task, offer, most)
    _check(task, offer, most=most, allowed=None)
    return await _final(final, with_calls_of(final, sized), offer, told)


def _least(task: Task, draft: UserOperation, offer: Offer) -> int:
    """What the operation costs at the very least; one unit where the caller sets the fee."""
    overrides = task.capabilities.gas_params_override
    if overrides is not None and overrides.max_fee_per_gas is not None:
        return 1
    return tokens_for(LEAST_GAS * draft.max_fee_per_gas, offer.rate)


def _approving(task: Task, offer: Offer, amount: int) -> Task:
    """The task with an approval in front of its calls."""
    return replace(task, calls=(approval(offer.asked.token_address, offer.paymaster, amount), *task.calls))


async def _quoted(task: Task, draft: UserOperation, offer: Offer, told: dict[str, Any], *, allowed: int | None) -> Paid:
    """Limits, then the check of what they cost, then the paymaster's word; `allowed` None: nobody knows beforehand."""
    sized = await _sized(task, draft, offer, told)
    _check(task, offer, most=most_tokens(sized, offer.rate), allowed=allowed)
    return await _final(task, sized, offer, told)


async def _sized(task: Task, draft: UserOperation, offer: Offer, told: dict[str, Any]) -> UserOperation:
    """The operation of the task's calls with its limits, and a stub of the paymaster.

    What the service says the last transfer needs is the least: the estimate is of calls that succeed, and these may
    leave the token's storage cheaper than calls that revert.
    """
    draft = with_calls_of(task, draft)
    stub = await answer_of(offer.service.stub(draft, told), offer.policy)
    sized = await limited(task, with_paymaster(draft, stub))
    overrides, part = task.capabilities.gas_params_override, sized.paymaster
    if part is None or (overrides is not None and overrides.paymaster_post_op_gas_limit is not None):
        return sized
    least = max(part.post_op_gas_limit, stub.post_op_gas_limit or 0)
    return replace(sized, paymaster=replace(part, post_op_gas_limit=least))


def _check(task: Task, offer: Offer, *, most: int, allowed: int | None) -> None:
    """Raises: Rejected when the account offers, has or allows less than `most`; an estimate is not refused."""
    if only_estimates(task.capabilities):
        return
    asked, token, settings = offer.asked, offer.asked.token_address, offer.asked.post_op_settings
    ceiling = asked.max_token_amount
    if ceiling is not None and ceiling < most:
        raise Rejected(
            f"precheck failed: {ERC20}.maxTokenAmount is {ceiling}, but the operation may cost {most} of {token}",
            reason="max_token_amount_exceeded",
            field=f"{ERC20}.maxTokenAmount",
        )
    is_looked_at = settings is None or settings.balance_check is None
    if is_looked_at and offer.balance < most:
        raise _too_little_held(offer, most)
    if allowed is not None and allowed < most:
        raise _too_little_allowed(offer, most, allowed)


def _too_little_held(offer: Offer, most: int) -> Rejected:
    return Rejected(
        f"precheck failed: sender has {offer.balance} of the token {offer.asked.token_address} but must have at least "
        f"{most} to pay for this operation",
        reason="insufficient_token_balance",
    )


def _too_little_allowed(offer: Offer, most: int, allowed: int) -> Rejected:
    return Rejected(
        f"precheck failed: the allowance of {offer.asked.token_address} for the paymaster {offer.paymaster} is "
        f"{allowed} but must be at least {most} to pay for this operation",
        reason="insufficient_token_allowance",
    )


async def _final(task: Task, sized: UserOperation, offer: Offer, told: dict[str, Any]) -> Paid:
    """The paymaster's part, signed over the limits; none for an estimate.

    Raises: Rejected when the paymaster asks for more than it said before.
    """
    operation, most = sized, most_tokens(sized, offer.rate)
    if not only_estimates(task.capabilities):
        given = await answer_of(offer.service.sponsor(sized, told), offer.policy)
        operation = with_paymaster(sized, given)
        if given.token is None or given.token.max_token_amount > most:
            raise Rejected(
                f"the paymaster's price in {offer.asked.token_address} has changed meanwhile; prepare the calls again",
                reason="token_price_changed",
            )
        most = given.token.max_token_amount
    fee = FeePayment(sponsored=False, token_address=offer.asked.token_address, max_amount=most)
    return Paid(operation=operation, calls=task.calls, fee=fee)

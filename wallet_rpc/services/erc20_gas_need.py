"""The tokens that an account needs for its gas, whatever it has now, and the refusals that name them.

An estimate in which nothing is taken succeeds for an account without tokens, and does not depend on what it holds. With
the gas that taking adds at most, and what the calls themselves transfer, it gives an amount that suffices: an account
that is topped up to it is served.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.permit import approval, transferred, without_transfers
from wallet_rpc.domain.prepared import FeePayment
from wallet_rpc.domain.token_charge import most_tokens, tokens_for
from wallet_rpc.domain.token_gas import ERC20, Mode, PermitContext
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import Rejected
from wallet_rpc.primitives import Address
from wallet_rpc.services.erc20_gas_quote import Offer
from wallet_rpc.services.sponsorship import MoreGas, Paid, answer_of, limited, with_paymaster
from wallet_rpc.services.user_operation_builder import Task, with_calls_of

AMOUNTS_GAS = 2_200
"""What two amounts of 32 bytes cost more in call data than zeros: 30 gas a byte (EIP-7623), and a bundler's margin."""
TAKING_GAS = 40_000
"""What a transfer before the calls costs more than one of nothing: three new words of storage at most."""
MOVING_GAS = 40_000
"""The same for a transfer among the calls."""
STEP_GAS = 1_000
"""preVerificationGas of a need is a multiple of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an account pays: by the calls of `task`, an approval in front of them included, to the offering paymaster."""

    task: Task
    offer: Offer
    mode: Mode
    allowed: int | None = None
    """The allowance that will be there; None: the calls may change it."""
    permit: PermitContext | None = None
    stand_in: int | None = None
    """The approval in front of the calls stands for one of exactly the most, and is of so much."""

    @property
    def moved(self) -> int:
        """The units of the token that the calls transfer."""
        return transferred(self.task.calls, self.offer.asked.token_address)

    def task_for(self, most: int) -> Task:
        """The task as it is signed: an exact approval is of `most`, and left out where as much is allowed already."""
        if self.stand_in is None:
            return self.task
        bare = replace(self.task, calls=self.task.calls[1:])
        return bare if self.offer.allowance >= most else approving(bare, self.offer, most)

    @property
    def is_looked_at(self) -> bool:
        """Whether the account must have the tokens before its calls."""
        settings = self.offer.asked.post_op_settings
        return settings is None or settings.balance_check is None


def approving(task: Task, offer: Offer, amount: int) -> Task:
    """The task with an approval in front of its calls."""
    return replace(task, calls=(approval(offer.asked.token_address, offer.paymaster, amount), *task.calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """An operation's limits when nothing is known of the account's tokens, and what it takes of them."""

    operation: UserOperation
    calls: tuple[Call, ...]
    most: int
    """The most that gas can cost, in the token's smallest unit."""
    moved: int
    """What the calls transfer of the same token."""

    def paid_in(self, token: Address) -> Paid:
        """As a mere estimate answers it."""
        fee = FeePayment(sponsored=False, token_address=token, max_amount=self.most)
        return Paid(operation=self.operation, calls=self.calls, fee=fee)


async def need_of(way: Way, draft: UserOperation) -> Need:
    """What the operation needs. Raises: ExecutionReverted, ValidationReverted when its calls revert by themselves."""
    task, token = way.task, way.offer.asked.token_address
    still = replace(task, calls=without_transfers(task.calls, token))
    changed = sum(one != other for one, other in zip(task.calls, still.calls, strict=True))
    more = MoreGas(
        pre_verification=AMOUNTS_GAS,
        call=MOVING_GAS * changed,
        paymaster_verification=TAKING_GAS if way.mode == "preOp" else 0,
    )
    sized = _steady(way, await sized_by(replace(way, task=still), draft, most=0, more=more))
    most = most_tokens(sized, way.offer.rate)
    final = way.task_for(most)
    return Need(operation=with_calls_of(final, sized), calls=final.calls, most=most, moved=way.moved)


def _steady(way: Way, sized: UserOperation) -> UserOperation:
    """With preVerificationGas in whole steps: asked a moment later, a time in the paymaster's data has other bytes."""
    overrides = way.task.capabilities.gas_params_override
    if overrides is not None and overrides.pre_verification_gas is not None:
        return sized
    return replace(sized, pre_verification_gas=-(-sized.pre_verification_gas // STEP_GAS) * STEP_GAS)


def margin_of(way: Way, sized: UserOperation) -> int:
    """More tokens than a need exceeds the cost of limits that were found by taking."""
    gas = STEP_GAS + AMOUNTS_GAS + TAKING_GAS + MOVING_GAS * len(way.task.calls)
    return tokens_for(gas * sized.max_fee_per_gas, way.offer.rate)


async def sized_by(way: Way, draft: UserOperation, *, most: int | None, more: MoreGas | None = None) -> UserOperation:
    """The operation with its limits and a stub of the paymaster, which takes `most` at most.

    What the service says the last transfer needs is the least: the estimate is of calls that succeed, and these may
    leave the token's storage cheaper than calls that revert.
    """
    offer, draft = way.offer, with_calls_of(way.task, draft)
    stub = await answer_of(offer.service.stub(draft, offer.told(way.mode, most, way.permit)), offer.policy)
    sized = await limited(way.task, with_paymaster(draft, stub), more)
    overrides, part = way.task.capabilities.gas_params_override, sized.paymaster
    if part is None or (overrides is not None and overrides.paymaster_post_op_gas_limit is not None):
        return sized
    least = max(part.post_op_gas_limit, stub.post_op_gas_limit or 0)
    return replace(sized, paymaster=replace(part, post_op_gas_limit=least))


def refuse_small_offer(way: Way, *, most: int, named: int) -> None:
    """Raises: Rejected (max_token_amount_exceeded) when less than `most` is offered; `named` is what suffices."""
    ceiling, token = way.offer.asked.max_token_amount, way.offer.asked.token_address
    if ceiling is not None and ceiling < most:
        raise Rejected(
            f"precheck failed: {ERC20}.maxTokenAmount is {ceiling}, but the operation may cost {named} of {token}",
            reason="max_token_amount_exceeded",
            field=f"{ERC20}.maxTokenAmount",
        )


def refuse_small_balance(way: Way, need: Need) -> None:
    """Raises: Rejected (insufficient_token_balance) when the account has less than it needs."""
    offer, most = way.offer, need.most + need.moved
    if offer.balance < most:
        moved = "" if need.moved == 0 else f", {need.moved} of which its calls transfer"
        raise Rejected(
            f"precheck failed: sender has {offer.balance} of the token {offer.asked.token_address} but must have at "
            f"least {most} to pay for this operation{moved}",
            reason="insufficient_token_balance",
        )


def refuse_small_allowance(way: Way, *, allowed: int, most: int, named: int) -> None:
    """Raises: Rejected (insufficient_token_allowance) when less than `most` is allowed; `named` is what suffices."""
    offer = way.offer
    if allowed < most:
        raise Rejected(
            f"precheck failed: the allowance of {offer.asked.token_address} for the paymaster {offer.paymaster} is "
            f"{allowed} but must be at least {named} to pay for this operation",
            reason="insufficient_token_allowance",
        )

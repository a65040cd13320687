"""Whether an account can pay for what its calls send and, where it pays for gas itself, for gas; before it signs.

The rule: money that is certain to be missing is named with its numbers before any paymaster is asked. Where code that
runs before might pay in, the bundler's estimate with exactly the account's money decides. Calls that send nothing are
left to the bundler, which refuses an account that cannot pay for gas without taking anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from wallet_rpc.domain.capabilities import StateOverride
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.funds import Funds, Transfer, before_shortage, deposit_slot, needed_value, transfers_of
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.permit import balance_question, read_amount
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, Rejected, WalletError
from wallet_rpc.primitives import Address
from wallet_rpc.services.sponsorship import limited
from wallet_rpc.services.user_operation_builder import Task

MOST_RECEIVERS = 16
"""How many receivers are looked at for code; behind more, the estimate decides."""
_PLENTY = 10**24
"""A balance with which money is no obstacle, in wei, beside what the calls send."""
_GAS_AT_ONE_WEI = 10**9
"""More than the gas of any operation costs at one wei for each unit, in wei."""
_INSUFFICIENT = "insufficient_funds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """The money of a preparation's account, and the transfers of its calls."""

    task: Task
    funds: Funds
    transfers: tuple[Transfer, ...]

    def with_balance(self, balance: int) -> Task:
        """The task in a simulation where the account has so much."""
        account, capabilities = self.task.account, self.task.capabilities
        given = capabilities.state_override or {}
        changed = replace(_override(self.task, account), balance=balance)
        return replace(self.task, capabilities=replace(capabilities, state_override={**given, account: changed}))


async def purse_of(task: Task) -> Purse | None:
    """The account's money; None for calls that send none, which need not be looked at."""
    return await _read_purse(task) if needed_value(task.account, transfers_of(task.account, task.calls)) else None


async def refuse_certain_shortage(purse: Purse, draft: UserOperation) -> None:
    """Raises: Rejected (insufficient_funds) when the calls send more than the account has, before anybody is asked."""
    funds = purse.funds
    if funds.value > funds.balance and await _is_certain(purse, funds.balance):
        raise funds.shortage(await _gas_cost(purse, draft) if _pays_itself(purse.task) else 0)


async def refuse_unfunded(purse: Purse, operation: UserOperation) -> None:
    """Raises: Rejected (insufficient_funds) when the account cannot pay for the whole operation, limits included.

    Such an operation would be taken: its gas is paid and then its calls revert.
    """
    gas_cost = max_cost(operation) if operation.paymaster is None else 0
    available = purse.funds.available(gas_cost)
    if available >= purse.funds.value:
        return
    if available < 0 or await _is_certain(purse, available) or not await _runs_with(purse, operation, available):
        raise purse.funds.shortage(gas_cost)


async def shortage_behind(task: Task, draft: UserOperation, refusal: WalletError) -> Rejected | None:
    """The shortage with its numbers, when it is why a preparation was refused without a reason; None when it is not.

    A transfer that lacks its value reverts without a word. That it is the reason shows by an estimate with plenty.
    """
    is_poor = isinstance(refusal, Rejected) and refusal.reason == _INSUFFICIENT
    is_silent = isinstance(refusal, ExecutionReverted) and refusal.facts.get("revert") in {None, "0x"}
    if not is_poor and not is_silent:
        return None
    purse = await _read_purse(task)
    if is_silent and purse.funds.value == 0:
        return None
    gas_cost = await _gas_cost(purse, draft)
    if gas_cost is None or purse.funds.missing(gas_cost) <= 0:
        return None
    return purse.funds.shortage(gas_cost)


async def _read_purse(task: Task) -> Purse:
    """As the chain has it, or as the caller's `stateOverride` says."""
    transfers = transfers_of(task.account, task.calls)
    balance, deposit = await asyncio.gather(_balance(task), _deposit(task))
    value = needed_value(task.account, transfers)
    funds = Funds(account=task.account, balance=balance, deposit=deposit, value=value)
    return Purse(task=task, funds=funds, transfers=transfers)


def _override(task: Task, address: Address) -> StateOverride:
    return (task.capabilities.state_override or {}).get(address) or StateOverride()


async def _balance(task: Task) -> int:
    given = _override(task, task.account).balance
    return await task.chain.chain.balance(task.account) if given is None else given


async def _deposit(task: Task) -> int:
    """The account's deposit in the entry point."""
    slot, given = deposit_slot(task.account), _override(task, ENTRY_POINT)
    if given.state is not None:
        return int.from_bytes(given.state.get(slot, b""), "big")
    if given.state_diff is not None and slot in given.state_diff:
        return int.from_bytes(given.state_diff[slot], "big")
    return read_amount(await task.chain.chain.call(ENTRY_POINT, balance_question(task.account))) or 0


async def _is_certain(purse: Purse, available: int) -> bool:
    """Whether nothing can pay in before the first transfer that lacks its value: no code runs before it."""
    task = purse.task
    before = before_shortage(task.account, purse.transfers, available)
    if any(each.runs_unread for each in before) or _is_changed(task, task.account):
        return False
    receivers = {each.to for each in before} - {task.account}
    if len(receivers) > MOST_RECEIVERS or any(_is_changed(task, each) for each in receivers):
        return False
    return not any(await asyncio.gather(*(task.chain.chain.code(each) for each in receivers)))


def _is_changed(task: Task, address: Address) -> bool:
    """Whether the caller's simulation gives other code or storage to an address."""
    given = _override(task, address)
    return given.code is not None or given.state is not None or given.state_diff is not None


async def _gas_cost(purse: Purse, draft: UserOperation) -> int | None:
    """The most that gas may cost the account, 0 where another pays; None when even plenty of money is no help."""
    rich = purse.with_balance(purse.funds.value + _PLENTY)
    try:
        sized = await limited(rich, draft)
    except WalletError:
        return None
    return max_cost(sized) if _pays_itself(purse.task) else 0


def _pays_itself(task: Task) -> bool:
    """Whether the account is asked to pay for gas in the chain's coin."""
    service = task.capabilities.paymaster_service
    return service is None or not service.policies or (task.chain.paymaster is None and service.optional is True)


async def _runs_with(purse: Purse, operation: UserOperation, available: int) -> bool:
    """Whether the calls run when the account has so much once gas is paid; also True when that cannot be told.

    Where the account pays for gas it is simulated at a price of almost nothing, which is added.
    """
    simulated = operation
    if operation.paymaster is None:
        simulated = replace(operation, max_fee_per_gas=1, max_priority_fee_per_gas=1)
    try:
        await limited(purse.with_balance(available + _GAS_AT_ONE_WEI), simulated)
    except ExecutionReverted:
        return False
    except WalletError:
        return True
    return True

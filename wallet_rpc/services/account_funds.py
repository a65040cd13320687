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
from wallet_rpc.domain.funds import (
    Funds,
    Transfer,
    deposit_slot,
    required_balance,
    take_payable_transfers,
    transfers_of,
)
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.permit import decode_uint, encode_balance_of
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, Rejected, WalletError
from wallet_rpc.primitives import Address
from wallet_rpc.services.sponsorship import estimate_gas_limits
from wallet_rpc.services.user_operation_builder import Preparation

MAX_RECEIVERS = 16
"""How many receivers are looked at for code; behind more, the estimate decides."""
_PLENTY = 10**24
"""A balance with which money is no obstacle, in wei, beside what the calls send."""
_GAS_AT_ONE_WEI = 10**9
"""More than the gas of any operation costs at one wei for each unit, in wei."""
_INSUFFICIENT = "insufficient_funds"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFunds:
    """The money of a preparation's account, and the transfers of its calls."""

    preparation: Preparation
    funds: Funds
    transfers: tuple[Transfer, ...]

    def with_balance(self, balance: int) -> Preparation:
        """The task in a simulation where the account has so much."""
        account, capabilities = self.preparation.account, self.preparation.capabilities
        given = capabilities.state_override or {}
        changed = replace(_override(self.preparation, account), balance=balance)
        return replace(self.preparation, capabilities=replace(capabilities, state_override={**given, account: changed}))


async def read_transfer_funds(preparation: Preparation) -> AccountFunds | None:
    """The account's money; None for calls that send none, which need not be looked at."""
    return (
        await _read_funds(preparation)
        if required_balance(preparation.account, transfers_of(preparation.account, preparation.calls))
        else None
    )


async def refuse_certain_shortage(account_funds: AccountFunds, draft: UserOperation) -> None:
    """Raises: Rejected (insufficient_funds) when the calls send more than the account has, before anybody is asked."""
    funds = account_funds.funds
    if funds.value > funds.balance and await _is_certain(account_funds, funds.balance):
        raise funds.build_insufficient_funds_error(
            await _gas_cost(account_funds, draft) if _pays_itself(account_funds.preparation) else 0
        )


async def refuse_unfunded(account_funds: AccountFunds, operation: UserOperation) -> None:
    """Raises: Rejected (insufficient_funds) when the account cannot pay for the whole operation, limits included.

    Such an operation would be taken: its gas is paid and then its calls revert.
    """
    gas_cost = max_cost(operation) if operation.paymaster is None else 0
    available = account_funds.funds.available(gas_cost)
    if available >= account_funds.funds.value:
        return
    if (
        available < 0
        or await _is_certain(account_funds, available)
        or not await _succeeds_with(account_funds, operation, available)
    ):
        raise account_funds.funds.build_insufficient_funds_error(gas_cost)


async def find_shortage(preparation: Preparation, draft: UserOperation, refusal: WalletError) -> Rejected | None:
    """The shortage with its numbers, when it is why a preparation was refused without a reason; None when it is not.

    A transfer that lacks its value reverts without a word. That it is the reason shows by an estimate with plenty.
    """
    is_poor = isinstance(refusal, Rejected) and refusal.reason == _INSUFFICIENT
    is_silent = isinstance(refusal, ExecutionReverted) and refusal.facts.get("revert") in {None, "0x"}
    if not is_poor and not is_silent:
        return None
    purse = await _read_funds(preparation)
    if is_silent and purse.funds.value == 0:
        return None
    gas_cost = await _gas_cost(purse, draft)
    if gas_cost is None or purse.funds.shortfall(gas_cost) <= 0:
        return None
    return purse.funds.build_insufficient_funds_error(gas_cost)


async def _read_funds(preparation: Preparation) -> AccountFunds:
    """As the chain has it, or as the caller's `stateOverride` says."""
    transfers = transfers_of(preparation.account, preparation.calls)
    balance, deposit = await asyncio.gather(_balance(preparation), _deposit(preparation))
    value = required_balance(preparation.account, transfers)
    funds = Funds(account=preparation.account, balance=balance, deposit=deposit, value=value)
    return AccountFunds(preparation=preparation, funds=funds, transfers=transfers)


def _override(preparation: Preparation, address: Address) -> StateOverride:
    return (preparation.capabilities.state_override or {}).get(address) or StateOverride()


async def _balance(preparation: Preparation) -> int:
    given = _override(preparation, preparation.account).balance
    return await preparation.chain.node.balance(preparation.account) if given is None else given


async def _deposit(preparation: Preparation) -> int:
    """The account's deposit in the entry point."""
    slot, given = deposit_slot(preparation.account), _override(preparation, ENTRY_POINT)
    if given.state is not None:
        return int.from_bytes(given.state.get(slot, b""), "big")
    if given.state_diff is not None and slot in given.state_diff:
        return int.from_bytes(given.state_diff[slot], "big")
    return decode_uint(await preparation.chain.node.call(ENTRY_POINT, encode_balance_of(preparation.account))) or 0


async def _is_certain(account_funds: AccountFunds, available: int) -> bool:
    """Whether nothing can pay in before the first transfer that lacks its value: no code runs before it."""
    task = account_funds.preparation
    before = take_payable_transfers(task.account, account_funds.transfers, available)
    if any(each.is_opaque for each in before) or _is_changed(task, task.account):
        return False
    receivers = {each.to for each in before} - {task.account}
    if len(receivers) > MAX_RECEIVERS or any(_is_changed(task, each) for each in receivers):
        return False
    return not any(await asyncio.gather(*(task.chain.node.code(each) for each in receivers)))


def _is_changed(preparation: Preparation, address: Address) -> bool:
    """Whether the caller's simulation gives other code or storage to an address."""
    given = _override(preparation, address)
    return given.code is not None or given.state is not None or given.state_diff is not None


async def _gas_cost(account_funds: AccountFunds, draft: UserOperation) -> int | None:
    """The most that gas may cost the account, 0 where another pays; None when even plenty of money is no help."""
    rich = account_funds.with_balance(account_funds.funds.value + _PLENTY)
    try:
        sized = await estimate_gas_limits(rich, draft)
    except WalletError:
        return None
    return max_cost(sized) if _pays_itself(account_funds.preparation) else 0


def _pays_itself(preparation: Preparation) -> bool:
    """Whether the account is asked to pay for gas in the chain's coin."""
    service = preparation.capabilities.paymaster_service
    return service is None or not service.policies or (preparation.chain.paymaster is None and service.optional is True)


async def _succeeds_with(account_funds: AccountFunds, operation: UserOperation, available: int) -> bool:
    """Whether the calls run when the account has so much once gas is paid; also True when that cannot be told.

    Where the account pays for gas it is simulated at a price of almost nothing, which is added.
    """
    simulated = operation
    if operation.paymaster is None:
        simulated = replace(operation, max_fee_per_gas=1, max_priority_fee_per_gas=1)
    try:
        await estimate_gas_limits(account_funds.with_balance(available + _GAS_AT_ONE_WEI), simulated)
    except ExecutionReverted:
        return False
    except WalletError:
        return True
    return True

"""Balance checks at preparation: the account must be able to pay the value of its calls and, if it pays, the gas.

A certain shortage is reported with its amounts before any external call to a paymaster. If code that runs earlier in
the batch might add funds, the bundler's estimate with exactly the account's balance decides. An estimate
(`onlyEstimation`) needs no balance for gas alone.
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
from wallet_rpc.services.sponsorship import estimate_gas_limits, is_estimate_only
from wallet_rpc.services.user_operation_builder import Preparation

MAX_RECEIVERS = 16
"""Maximum number of receivers whose code is read; with more receivers, the estimate decides."""
_SUFFICIENT_BALANCE = 10**24
"""A balance, in wei, that suffices for any gas, in addition to the value of the calls."""
_GAS_AT_ONE_WEI = 10**9
"""An upper bound, in wei, of any operation's gas cost at 1 wei per gas."""
_INSUFFICIENT = "insufficient_funds"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFunds:
    """The funds of a preparation's account, and the transfers of its calls."""

    preparation: Preparation
    funds: Funds
    transfers: tuple[Transfer, ...]

    def with_balance(self, balance: int) -> Preparation:
        """Return the preparation with a state override that gives the account this balance."""
        account = self.preparation.account
        capabilities = self.preparation.capabilities
        overrides = capabilities.state_override or {}
        override = replace(_override(self.preparation, account), balance=balance)
        return replace(
            self.preparation, capabilities=replace(capabilities, state_override={**overrides, account: override})
        )


async def read_needed_funds(preparation: Preparation) -> AccountFunds | None:
    """Read the account's funds; None, without a read, where the account needs none: for neither value nor gas."""
    pays_gas = _pays_itself(preparation) and not is_estimate_only(preparation.capabilities)
    if not pays_gas and not required_balance(preparation.account, transfers_of(preparation.account, preparation.calls)):
        return None
    return await _read_funds(preparation)


async def refuse_certain_shortage(account_funds: AccountFunds, draft: UserOperation) -> None:
    """Raise Rejected (insufficient_funds) when the calls certainly send more than the account has.

    The check needs no paymaster; only the amount in the error needs a gas estimate.
    """
    funds = account_funds.funds
    if funds.value > funds.balance and await _is_certain(account_funds, funds.balance):
        gas_cost = await _gas_cost(account_funds, draft) if _pays_itself(account_funds.preparation) else 0
        raise funds.build_insufficient_funds_error(gas_cost)


async def refuse_unfunded(account_funds: AccountFunds, operation: UserOperation) -> None:
    """Raise Rejected (insufficient_funds) when the account cannot pay the calls' value and the maximum gas cost.

    Where only the value is missing, the bundler would accept the operation: its gas would be paid, and its calls would
    revert.
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


async def find_shortage(preparation: Preparation, draft: UserOperation, error: WalletError) -> Rejected | None:
    """Return the insufficient-funds error, with its amounts, if a shortage caused `error`; else None.

    A transfer that exceeds the balance reverts with empty data. A shortage is the cause if an estimate with a
    sufficient balance succeeds.
    """
    is_insufficient = isinstance(error, Rejected) and error.reason == _INSUFFICIENT
    is_empty_revert = isinstance(error, ExecutionReverted) and error.is_empty
    if not is_insufficient and not is_empty_revert:
        return None
    account_funds = await _read_funds(preparation)
    if is_empty_revert and account_funds.funds.value == 0:
        return None
    gas_cost = await _gas_cost(account_funds, draft)
    if gas_cost is None or account_funds.funds.shortfall(gas_cost) <= 0:
        return None
    return account_funds.funds.build_insufficient_funds_error(gas_cost)


async def _read_funds(preparation: Preparation) -> AccountFunds:
    """Read balance and deposit from the chain, or from the caller's `stateOverride` where that sets them."""
    transfers = transfers_of(preparation.account, preparation.calls)
    balance, deposit = await asyncio.gather(_balance(preparation), _deposit(preparation))
    value = required_balance(preparation.account, transfers)
    funds = Funds(account=preparation.account, balance=balance, deposit=deposit, value=value)
    return AccountFunds(preparation=preparation, funds=funds, transfers=transfers)


def _override(preparation: Preparation, address: Address) -> StateOverride:
    return (preparation.capabilities.state_override or {}).get(address) or StateOverride()


async def _balance(preparation: Preparation) -> int:
    override = _override(preparation, preparation.account).balance
    return await preparation.chain.node.balance(preparation.account) if override is None else override


async def _deposit(preparation: Preparation) -> int:
    """Read the account's deposit in the entry point, in wei."""
    slot = deposit_slot(preparation.account)
    override = _override(preparation, ENTRY_POINT)
    if override.state is not None:
        return int.from_bytes(override.state.get(slot, b""), "big")
    if override.state_diff is not None and slot in override.state_diff:
        return int.from_bytes(override.state_diff[slot], "big")
    return decode_uint(await preparation.chain.node.call(ENTRY_POINT, encode_balance_of(preparation.account))) or 0


async def _is_certain(account_funds: AccountFunds, available: int) -> bool:
    """Return True when a shortage is certain: no code runs before the first transfer that exceeds `available`.

    Only contract code could send funds to the account before that transfer.
    """
    preparation = account_funds.preparation
    before = take_payable_transfers(preparation.account, account_funds.transfers, available)
    if any(each.is_opaque for each in before) or _is_changed(preparation, preparation.account):
        return False
    receivers = {each.to for each in before} - {preparation.account}
    if len(receivers) > MAX_RECEIVERS or any(_is_changed(preparation, each) for each in receivers):
        return False
    return not any(await asyncio.gather(*(preparation.chain.node.code(each) for each in receivers)))


def _is_changed(preparation: Preparation, address: Address) -> bool:
    """Return True when the caller's `stateOverride` replaces code or storage of an address."""
    override = _override(preparation, address)
    return override.code is not None or override.state is not None or override.state_diff is not None


async def _gas_cost(account_funds: AccountFunds, draft: UserOperation) -> int | None:
    """Return the account's maximum gas cost in wei, 0 if a paymaster pays.

    None: the estimate fails even with a sufficient balance.
    """
    funded = account_funds.with_balance(account_funds.funds.value + _SUFFICIENT_BALANCE)
    try:
        estimated = await estimate_gas_limits(funded, draft)
    except WalletError:
        return None
    return max_cost(estimated) if _pays_itself(account_funds.preparation) else 0


def _pays_itself(preparation: Preparation) -> bool:
    """Return True when the account pays for gas in the native currency."""
    service = preparation.capabilities.paymaster_service
    return service is None or not service.policies or (preparation.chain.paymaster is None and service.optional is True)


async def _succeeds_with(account_funds: AccountFunds, operation: UserOperation, available: int) -> bool:
    """Return True when the calls succeed with `available` wei left after gas, or when the estimate is inconclusive.

    If the account pays for gas, the estimate runs at 1 wei per gas, and the balance is raised by that small cost.
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

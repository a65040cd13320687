"""Balance checks at preparation: the account must be able to pay the value of its calls and, if it pays, the gas.

A certain shortage is reported with its amounts before any external call to a paymaster. If code that runs earlier in
the batch might add funds, the bundler's estimate with exactly the account's balance decides. An estimate
(`onlyEstimation`) needs no balance for gas alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import Capabilities, StateOverride
from wallet_rpc.domain.decision.denials import Reason
from wallet_rpc.domain.funds import (
    Funds,
    Transfer,
    required_balance,
    take_payable_transfers,
    transfers_of,
)
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, Rejected, ValidationReverted, WalletError
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address
from wallet_rpc.services.draft_reads import Balances, read_balances
from wallet_rpc.services.root_causes import find_root_cause
from wallet_rpc.services.sponsorship import estimate_gas_limits, is_estimate_only
from wallet_rpc.services.user_operation_builder import Preparation

MAX_RECEIVERS = 16
"""Maximum number of receivers whose code is read; with more receivers, the estimate decides."""
_SUFFICIENT_BALANCE = 10**24
"""A balance, in wei, that suffices for any gas, in addition to the value of the calls."""
_LARGEST_BALANCE = (1 << 256) - 1
"""The largest balance that an account can have, in wei; calls may send more together."""
_GAS_AT_ONE_WEI = 10**9
"""An upper bound, in wei, of any operation's gas cost at 1 wei per gas."""
_INSUFFICIENT = "insufficient_funds"
_DENIALS = frozenset(Reason) - {Reason.GAS}
"""Reasons for which a session's calls are denied whatever the account has. The estimate does not have the final gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFunds:
    """The funds of a preparation's account, and the transfers of its calls."""

    preparation: Preparation
    funds: Funds
    transfers: tuple[Transfer, ...]

    def with_balance(self, balance: int) -> Preparation:
        """Return the preparation with a state override that gives the account this balance, at most the largest."""
        account = self.preparation.account
        capabilities = self.preparation.capabilities
        overrides = capabilities.state_override or {}
        override = replace(_override(self.preparation, account), balance=min(balance, _LARGEST_BALANCE))
        return replace(
            self.preparation, capabilities=replace(capabilities, state_override={**overrides, account: override})
        )


def needs_funds(chain: ChainPorts, account: Address, calls: Sequence[Call], capabilities: Capabilities) -> bool:
    """Return True where the account must have funds: for the value of its calls, or for gas that it pays."""
    pays_gas = _is_gas_payer(chain, capabilities) and not is_estimate_only(capabilities)
    return pays_gas or required_balance(account, transfers_of(account, calls)) > 0


def needed_funds(preparation: Preparation) -> AccountFunds | None:
    """Return the account's funds; None where it needs none."""
    balances = preparation.reads.balances
    return None if balances is None else _build_funds(preparation, balances)


async def refuse_certain_shortage(account_funds: AccountFunds, draft: UserOperation) -> None:
    """Raise Rejected (insufficient_funds) when the calls certainly send more than the account has.

    The check needs no paymaster. Only the error needs a gas estimate: for its amount if the account pays for gas, and
    for calls that the session may not make, since more funds would not help them: then the denial is raised.
    """
    funds, preparation = account_funds.funds, account_funds.preparation
    if funds.value > funds.balance and await _is_certain(account_funds, funds.balance):
        is_session = preparation.authority.nonce_key.entity_id != OWNER_ENTITY
        pays = _pays_itself(preparation)
        gas_cost = await _gas_cost(account_funds, draft) if pays or is_session else 0
        raise funds.build_insufficient_funds_error(gas_cost if pays else 0)


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


async def find_preparation_failure(
    preparation: Preparation, draft: UserOperation, denial: ValidationReverted | ExecutionReverted | Rejected
) -> WalletError:
    """Return the root cause of a failed preparation: a competing operation, insufficient funds, or `denial` itself."""
    if not isinstance(denial, Rejected):
        reason = await find_root_cause(preparation.chain, draft, denial)
        if reason is not denial:
            return reason
    shortage = await _find_shortage(preparation, draft, denial)
    return denial if shortage is None else shortage


async def _find_shortage(preparation: Preparation, draft: UserOperation, error: WalletError) -> Rejected | None:
    """Return the insufficient-funds error, with its amounts, if a shortage caused `error`; else None.

    A transfer that exceeds the balance reverts with empty data. A shortage is the cause if an estimate with a
    sufficient balance succeeds.
    """
    is_insufficient = isinstance(error, Rejected) and error.reason == _INSUFFICIENT
    is_empty_revert = isinstance(error, ExecutionReverted) and error.is_empty
    if not is_insufficient and not is_empty_revert:
        return None
    overrides = preparation.capabilities.state_override
    account_funds = _build_funds(preparation, await read_balances(preparation.chain, preparation.account, overrides))
    if is_empty_revert and account_funds.funds.value == 0:
        return None
    gas_cost = await _gas_cost(account_funds, draft)
    if gas_cost is None or account_funds.funds.shortfall(gas_cost) <= 0:
        return None
    return account_funds.funds.build_insufficient_funds_error(gas_cost)


def _build_funds(preparation: Preparation, balances: Balances) -> AccountFunds:
    account = preparation.account
    transfers = transfers_of(account, preparation.calls)
    value = required_balance(account, transfers)
    funds = Funds(account=account, balance=balances.balance, deposit=balances.deposit, value=value)
    return AccountFunds(preparation=preparation, funds=funds, transfers=transfers)


def _override(preparation: Preparation, address: Address) -> StateOverride:
    return (preparation.capabilities.state_override or {}).get(address) or StateOverride()


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

    None: the estimate fails even with a sufficient balance. Raises: the denial of a session's calls by the contracts.
    """
    funded = account_funds.with_balance(account_funds.funds.value + _SUFFICIENT_BALANCE)
    try:
        estimated = await estimate_gas_limits(funded, draft)
    except WalletError as error:
        if error.reason in _DENIALS:
            raise
        return None
    return max_cost(estimated) if _pays_itself(account_funds.preparation) else 0


def _pays_itself(preparation: Preparation) -> bool:
    return _is_gas_payer(preparation.chain, preparation.capabilities)


def _is_gas_payer(chain: ChainPorts, capabilities: Capabilities) -> bool:
    """Return True when the account pays for gas in the native currency."""
    service = capabilities.paymaster_service
    return service is None or not service.policies or (chain.paymaster is None and service.optional is True)


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

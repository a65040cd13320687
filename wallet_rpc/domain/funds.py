"""The native balance that calls need: the value that they send, and the account's funds for it.

Before the calls run, the entry point takes the maximum gas cost from the account's deposit, then from its balance. The
value of the calls comes from the remaining balance. Only contract code can pay the account in between, so a shortage is
certain if all calls before it are plain transfers. Source: EntryPoint v0.7, `_validatePrepayment`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.errors import Rejected
from wallet_rpc.primitives import Address, Word

_DEEPEST = 4
"""The maximum depth of nested self-calls that are decoded; the account runs fewer."""
_DEPOSITS_SLOT = 0
"""The storage slot of the entry point's mapping of deposits."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Value that one call sends, in wei."""

    to: Address
    value: int
    is_opaque: bool = False
    """True for a call of the account's own functions that is not decoded. It may send and receive any value."""


def transfers_of(account: Address, calls: Sequence[Call]) -> tuple[Transfer, ...]:
    """List the transfers of a batch in order, including transfers nested in the account's own `execute` functions.

    A single call of the account to itself runs as its data alone, so its value is not sent.
    """
    if len(calls) == 1 and calls[0].to == account:
        return tuple(_inner(account, calls[0], depth=1))
    return tuple(_transfers(account, calls, depth=0))


def _transfers(account: Address, calls: Iterable[Call], *, depth: int) -> Iterator[Transfer]:
    for call in calls:
        yield Transfer(call.to, call.value)
        if call.to == account and call.data:
            yield from _inner(account, call, depth=depth + 1)


def _inner(account: Address, call: Call, *, depth: int) -> Iterator[Transfer]:
    """List the transfers of a call to the account itself."""
    inner = decode_calls(account, call.data)
    if inner is None or depth > _DEEPEST or any(each.to == account and each.data == call.data for each in inner):
        yield Transfer(account, 0, is_opaque=True)
    else:
        yield from _transfers(account, inner, depth=depth)


def required_balance(account: Address, transfers: Iterable[Transfer]) -> int:
    """Return the smallest balance that covers every transfer if the account receives nothing in between; in wei.

    A transfer to the account itself must be covered, but spends nothing.
    """
    needed = 0
    spent = 0
    for each in transfers:
        needed = max(needed, spent + each.value)
        spent += 0 if each.to == account else each.value
    return needed


def take_payable_transfers(account: Address, transfers: Sequence[Transfer], available: int) -> Sequence[Transfer]:
    """Return the transfers before the first one that exceeds the `available` balance; all if the balance covers all."""
    spent = 0
    for at, each in enumerate(transfers):
        if spent + each.value > available:
            return transfers[:at]
        spent += 0 if each.to == account else each.value
    return transfers


def deposit_slot(account: Address) -> Word:
    """Return the entry point's storage slot of an account's deposit, in wei: the first word of its `DepositInfo`."""
    return Word(keccak(abi.address(account) + abi.uint(_DEPOSITS_SLOT)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """An account's balance and deposit, and the value that its calls send; in wei."""

    account: Address
    balance: int
    deposit: int = 0
    """The deposit in the entry point, which pays for gas only."""
    value: int
    """The value that the calls send, as computed by `required_balance`."""

    def available(self, gas_cost: int) -> int:
        """Return the balance left for the calls after this gas cost; negative when gas alone costs too much."""
        return self.balance - max(0, gas_cost - self.deposit)

    def shortfall(self, gas_cost: int) -> int:
        """Return the amount that the balance lacks for calls and gas; zero or less when it is sufficient."""
        return self.value - self.available(gas_cost)

    def build_insufficient_funds_error(self, gas_cost: int | None) -> Rejected:
        """Build the error for insufficient funds.

        `gas_cost` is the maximum gas cost for the account: 0 when a paymaster pays, None when unknown.
        """
        missing = self.shortfall(gas_cost or 0)
        total = self.balance + self.deposit
        amounts = {"balance": self.balance, "value": self.value, "missing": missing}
        if gas_cost == 0:
            text = f"sender balance is {self.balance} but must be at least {self.value}, which the calls send"
        else:
            amounts |= {"deposit": self.deposit} if gas_cost is None else {"deposit": self.deposit, "gasCost": gas_cost}
            text = (
                f"sender balance and deposit together is {total} but must be at least {total + missing} to pay for "
                f"this operation: the calls send {self.value}, and gas may cost {gas_cost or 'more'}"
            )
        facts: dict[str, Any] = {name: hex(amount) for name, amount in amounts.items()}
        available = self.balance if gas_cost == 0 else total
        text = (
            f"precheck failed: {text}; add {missing} wei to {self.account} "
            f"(it has {format_ether(available)} ETH and needs {format_ether(available + missing)} ETH)"
        )
        return Rejected(text, reason="insufficient_funds", **facts)

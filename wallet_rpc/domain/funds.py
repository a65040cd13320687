"""Native money that calls need: which value they send, and whether an account can have it when they do.

The rule: the entry point takes the most that gas may cost before the calls run, from the account's deposit and then its
balance; what calls send comes from the rest of the balance. Only code can pay in between, so a shortage is certain when
everything before it is a plain transfer. Source: EntryPoint v0.7, `_validatePrepayment`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.errors import Rejected
from wallet_rpc.primitives import Address, Word

_DEEPEST = 4
"""Calls of the account to itself that are looked into; the account runs fewer."""
_DEPOSITS_SLOT = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """Value that one call sends, in wei."""

    to: Address
    value: int
    is_opaque: bool = False
    """Whether the account runs a function of its own that is not read here, which may send and receive anything."""


def transfers_of(account: Address, calls: Sequence[Call]) -> tuple[Transfer, ...]:
    """The transfers of a batch in their order, with those of `execute` and `executeBatch` on the account itself.

    A lone call of the account to itself is run as its bare data, so its own value goes nowhere.
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
    """The transfers of a call to the account itself."""
    inner = decode_calls(account, call.data)
    if inner is None or depth > _DEEPEST or any(each.to == account and each.data == call.data for each in inner):
        yield Transfer(account, 0, is_opaque=True)
    else:
        yield from _transfers(account, inner, depth=depth)


def required_balance(account: Address, transfers: Iterable[Transfer]) -> int:
    """The least balance with which every transfer finds its value when nothing is paid in between; in wei.

    What the account sends to itself must be there, but is not spent.
    """
    needed = spent = 0
    for each in transfers:
        needed = max(needed, spent + each.value)
        spent += 0 if each.to == account else each.value
    return needed


def take_payable_transfers(account: Address, transfers: Sequence[Transfer], available: int) -> Sequence[Transfer]:
    """The transfers before the first one that does not find its value; all of them when each does."""
    spent = 0
    for at, each in enumerate(transfers):
        if spent + each.value > available:
            return transfers[:at]
        spent += 0 if each.to == account else each.value
    return transfers


def deposit_slot(account: Address) -> Word:
    """Where the entry point keeps an account's deposit, in wei: the first word of its `DepositInfo`."""
    return Word(keccak(abi.address(account) + abi.uint(_DEPOSITS_SLOT)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """An account's money and what is asked of it; in wei."""

    account: Address
    balance: int
    deposit: int = 0
    """In the entry point: it pays for gas, and for nothing else."""
    value: int
    """What the calls send, as `required_balance` counts it."""

    def available(self, gas_cost: int) -> int:
        """What is left for the calls when gas may cost so much; negative when gas alone is too much."""
        return self.balance - max(0, gas_cost - self.deposit)

    def shortfall(self, gas_cost: int) -> int:
        """What has to be added to the balance; zero or less when it is enough."""
        return self.value - self.available(gas_cost)

    def build_insufficient_funds_error(self, gas_cost: int | None) -> Rejected:
        """The refusal. `gas_cost`: the most that gas may cost the account, 0 when another pays, None when unknown."""
        missing, held = self.shortfall(gas_cost or 0), self.balance + self.deposit
        facts = {"balance": self.balance, "value": self.value, "missing": missing}
        if gas_cost == 0:
            text = f"sender balance is {self.balance} but must be at least {self.value}, which the calls send"
        else:
            facts |= {"deposit": self.deposit} if gas_cost is None else {"deposit": self.deposit, "gasCost": gas_cost}
            text = (
                f"sender balance and deposit together is {held} but must be at least {held + missing} to pay for this "
                f"operation: the calls send {self.value}, and gas may cost {gas_cost or 'more'}"
            )
        return Rejected(
            f"precheck failed: {text}; add {missing} wei to {self.account}",
            reason="insufficient_funds",
            **{name: hex(amount) for name, amount in facts.items()},
        )

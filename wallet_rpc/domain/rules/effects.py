"""Effects of a user operation's calls: amounts, recipients, and what cannot be read of them.

Calls inside other calls count: the account's own `execute`, `executeBatch` and `executeWithRuntimeValidation`, and the
usual forms of `multicall` and of Multicall3. Everything is read as strictly as Solidity reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.rules.inner_calls import INNER_CALLS
from wallet_rpc.domain.rules.token_functions import MOVING_FUNCTIONS, Amount
from wallet_rpc.primitives import Address, Data, Selector

NATIVE = "native"
"""Name of the native token's amount."""
CALL_COUNT = "calls"
"""Name of the number of calls."""
UNLIMITED = (1 << 256) - 1
"""The amount of an allowance without a limit."""
_MAX_DEPTH = 8
"""Maximum depth of calls inside calls."""
_MAX_CALLS = 1000
"""Maximum number of calls in an operation, inner ones included."""


def name_token(token: Address | None) -> str:
    """Return the name under which the amount of a token counts; None: the native token."""
    return NATIVE if token is None else token.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One call. Only one that contains no other call which can be read has an effect of its own."""

    target: Address
    value: int
    """Native amount in wei that the account pays."""
    forwarded: int = 0
    """Native amount that the contract around this call pays from what the account paid to it."""
    data: Data
    is_of_account: bool = False
    """True for a function of the account itself that is not known to be harmless: it may do anything."""
    is_outer: bool = False
    """True for a call with calls inside of it, which have effects in its place."""

    @property
    def selector(self) -> Selector | None:
        """The function; None for call data of less than four bytes."""
        return Selector(self.data[:4]) if len(self.data) >= 4 else None

    @property
    def recipients(self) -> tuple[Address, ...] | None:
        """The addresses that receive native tokens, tokens, or an allowance; None if they cannot be read."""
        if self.is_of_account:
            return None
        if not self.data:
            return (self.target,)
        function = None if self.selector is None else MOVING_FUNCTIONS.get(self.selector)
        if function is None:
            return None
        paid = (self.target,) if self.value or self.forwarded else ()
        try:
            return (*paid, *(Reader(self.data[4:]).address(32 * index) for index in function.recipients))
        except AbiDecodeError:
            return None

    @property
    def token_amount(self) -> int | None:
        """The amount of the called contract's token that the account moves or allows; None if it cannot be read."""
        if not self.data and not self.is_of_account:
            return 0
        function = None if self.is_of_account or self.selector is None else MOVING_FUNCTIONS.get(self.selector)
        amount = Amount.UNKNOWN if function is None else function.amount
        if isinstance(amount, Amount):
            return {Amount.NONE: 0, Amount.UNLIMITED: UNLIMITED, Amount.UNKNOWN: None}[amount]
        try:
            return Reader(self.data[4:]).word(32 * amount)
        except AbiDecodeError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """All effects of an operation."""

    account: Address
    effects: tuple[Effect, ...]
    outer_calls: tuple[Effect, ...] = ()
    """Calls with calls inside of them: they have arguments, and no effects of their own."""
    amounts: Mapping[str, int] = field(init=False)
    """Sums by name: `NATIVE`, `CALL_COUNT`, and tokens by the hex digits of their address; without zeros."""

    def __post_init__(self) -> None:
        """Add up the amounts, none above `UNLIMITED`."""
        sums: defaultdict[str, int] = defaultdict(int)
        for effect in self.effects:
            sums[NATIVE] += effect.value
            sums[name_token(effect.target)] += effect.token_amount or 0
        sums[CALL_COUNT] = len(self.effects)
        kept = {name: min(amount, UNLIMITED) for name, amount in sums.items() if amount}
        object.__setattr__(self, "amounts", kept)

    @property
    def has_account_function(self) -> bool:
        """True if a call reaches a function of the account that may do anything."""
        return any(effect.is_of_account for effect in self.effects)

    def can_count(self, token: Address | None) -> bool:
        """Return True if the amount of a token is certain; None: the native token."""
        if self.has_account_function:
            return False
        return token is None or all(each.token_amount is not None for each in self.effects if each.target == token)


def read_effects(account: Address, call_data: bytes) -> Effects | None:
    """Read the effects of an operation's call data; None if its calls cannot be decoded, or are too many or too deep.

    Empty call data has no effects: it only deploys the account or installs a session.
    """
    if not call_data:
        return Effects(account=account, effects=())
    calls = decode_calls(account, call_data)
    if calls is None:
        return None
    effects: list[Effect] = []
    outer_calls: list[Effect] = []
    try:
        for effect in _flatten(account, calls, depth=0):
            (outer_calls if effect.is_outer else effects).append(effect)
            if len(effects) > _MAX_CALLS:
                return None
    except AbiDecodeError:
        return None
    return Effects(account=account, effects=tuple(effects), outer_calls=tuple(outer_calls))


def _flatten(account: Address, calls: Iterable[Call], *, depth: int) -> Iterator[Effect]:
    """Yield the effects of the account's calls. Raises: AbiDecodeError for calls that cannot be decoded."""
    if depth > _MAX_DEPTH:
        raise AbiDecodeError("calls are nested too deeply")
    for call in calls:
        if call.to == account:
            yield from _flatten_self(account, call, depth=depth)
            continue
        yield from _flatten_other(account, call, forwarded=None, depth=depth)


def _flatten_self(account: Address, call: Call, *, depth: int) -> Iterator[Effect]:
    """Yield the effects of a call of the account to itself."""
    if call.value or not call.data:
        yield Effect(target=account, value=call.value, data=Data())
    selector = call.data[:4]
    if selector in {abi.EXECUTE, abi.EXECUTE_BATCH}:
        inner = decode_calls(account, call.data)
    elif selector == abi.EXECUTE_WITH_RUNTIME_VALIDATION:
        reader = Reader(call.data[4:])
        inner = (Call(to=account, data=reader.blob(reader.word(0))),)
    else:
        if call.data:
            yield Effect(target=account, value=0, data=call.data, is_of_account=True)
        return
    if inner is None:
        raise AbiDecodeError("the inner calls cannot be decoded")
    yield Effect(target=account, value=0, data=call.data, is_outer=True)
    yield from _flatten(account, inner, depth=depth + 1)


def _flatten_other(account: Address, call: Call, *, forwarded: int | None, depth: int) -> Iterator[Effect]:
    """Yield the effects of a call to another contract; `forwarded` is the value if the account does not pay it."""
    value = call.value if forwarded is None else 0
    read = INNER_CALLS.get(Selector(call.data[:4])) if len(call.data) >= 4 else None
    if read is None:
        yield Effect(target=call.to, value=value, forwarded=forwarded or 0, data=call.data)
        return
    if depth >= _MAX_DEPTH:
        raise AbiDecodeError("calls are nested too deeply")
    if call.value:
        yield Effect(target=call.to, value=value, forwarded=forwarded or 0, data=Data())
    yield Effect(target=call.to, value=0, data=call.data, is_outer=True)
    for inner in read(call.to, Reader(call.data[4:])):
        yield from _flatten_other(account, inner, forwarded=inner.value, depth=depth + 1)

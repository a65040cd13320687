"""The call data of a user operation as the account and the modules read it: the called function and its calls.

The contracts decode with different strictness. The account only follows the offsets that it needs, before any hook
runs. The modules decode all arguments as Solidity does: offsets and lengths within the data, overlaps allowed. Values
are slices of the data, so that overlapping ones take no memory.
Source: `Permissions`, `Batches` and `WrappedCalls` in devchain/contracts; Solidity's ABI decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wallet_rpc.domain import abi
from wallet_rpc.primitives import Address, Selector


class _MalformedError(ValueError):
    """The arguments do not decode."""


@dataclass(frozen=True, slots=True)
class Element:
    """One call by the account: target, value in wei, and call data as a slice of the operation's."""

    to: Address
    value: int
    data: memoryview

    @property
    def selector(self) -> Selector:
        """The first four bytes of the call data, padded with zeros."""
        return Selector(bytes(self.data[:4]).ljust(4, b"\0"))

    @property
    def second_argument(self) -> int:
        """The second word of the arguments: the amount of `transfer` and `approve`."""
        return int.from_bytes(self.data[36:68], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCall:
    """One function of the account with its arguments, without the executeUserOp prefix.

    `selector` is None for call data without a function.
    """

    selector: Selector | None
    arguments: memoryview
    elements: tuple[Element, ...] | None = None
    """The calls of execute and executeBatch; None when they do not decode, and for other functions."""

    @property
    def is_execution(self) -> bool:
        """True for execute and executeBatch, the only functions that the allowlist looks into."""
        return self.selector in (abi.EXECUTE, abi.EXECUTE_BATCH)

    @property
    def created_value(self) -> int:
        """The value that performCreate gives to the new contract, in wei; 0 for other functions."""
        return int.from_bytes(self.arguments[:32], "big") if self.selector == abi.PERFORM_CREATE else 0


def read_account_call(call_data: bytes) -> AccountCall:
    """Read the call data of an operation; a leading executeUserOp selector is removed once."""
    view = memoryview(call_data)
    body = view[4:] if call_data[:4] == abi.EXECUTE_USER_OP else view
    if len(body) < 4:
        return AccountCall(selector=None, arguments=body)
    selector, arguments = Selector(bytes(body[:4])), body[4:]
    elements: tuple[Element, ...] | None = None
    try:
        if selector == abi.EXECUTE:
            elements = (_read_element(arguments, 0),)
        elif selector == abi.EXECUTE_BATCH:
            elements = _read_batch(arguments)
    except _MalformedError:
        pass
    return AccountCall(selector=selector, arguments=arguments, elements=elements)


def find_first_target(arguments: memoryview) -> Address | None:
    """Return the target of execute as the account reads it, without a check of the bits above the address."""
    return None if len(arguments) < 32 else Address(bytes(arguments[12:32]))


def read_self_calls(arguments: memoryview, account: Address) -> Iterator[tuple[int, Selector] | None]:
    """Yield position and function of each call of executeBatch that goes to the account itself.

    Only the parts that the account reads are checked, one call after the other. None, the last item, means that the
    account rejects the rest with an empty revert.
    """
    try:
        offsets, count = _open_batch(arguments)
        for index in range(count):
            target, element = _read_target(_follow(offsets, 32 * index))
            if target == account:
                yield index, _read_function(_follow(element, 64))
    except _MalformedError:
        yield None


def _open_batch(arguments: memoryview) -> tuple[memoryview, int]:
    """Return the offsets to the calls of executeBatch, and their number."""
    items = _follow(arguments, 0)
    count, offsets = _word(items, 0), items[32:]
    if count > len(offsets) // 32:
        raise _MalformedError
    return offsets, count


def _read_target(element: memoryview) -> tuple[Address, memoryview]:
    if len(element) < 96 or any(element[:12]):
        raise _MalformedError
    return Address(bytes(element[12:32])), element


def _read_function(sized: memoryview) -> Selector:
    """Return the selector at the start of a `bytes` value."""
    length, data = _word(sized, 0), sized[32:]
    if not Selector.size <= length <= len(data):
        raise _MalformedError
    return Selector(bytes(data[:4]))


def _follow(source: memoryview, position: int) -> memoryview:
    """Follow the offset at `position`, counted from the start of `source`."""
    offset = _word(source, position)
    if offset > len(source):
        raise _MalformedError
    return source[offset:]


def _word(source: memoryview, position: int) -> int:
    if position + 32 > len(source):
        raise _MalformedError
    return int.from_bytes(source[position : position + 32], "big")


def _read_element(source: memoryview, start: int) -> Element:
    """Read the tuple (address, uint256, bytes) whose head is at `start`."""
    if start + 96 > len(source) or any(source[start : start + 12]):
        raise _MalformedError
    at = start + _word(source, start + 64)
    length = _word(source, at)
    if at + 32 + length > len(source):
        raise _MalformedError
    return Element(
        Address(bytes(source[start + 12 : start + 32])), _word(source, start + 32), source[at + 32 : at + 32 + length]
    )


def _read_batch(source: memoryview) -> tuple[Element, ...]:
    start = _word(source, 0)
    count, first = _word(source, start), start + 32
    if first + 32 * count > len(source):
        raise _MalformedError
    return tuple(_read_element(source, first + _word(source, first + 32 * index)) for index in range(count))

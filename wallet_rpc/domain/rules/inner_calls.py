"""Calls inside the arguments of widespread functions: `multicall` of a contract on itself, and Multicall3.

Sources: OpenZeppelin Multicall; Uniswap SwapRouter02 and Multicall; Multicall3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, TypeAlias

from wallet_rpc.domain.abi import selector_of
from wallet_rpc.domain.abi_reader import Reader
from wallet_rpc.domain.account import Call
from wallet_rpc.primitives import Address, Selector

CallReader: TypeAlias = Callable[[Address, Reader], Iterator[Call]]
"""Yields the inner calls of a call to a contract, from the arguments. Raises: AbiDecodeError."""


def _read_own(target: Address, reader: Reader, *, argument: int) -> Iterator[Call]:
    """Yield the calls of a contract on itself, from the `bytes[]` argument with this index."""
    start = reader.word(32 * argument)
    for at in reader.items(start):
        yield Call(to=target, data=reader.blob(start + 32 + reader.word(at)))


def _read_others(_: Address, reader: Reader, *, argument: int, data: int, value: int | None = None) -> Iterator[Call]:
    """Yield the calls in an array of tuples that begin with the target; `data` and `value` are members of the tuple."""
    start = reader.word(32 * argument)
    for at in reader.items(start):
        item = start + 32 + reader.word(at)
        yield Call(
            to=reader.address(item),
            value=0 if value is None else reader.word(item + 32 * value),
            data=reader.blob(item + reader.word(item + 32 * data)),
        )


_FORMS: Final[Mapping[str, CallReader]] = {
    "multicall(bytes[])": partial(_read_own, argument=0),
    "multicall(uint256,bytes[])": partial(_read_own, argument=1),
    "multicall(bytes32,bytes[])": partial(_read_own, argument=1),
    "aggregate((address,bytes)[])": partial(_read_others, argument=0, data=1),
    "blockAndAggregate((address,bytes)[])": partial(_read_others, argument=0, data=1),
    "tryAggregate(bool,(address,bytes)[])": partial(_read_others, argument=1, data=1),
    "tryBlockAndAggregate(bool,(address,bytes)[])": partial(_read_others, argument=1, data=1),
    "aggregate3((address,bool,bytes)[])": partial(_read_others, argument=0, data=2),
    "aggregate3Value((address,bool,uint256,bytes)[])": partial(_read_others, argument=0, data=3, value=2),
}

INNER_CALLS: Final[Mapping[Selector, CallReader]] = {
    selector_of(signature): reader for signature, reader in _FORMS.items()
}
"""The readers by the selector of the outer function."""

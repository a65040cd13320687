"""Decoded calls: function, arguments, token amounts, and the calls inside of a call such as a multicall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from wallet_rpc.domain.abi_reader import AbiDecodeError
from wallet_rpc.domain.decoding.functions import AbiFunction, AbiType, Parameter
from wallet_rpc.domain.decoding.table import bundled_functions
from wallet_rpc.domain.decoding.values import DecodedValue, decode_arguments, name_of
from wallet_rpc.primitives import Address, Data, Selector

MAX_NESTED = 3
"""The maximum depth of calls in calls."""
MAX_DECODED = 200
"""The maximum number of decoded calls in a list of calls, those inside of others included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAmount:
    """An amount of a token among the arguments of a call, in the token's smallest unit."""

    token: Address
    argument: str
    """The path of the argument, such as `params.amountIn`."""
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedCall:
    """A call by its function; `arguments` is None where they do not decode."""

    to: Address
    function: AbiFunction
    arguments: dict[str, DecodedValue] | None = None
    amounts: tuple[TokenAmount, ...] = ()
    calls: tuple[DecodedCall, ...] = ()

    def find_tokens(self) -> Iterator[Address]:
        """Yield the tokens of the amounts, then those of the calls inside."""
        yield from (one.token for one in self.amounts)
        for call in self.calls:
            yield from call.find_tokens()


@dataclass(frozen=True, slots=True)
class Abis:
    """The functions of a request: of single contracts, and of any contract. They come before the bundled ones."""

    by_contract: Mapping[Address, Mapping[Selector, AbiFunction]] = field(default_factory=dict)
    anywhere: Mapping[Selector, AbiFunction] = field(default_factory=dict)

    def find(self, to: Address, selector: Selector) -> AbiFunction | None:
        """Return the function that a contract most likely has with this selector."""
        own = self.by_contract.get(to, {})
        return own.get(selector) or self.anywhere.get(selector) or bundled_functions().get(selector)


class CallDecoder:
    """A decoder of the calls of one request or answer, which limits their number."""

    def __init__(self, abis: Abis, *, limit: int = MAX_DECODED) -> None:
        self._abis = abis
        self._left = limit

    def decode(self, to: Address, data: bytes, depth: int = 0) -> DecodedCall | None:
        """Decode a call; None when its function is not known, or when too many calls are decoded already."""
        if len(data) < Selector.size or depth > MAX_NESTED or self._left == 0:
            return None
        function = self._abis.find(to, Selector(data[:4]))
        if function is None:
            return None
        self._left -= 1
        try:
            arguments = decode_arguments(function.inputs, data[4:])
        except AbiDecodeError:
            return DecodedCall(to=to, function=function)
        marks = tuple(_find_marks(function.inputs, arguments, to))
        inner = (self.decode(mark.contract, bytes(Data.parse(mark.value)), depth + 1) for mark in marks if mark.is_call)
        return DecodedCall(
            to=to,
            function=function,
            arguments=arguments,
            amounts=tuple(
                TokenAmount(token=mark.contract, argument=mark.path, amount=int(mark.value))
                for mark in marks
                if not mark.is_call
            ),
            calls=tuple(call for call in inner if call is not None),
        )


@dataclass(frozen=True, slots=True)
class _Mark:
    """A marked value, and the contract that its mark names: the token of an amount, or the target of call data."""

    contract: Address
    path: str
    value: str
    is_call: bool


def _find_marks(
    parameters: Sequence[Parameter], values: Mapping[str, DecodedValue], to: Address, path: str = ""
) -> Iterator[_Mark]:
    """Yield the marked values of a sequence, and those inside of its tuples."""
    for position, parameter in enumerate(parameters):
        name = name_of(parameter, position)
        value = values[name]
        mark = parameter.token or parameter.callee
        if mark is not None:
            contract = _resolve(mark, values, to)
            items = value if isinstance(value, list) else [value]
            if contract is not None:
                yield from (_Mark(contract, path + name, item, parameter.token is None) for item in items)
        elif parameter.type.base == "tuple":
            yield from _find_inner(parameter.type, value, to, path + name)


def _find_inner(kind: AbiType, value: DecodedValue, to: Address, path: str) -> Iterator[_Mark]:
    if not kind.dimensions:
        yield from _find_marks(kind.components, value, to, f"{path}.")
        return
    for index, item in enumerate(value):
        yield from _find_inner(kind.item, item, to, f"{path}.{index}")


def _resolve(mark: str, values: Mapping[str, DecodedValue], to: Address) -> Address | None:
    """Return the contract that a mark names: `self`, a parameter, or an item of one such as `path.-1`."""
    if mark == "self":
        return to
    name, _, index = mark.partition(".")
    value = values[name]
    if index:
        value = value[int(index)] if value else None
    return None if value is None else Address.parse(value)

"""Functions of contracts with the names and types of their parameters, from JSON ABIs and from signatures.

A signature is written as in Solidity: `transfer(address to, uint256 amount)`; a tuple is `(address to, uint256 n)[]`.
In the bundled table a parameter may have marks after its name: `@token` for an amount of the token in the parameter
`token`, and `>target` for call data of the contract in `target`; `self` is the called contract.
Source: Solidity contract ABI specification, JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from wallet_rpc.domain.abi import selector_of
from wallet_rpc.primitives import Selector

MAX_TUPLE_DEPTH = 8
"""The maximum depth of tuples in each other, and the maximum number of dimensions of an array."""
MAX_PARAMETERS = 64
"""The maximum number of parameters of a function, those of its tuples included."""
LONGEST_FUNCTION = 4000
"""The maximum length of a signature, in characters."""
LONGEST_NAME = 100
"""The maximum length of a function's or parameter's name, in characters."""
_BASE = re.compile(r"address|bool|string|function|bytes(\d{1,2})?|u?int(\d{1,3})?|tuple", re.ASCII)
_ARRAY = re.compile(r"\[(\d{0,9})\]", re.ASCII)
_TOKEN = re.compile(r"\s*([A-Za-z_$][\w$]*|\[\d{0,9}\]|[(),]|[@>][\w.-]+)", re.ASCII)
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_LOCATIONS = frozenset({"memory", "calldata", "storage", "payable"})


class AbiError(ValueError):
    """A function or a type that cannot be read; the text says what is wrong, for the caller."""


@dataclass(frozen=True, slots=True)
class AbiType:
    """A type: its base such as `uint256` or `tuple`, the parts of a tuple, and the sizes of its arrays.

    `dimensions` are from the innermost array to the outermost; None is an array of any size.
    """

    base: str
    components: tuple[Parameter, ...] = ()
    dimensions: tuple[int | None, ...] = ()

    @property
    def text(self) -> str:
        """The type as in the signature of a function."""
        inner = self.base if self.base != "tuple" else f"({','.join(part.type.text for part in self.components)})"
        return inner + "".join(f"[{'' if size is None else size}]" for size in self.dimensions)

    @property
    def item(self) -> AbiType:
        """The type of the items of an array."""
        return replace(self, dimensions=self.dimensions[:-1])

    @property
    def is_dynamic(self) -> bool:
        """True if the value is encoded at an offset."""
        if None in self.dimensions or self.base in ("bytes", "string"):
            return True
        return any(part.type.is_dynamic for part in self.components) and 0 not in self.dimensions

    @property
    def head_size(self) -> int:
        """The size of the value in the head of a sequence, in bytes."""
        if self.is_dynamic:
            return 32
        size = 32 if self.base != "tuple" else sum(part.type.head_size for part in self.components)
        for length in self.dimensions:
            size *= length or 0
        return size


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function or part of a tuple, with its marks."""

    name: str
    type: AbiType
    token: str | None = None
    """The parameter with the token that this one is an amount of."""
    callee: str | None = None
    """The parameter with the contract that this one is call data for."""


@dataclass(frozen=True)
class AbiFunction:
    """A function with its parameters; `source` is the standard that it belongs to."""

    name: str
    inputs: tuple[Parameter, ...]
    source: str

    @cached_property
    def signature(self) -> str:
        """The canonical signature, from which the selector is made."""
        return f"{self.name}({','.join(part.type.text for part in self.inputs)})"

    @cached_property
    def selector(self) -> Selector:
        """The first four bytes of the signature's hash."""
        return selector_of(self.signature)


def parse_signature(text: str, source: str, *, is_marked: bool = False) -> AbiFunction:
    """Parse a signature with or without the names of its parameters; marks only if `is_marked`. Raises: AbiError."""
    if len(text) > LONGEST_FUNCTION:
        raise AbiError(f"expected a signature of at most {LONGEST_FUNCTION} characters")
    return _SignatureParser(text, is_marked=is_marked).parse(source)


def parse_json_function(entry: Mapping[str, Any], source: str) -> AbiFunction:
    """Parse the entry of a function in a JSON ABI. Raises: AbiError."""
    counter = _Counter()
    name = _check_name(entry.get("name"))
    if name == "":
        raise AbiError("expected a name of the function")
    return AbiFunction(name, _parse_json_inputs(entry.get("inputs"), counter, 0), source)


class _Counter:
    """A count of parameters, which is limited."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, depth: int) -> None:
        """Count one parameter at a depth. Raises: AbiError."""
        self._count += 1
        if self._count > MAX_PARAMETERS or depth > MAX_TUPLE_DEPTH:
            raise AbiError(f"expected at most {MAX_PARAMETERS} parameters, and {MAX_TUPLE_DEPTH} tuples in each other")


def _parse_json_inputs(inputs: object, counter: _Counter, depth: int) -> tuple[Parameter, ...]:
    if not isinstance(inputs, Sequence) or isinstance(inputs, str | bytes):
        raise AbiError("expected a list of parameters in inputs or components")
    parameters = []
    for one in inputs:
        counter.add(depth)
        if not isinstance(one, Mapping) or not isinstance(one.get("type"), str):
            raise AbiError("expected a parameter with a type")
        text = one["type"]
        is_tuple = text == "tuple" or text.startswith("tuple[")
        components = _parse_json_inputs(one.get("components"), counter, depth + 1) if is_tuple else ()
        parameters.append(Parameter(_check_name(one.get("name", "")), _parse_type(text, components)))
    return tuple(parameters)


def _check_name(name: object) -> str:
    """Return a name, which may be empty. Raises: AbiError."""
    is_name = isinstance(name, str) and len(name) <= LONGEST_NAME and (not name or _NAME.fullmatch(name))
    if not is_name:
        raise AbiError(f"expected a name of at most {LONGEST_NAME} letters, digits and underscores")
    return str(name)


def _parse_type(text: str, components: tuple[Parameter, ...]) -> AbiType:
    """Parse a type such as `uint256[2][]`; a tuple's components are parsed before. Raises: AbiError."""
    base, bracket, rest = text[:LONGEST_NAME].partition("[")
    suffix = bracket + rest
    sizes = _ARRAY.findall(suffix)
    if len(text) > LONGEST_NAME or _ARRAY.sub("", suffix) or len(sizes) > MAX_TUPLE_DEPTH:
        raise AbiError(f"expected a type, got {text[:LONGEST_NAME]}")
    dimensions = tuple(int(size) if size else None for size in sizes)
    return AbiType(_check_base(base), components, dimensions)


def _check_base(base: str) -> str:
    """Return the canonical name of a type. Raises: AbiError for one that does not exist, and for functions."""
    found = _BASE.fullmatch(base)
    if found is None or base == "function":
        raise AbiError(f"expected a type, got {base}")
    if base in ("uint", "int"):
        return f"{base}256"
    bits = found[2]
    if bits is not None and (bits.startswith("0") or int(bits) % 8 or not 8 <= int(bits) <= 256):
        raise AbiError(f"expected a type, got {base}")
    if found[1] is not None and (found[1].startswith("0") or int(found[1]) > 32):
        raise AbiError(f"expected a type, got {base}")
    return base


class _SignatureParser:
    """A parser of one signature, by recursive descent."""

    def __init__(self, text: str, *, is_marked: bool) -> None:
        self._is_marked = is_marked
        self._tokens: list[str] = []
        self._position = 0
        self._counter = _Counter()
        position = 0
        text = text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None or len(found[1]) > LONGEST_NAME:
                raise AbiError("expected a signature such as transfer(address to, uint256 amount)")
            self._tokens.append(found[1])
            position = found.end()

    def parse(self, source: str) -> AbiFunction:
        """Parse the whole text; what follows the parameters, such as `external returns (bool)`, is ignored."""
        if self._peek() == "function":
            self._next()
        name = self._next()
        if not _NAME.fullmatch(name):
            raise AbiError("expected the name of a function")
        return AbiFunction(name, self._parse_list(0), source)

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        if self._position == len(self._tokens):
            raise AbiError("expected a signature such as transfer(address to, uint256 amount)")
        self._position += 1
        return self._tokens[self._position - 1]

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise AbiError(f"expected {token} in a signature, got {found}")

    def _parse_list(self, depth: int) -> tuple[Parameter, ...]:
        self._expect("(")
        parameters: list[Parameter] = []
        while self._peek() != ")":
            if parameters:
                self._expect(",")
            self._counter.add(depth)
            parameters.append(self._parse_parameter(depth))
        self._next()
        return tuple(parameters)

    def _parse_parameter(self, depth: int) -> Parameter:
        if self._peek() in ("(", "tuple"):
            if self._peek() == "tuple":
                self._next()
            components, base = self._parse_list(depth + 1), "tuple"
        else:
            components, base = (), self._next()
        while self._peek().startswith("["):
            base += self._next()
        kind = _parse_type(base, components)
        while self._peek() in _LOCATIONS:
            self._next()
        name = self._next() if _NAME.fullmatch(self._peek()) else ""
        marks: dict[str, str] = {}
        while self._is_marked and self._peek()[:1] in ("@", ">"):
            mark = self._next()
            marks[mark[0]] = mark[1:]
        return Parameter(name, kind, marks.get("@"), marks.get(">"))

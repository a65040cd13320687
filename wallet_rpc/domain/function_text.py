"""Functions of contracts as requests name them: a signature such as `transfer(address,uint256)`, or a selector."""

from __future__ import annotations

import re

from eth_abi.exceptions import ParseError
from eth_abi.grammar import ABIType, BasicType, TupleType, normalize, parse

from wallet_rpc.domain.abi import selector_of
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Selector

LONGEST_SIGNATURE = 256
"""The maximum length of a function's signature, in characters."""
MAX_ARRAYS = 16
"""The maximum number of array brackets in a signature; the parser is slow for many."""
_SIGNATURE = re.compile(r"(?:function )?([A-Za-z_$][A-Za-z0-9_$]*)(\(.*\))", re.ASCII)
_SIZED = frozenset({"uint", "int", "bytes", "fixed", "ufixed"})
_UNSIZED = frozenset({"address", "bool", "string", "bytes"})
_SELECTOR = re.compile(r"0x[0-9a-fA-F]{8}", re.ASCII)


def parse_function(text: str, *, at: str) -> Selector:
    """Parse a function, given as `name(types)` or as a selector. Raises: InvalidParams (function_malformed)."""
    if _SELECTOR.fullmatch(text):
        return Selector.parse(text)
    is_short = len(text) <= LONGEST_SIGNATURE and text.count("[") <= MAX_ARRAYS
    signature = _SIGNATURE.fullmatch(text) if is_short else None
    if signature is not None and signature[2] == "()":
        return selector_of(f"{signature[1]}()")
    try:
        # eth-abi 6 reads the type function as bytes24, which gives another selector
        if signature is not None and "function" not in signature[2]:
            types = parse(normalize(signature[2]))  # type: ignore[no-untyped-call]  # eth-abi 6 has no type for it
            types.validate()
            _refuse_unknown(types)
            return selector_of(f"{signature[1]}{types.to_type_str()}")
    except (ParseError, ValueError, RecursionError):
        pass
    expected = (
        'a function as "name(type,type)", without argument names and without arguments of type function, '
        "or its selector"
    )
    raise InvalidParams(field=at, expected=expected, given=text, reason="function_malformed")


def _refuse_unknown(types: ABIType) -> None:
    """Check that all types exist, as the parser accepts any word and any size as a type. Raises: ValueError."""
    match types:
        case TupleType():
            for inner in types.components:
                _refuse_unknown(inner)
        case BasicType() if types.base not in (_UNSIZED if types.sub is None else _SIZED):
            raise ValueError(f"unknown type {types.base}{types.sub}")

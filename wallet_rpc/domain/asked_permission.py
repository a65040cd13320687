"""Permissions as ERC-7715 writes them, in its older and its newer drafts, and what they are as permissions of ours.

The rule: nothing is granted that was not asked, and nothing that was asked as a limit is left out. So unknown keys are
refused (they may be limits), so is every kind that our modules cannot enforce, also when it says `required: false`; and
a grant without a native allowance gets one of zero, since our calls may otherwise carry any value.

Sources: ERC-7715 (draft) and viem 2.57 `experimental/erc7715`, whose permissions carry their limits as `policies`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eth_abi.exceptions import ParseError
from eth_abi.grammar import ABIType, BasicType, TupleType, normalize, parse

from wallet_rpc.domain.abi import selector_of
from wallet_rpc.domain.guard import MAX_FUNCTIONS, MAX_PERMISSIONS
from wallet_rpc.domain.permission import (
    ContractAccess,
    Erc20Allowance,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasAllowance,
    GasLimit,
    NativeAllowance,
    NativeTokenTransfer,
    Permission,
    SelectedFunctions,
    Target,
    TargetFunctions,
)
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.primitives import Address, Selector, UnixSeconds, Wei, preview
from wallet_rpc.wire import decode, strict_shape

NO_FUNCTION = Selector(bytes(4))
"""What a module reads from empty call data: a plain transfer. Source: AllowlistModule of Modular Account v2."""
LONGEST_SIGNATURE = 256
"""Characters of a function's signature."""
MAX_ARRAYS = 16
"""Pairs of brackets in a signature; the parser takes long for many."""
_SIGNATURE = re.compile(r"(?:function )?([A-Za-z_$][A-Za-z0-9_$]*)(\(.*\))", re.ASCII)
_SIZED = frozenset({"uint", "int", "bytes", "fixed", "ufixed"})
_UNSIZED = frozenset({"address", "bool", "string", "bytes"})
_SELECTOR = re.compile(r"0x[0-9a-fA-F]{8}", re.ASCII)


@strict_shape
class Erc7715Policy:
    """A limit on one permission."""

    type: str
    data: dict[str, Any]


@strict_shape
class Erc7715Permission:
    """One permission; `type` says what `data` holds."""

    type: str
    data: dict[str, Any]
    policies: tuple[Erc7715Policy, ...] = ()
    required: bool | None = None
    is_adjustment_allowed: bool | None = None


@strict_shape
class _Native:
    allowance: Wei | None = None
    ticker: str | None = None
    justification: str | None = None
    start_time: UnixSeconds | None = None


@strict_shape
class _Token:
    address: Address | None = None
    token_address: Address | None = None
    allowance: Wei | None = None
    ticker: str | None = None
    justification: str | None = None
    start_time: UnixSeconds | None = None


@strict_shape
class _Gas:
    limit: Wei
    justification: str | None = None


@strict_shape
class _Contract:
    address: Address
    justification: str | None = None


@strict_shape
class _Calls:
    address: Address
    calls: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    justification: str | None = None


@strict_shape
class _Allowance:
    allowance: Wei


def translate_permissions(
    requested: Sequence[Erc7715Permission], *, now: UnixSeconds, at: Sequence[str]
) -> tuple[Permission, ...]:
    """Our permissions, the one of `asked[i]` at `i`, what goes with them behind; `at[i]` is where `asked[i]` stood.

    Raises: UnsupportedCapability that names what has no counterpart; InvalidParams for what is malformed.
    """
    _refuse_too_many(requested, at)
    made = [_translate(one, now, place) for one, place in zip(requested, at, strict=True)]
    natives = [one for one in made if isinstance(one, NativeTokenTransfer)]
    limits = [
        limit for one, place in zip(requested, at, strict=True) for limit in _gas_policies(one, len(requested), place)
    ]
    return (*made, *limits, _plain_transfers() if natives else _native(0))


def _refuse_too_many(requested: Sequence[Erc7715Permission], at: Sequence[str]) -> None:
    """The guard's own limits, before anything is parsed, which takes a while for each function."""
    lists = [one.data.get(name) for one in requested for name in ("calls", "functions")]
    functions = sum(len(one) for one in lists if isinstance(one, list))
    if len(requested) > MAX_PERMISSIONS or functions > MAX_FUNCTIONS:
        why = f"expected at most {MAX_PERMISSIONS} permissions with {MAX_FUNCTIONS} functions in all"
        raise InvalidParams(f"{at[0]}: {why}", field=at[0], reason="too_many")


def _translate(requested: Erc7715Permission, now: UnixSeconds, at: str) -> Permission:
    data = f"{at}.data"
    match requested.type:
        case "native-token-transfer" | "native-token-allowance":
            native = decode(_Native, requested.data, at=data)
            _refuse_later_start(native.start_time, now, data)
            return _native(_read_allowance(requested, native.allowance, at))
        case "erc20-token-transfer" | "erc20-token-allowance":
            token = decode(_Token, requested.data, at=data)
            _refuse_later_start(token.start_time, now, data)
            address = _require_one(token.address, token.token_address, f"{data}.address", f"{data}.tokenAddress")
            allowance = Erc20Allowance(address=address, allowance=_read_allowance(requested, token.allowance, at))
            return Erc20TokenTransfer(type="erc20-token-transfer", data=allowance)
        case "gas-limit":
            _refuse_policies(requested, (), at)
            limit = decode(_Gas, requested.data, at=data).limit
            return GasLimit(type="gas-limit", data=GasAllowance(limit=limit))
        case "contract-access":
            _refuse_policies(requested, ("gas-limit",), at)
            target = decode(_Contract, requested.data, at=data).address
            return ContractAccess(type="contract-access", data=Target(address=target))
        case "contract-call" | "functions-on-contract":
            _refuse_policies(requested, ("gas-limit",), at)
            return _calls(decode(_Calls, requested.data, at=data), data)
        case other:
            raise UnsupportedCapability(
                f"{at}.type: {preview(other)} cannot be enforced by this server's modules",
                reason="permission_not_supported",
                field=f"{at}.type",
                capability=other[:64],
            )


def _native(allowance: int) -> NativeTokenTransfer:
    return NativeTokenTransfer(type="native-token-transfer", data=NativeAllowance(allowance=allowance))


def _plain_transfers() -> FunctionsOnAllContracts:
    """A native allowance only bounds; this is what lets the session make a transfer."""
    functions = SelectedFunctions(functions=(NO_FUNCTION,))
    return FunctionsOnAllContracts(type="functions-on-all-contracts", data=functions)


def _calls(data: _Calls, at: str) -> FunctionsOnContract:
    if bool(data.calls) == bool(data.functions):
        raise InvalidParams(f"{at}: expected either calls or functions", field=at, reason="functions_malformed")
    name, texts = ("calls", data.calls) if data.calls else ("functions", data.functions)
    functions = tuple(_function(text, f"{at}.{name}[{index}]") for index, text in enumerate(texts))
    named = TargetFunctions(address=data.address, functions=functions)
    return FunctionsOnContract(type="functions-on-contract", data=named)


def _function(text: str, at: str) -> Selector:
    """The selector of `name(types)`, or the selector itself. Raises: InvalidParams (function_malformed)."""
    if _SELECTOR.fullmatch(text):
        return Selector.parse(text)
    is_short = len(text) <= LONGEST_SIGNATURE and text.count("[") <= MAX_ARRAYS
    found = _SIGNATURE.fullmatch(text) if is_short else None
    if found is not None and found[2] == "()":
        return selector_of(f"{found[1]}()")
    try:
        if found is not None and "function" not in found[2]:  # eth-abi 6 reads that type as bytes24, another selector
            types = parse(normalize(found[2]))  # type: ignore[no-untyped-call]  # eth-abi 6 does not type it
            types.validate()
            _refuse_unknown(types)
            return selector_of(f"{found[1]}{types.to_type_str()}")
    except (ParseError, ValueError, RecursionError):
        pass
    expected = (
        'expected a function as "name(type,type)" without names of arguments and without arguments of type function, '
        "or its selector"
    )
    raise InvalidParams(f"{at}: {expected}, got {preview(text)}", field=at, reason="function_malformed")


def _refuse_unknown(types: ABIType) -> None:
    """The parser takes any word for a type, with any size behind it. Raises: ValueError."""
    match types:
        case TupleType():
            for inner in types.components:
                _refuse_unknown(inner)
        case BasicType() if types.base not in (_UNSIZED if types.sub is None else _SIZED):
            raise ValueError(f"no type {types.base}{types.sub}")


def _read_allowance(requested: Erc7715Permission, stated: int | None, at: str) -> int:
    """How much, from `data` or from the one policy that says it. Raises: InvalidParams when it is not said once."""
    _refuse_policies(requested, ("token-allowance", "gas-limit"), at)
    said = [] if stated is None else [stated]
    for index, policy in enumerate(requested.policies):
        if policy.type == "token-allowance":
            said.append(decode(_Allowance, policy.data, at=f"{at}.policies[{index}].data").allowance)
    if len(said) != 1:
        raise InvalidParams(
            f"{at}: expected one allowance, in data or in a token-allowance policy, got {len(said)}",
            field=at,
            reason="allowance_missing" if not said else "duplicate_limit",
        )
    return said[0]


def _gas_policies(requested: Erc7715Permission, permissions: int, at: str) -> list[GasLimit]:
    """Raises: UnsupportedCapability beside other permissions, since our limit is one for the whole session."""
    limits = []
    for index, policy in enumerate(requested.policies):
        if policy.type != "gas-limit":
            continue
        place = f"{at}.policies[{index}]"
        if permissions > 1:
            raise _policy_error(policy, place, "a gas limit holds for all permissions here; ask for it as one of them")
        limit = decode(_Gas, policy.data, at=f"{place}.data").limit
        limits.append(GasLimit(type="gas-limit", data=GasAllowance(limit=limit)))
    return limits


def _refuse_policies(requested: Erc7715Permission, known: Sequence[str], at: str) -> None:
    for index, policy in enumerate(requested.policies):
        if policy.type not in known:
            raise _policy_error(policy, f"{at}.policies[{index}]", "it cannot be enforced on this permission")


def _policy_error(policy: Erc7715Policy, at: str, why: str) -> UnsupportedCapability:
    return UnsupportedCapability(
        f"{at}.type: {preview(policy.type)}: {why}",
        reason="policy_not_supported",
        field=f"{at}.type",
        capability=policy.type[:64],
    )


def _refuse_later_start(start: UnixSeconds | None, now: UnixSeconds, at: str) -> None:
    if start is not None and start > now:
        raise UnsupportedCapability(
            f"{at}.startTime: a session can be used from its grant on, not from {start}",
            reason="start_time_not_supported",
            field=f"{at}.startTime",
            capability="startTime",
        )


def _require_one(first: Address | None, second: Address | None, at: str, other: str) -> Address:
    if first is None:
        first, second = second, None
    if first is None or second is not None:
        raise InvalidParams(f"{at}: expected this or {other}, and not both", field=at)
    return first

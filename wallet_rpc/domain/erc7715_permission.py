"""ERC-7715 permissions, of its older and newer drafts, and their translation into wallet-rpc's permissions.

Invariant: the translation grants nothing that was not requested, and keeps every requested limit. Therefore:

- Unknown keys are rejected, since they may be limits.
- Kinds that the account's modules cannot enforce are rejected, even with `required: false`.
- A grant without a native allowance gets an allowance of zero, since calls could otherwise carry any value.

Sources: ERC-7715 (draft) and viem 2.57 `experimental/erc7715`, whose permissions carry their limits as `policies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wallet_rpc.domain.function_text import parse_function
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
"""The selector of empty call data, a plain transfer, in the modules. Source: AllowlistModule of Modular Account v2."""


@strict_shape
class Erc7715Policy:
    """A limit on one permission."""

    type: str
    """`token-allowance` or `gas-limit`; the server rejects policies that no module enforces."""
    data: dict[str, Any]
    """For `token-allowance` an `allowance`, for `gas-limit` a `limit` in wei."""


@strict_shape
class Erc7715Permission:
    """One permission; `type` determines the members of `data`."""

    type: str
    """Kind, such as `native-token-transfer`, `erc20-token-transfer`, `gas-limit`, `contract-access` or `contract-call`.
    """
    data: dict[str, Any]
    """Target, allowance or functions of the permission, by its kind."""
    policies: tuple[Erc7715Policy, ...] = ()
    """Limits on this permission, in the form of older drafts."""
    required: bool | None = None
    """Accepted and without effect: every requested permission is granted, or the request is rejected."""
    is_adjustment_allowed: bool | None = None
    """Accepted and without effect: the server never grants less than was requested."""


@strict_shape
class _Native:
    allowance: Wei | None = None
    allowance_amount: Wei | None = None
    ticker: str | None = None
    justification: str | None = None
    start_time: UnixSeconds | None = None


@strict_shape
class _Token:
    address: Address | None = None
    token_address: Address | None = None
    allowance: Wei | None = None
    allowance_amount: Wei | None = None
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
    """Translate ERC-7715 permissions into wallet-rpc's permissions.

    The translation of `requested[i]` is at position `i`; the permissions that they imply follow at the end. `at[i]` is
    the field path of `requested[i]`. Raises: UnsupportedCapability that names a permission or policy that cannot be
    translated; InvalidParams for a malformed one.
    """
    _refuse_too_many(requested, at)
    translated = [_translate(one, now, path) for one, path in zip(requested, at, strict=True)]
    has_native = any(isinstance(one, NativeTokenTransfer) for one in translated)
    limits = [
        limit for one, path in zip(requested, at, strict=True) for limit in _gas_policies(one, len(requested), path)
    ]
    return (*translated, *limits, _plain_transfers() if has_native else _native(0))


def _refuse_too_many(requested: Sequence[Erc7715Permission], at: Sequence[str]) -> None:
    """Apply the limits of `guard` before parsing, which is slow for each function. Raises: InvalidParams (too_many)."""
    lists = [one.data.get(name) for one in requested for name in ("calls", "functions")]
    functions = sum(len(one) for one in lists if isinstance(one, list))
    if len(requested) > MAX_PERMISSIONS or functions > MAX_FUNCTIONS:
        expected = f"at most {MAX_PERMISSIONS} permissions with {MAX_FUNCTIONS} functions in all"
        raise InvalidParams(field=at[0], expected=expected, reason="too_many")


def _translate(requested: Erc7715Permission, now: UnixSeconds, at: str) -> Permission:
    data = f"{at}.data"
    match requested.type:
        case "native-token-transfer" | "native-token-allowance":
            native = decode(_Native, requested.data, at=data)
            _refuse_later_start(native.start_time, now, data)
            return _native(_read_allowance(requested, (native.allowance, native.allowance_amount), at))
        case "erc20-token-transfer" | "erc20-token-allowance":
            token = decode(_Token, requested.data, at=data)
            _refuse_later_start(token.start_time, now, data)
            address = _require_one(token.address, token.token_address, f"{data}.address", f"{data}.tokenAddress")
            allowance = Erc20Allowance(
                address=address, allowance=_read_allowance(requested, (token.allowance, token.allowance_amount), at)
            )
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
                f"{preview(other)} cannot be enforced by this server's modules",
                reason="permission_not_supported",
                field=f"{at}.type",
                capability=other[:64],
            )


def _native(allowance: int) -> NativeTokenTransfer:
    return NativeTokenTransfer(type="native-token-transfer", data=NativeAllowance(allowance=allowance))


def _plain_transfers() -> FunctionsOnAllContracts:
    """Build the permission for plain transfers: a native allowance alone limits transfers, but allows none."""
    functions = SelectedFunctions(functions=(NO_FUNCTION,))
    return FunctionsOnAllContracts(type="functions-on-all-contracts", data=functions)


def _calls(data: _Calls, at: str) -> FunctionsOnContract:
    if bool(data.calls) == bool(data.functions):
        given = "both" if data.calls else "neither"
        text = f"expected either calls or functions, got {given}"
        raise InvalidParams(text, field=at, reason="functions_malformed")
    name, texts = ("calls", data.calls) if data.calls else ("functions", data.functions)
    functions = tuple(parse_function(text, at=f"{at}.{name}[{index}]") for index, text in enumerate(texts))
    named = TargetFunctions(address=data.address, functions=functions)
    return FunctionsOnContract(type="functions-on-contract", data=named)


def _read_allowance(requested: Erc7715Permission, stated: Sequence[int | None], at: str) -> int:
    """Read the allowance from `data`, under either of its names, or from a policy.

    Raises: InvalidParams unless it is given exactly once.
    """
    _refuse_policies(requested, ("token-allowance", "gas-limit"), at)
    allowances = [each for each in stated if each is not None]
    for index, policy in enumerate(requested.policies):
        if policy.type == "token-allowance":
            allowances.append(decode(_Allowance, policy.data, at=f"{at}.policies[{index}].data").allowance)
    if len(allowances) != 1:
        raise InvalidParams(
            f"expected one allowance, in data or in a token-allowance policy, got {len(allowances)}",
            field=at,
            reason="duplicate_limit" if allowances else "allowance_missing",
        )
    return allowances[0]


def _gas_policies(requested: Erc7715Permission, permissions: int, at: str) -> list[GasLimit]:
    """Translate the gas-limit policies of one permission.

    Raises: UnsupportedCapability when the grant has other permissions, since a gas limit applies to the whole session.
    """
    limits = []
    for index, policy in enumerate(requested.policies):
        if policy.type != "gas-limit":
            continue
        path = f"{at}.policies[{index}]"
        if permissions > 1:
            text = "a gas limit applies to all permissions of a grant; request it as a permission of its own"
            raise _policy_error(policy, path, text)
        limit = decode(_Gas, policy.data, at=f"{path}.data").limit
        limits.append(GasLimit(type="gas-limit", data=GasAllowance(limit=limit)))
    return limits


def _refuse_policies(requested: Erc7715Permission, known: Sequence[str], at: str) -> None:
    for index, policy in enumerate(requested.policies):
        if policy.type not in known:
            raise _policy_error(policy, f"{at}.policies[{index}]", "this policy cannot be enforced on this permission")


def _policy_error(policy: Erc7715Policy, at: str, text: str) -> UnsupportedCapability:
    return UnsupportedCapability(
        f"{preview(policy.type)}: {text}",
        reason="policy_not_supported",
        field=f"{at}.type",
        capability=policy.type[:64],
    )


def _refuse_later_start(start: UnixSeconds | None, now: UnixSeconds, at: str) -> None:
    if start is not None and start > now:
        raise UnsupportedCapability(
            f"expected at most {now}, since a session is valid from the time of its grant, got {start}",
            reason="start_time_not_supported",
            field=f"{at}.startTime",
            capability="startTime",
        )


def _require_one(first: Address | None, second: Address | None, at: str, other: str) -> Address:
    if first is not None and second is None:
        return first
    if first is None and second is not None:
        return second
    given = "neither" if first is None else "both"
    raise InvalidParams(f"expected either this or {other}, got {given}", field=at)

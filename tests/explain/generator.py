"""Generator of pairs of a grant and an operation, from a seed.

Amounts are near the limits, targets are mostly those of the grant, and some call data is cut, padded or changed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_abi.abi import encode

from tests.explain.evm import BALANCE, GAS, NOW, SESSION_KEY, TOKENS
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_batch_call_data, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.permission import (
    AccountFunctions,
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
    Root,
    SelectedFunctions,
    Target,
    TargetFunctions,
)
from wallet_rpc.domain.sdk_values import CompileError
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import HALF_ENTITY, SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data, Selector

FEE = 1000
"""The price of the gas in wei at which limits are chosen."""
_SIGNATURES = (
    "inc()",
    "add(uint256)",
    "boom(uint256)",
    "transfer(address,uint256)",
    "approve(address,uint256)",
    "transferFrom(address,address,uint256)",
    "increaseAllowance(address,uint256)",
    "forward(address,uint256,bytes)",
)
_OWN = (
    "accountId()",
    "entryPoint()",
    "getValidationData(bytes24)",
    "supportsInterface(bytes4)",
    "onERC721Received(address,address,uint256,bytes)",
    "updateFallbackSignerData(address,bool)",
    "unknown()",
)
_PRIVILEGED = (
    abi.EXECUTE,
    abi.EXECUTE_BATCH,
    abi.EXECUTE_USER_OP,
    abi.INSTALL_VALIDATION,
    abi.UNINSTALL_VALIDATION,
    abi.PERFORM_CREATE,
    abi.UPGRADE_TO_AND_CALL,
    abi.EXECUTE_WITH_RUNTIME_VALIDATION,
)


def _selector(signature: str) -> Selector:
    return abi.selector_of(signature)


FUNCTIONS = [*map(_selector, _SIGNATURES), Selector(bytes(4)), Selector(bytes.fromhex("12340000"))]
OWN_FUNCTIONS = [*map(_selector, _OWN)]
_TARGETS = ("COUNTER", "COUNTER2", "TOKEN_A", "TOKEN_B", "REVERTER", "FORWARDER", "SINK", "RAW", "R1", "R2")
_OTHERS = ("STRANGER_TARGET", "EMPTY_REVERTER", "THIRSTY", *_TARGETS)


@dataclass(frozen=True)
class Grant:
    """A grant, and its installation."""

    permissions: tuple[Permission, ...]
    install: ValidationInstall


@dataclass(frozen=True)
class Attempt:
    """An operation of a grant's session; `calls` is None for call data that no list of calls gives."""

    call_data: Data
    calls: tuple[Call, ...] | None
    fee: int
    is_sponsored: bool


def _functions_by_target(grant: Grant) -> dict[Address, tuple[Selector, ...]]:
    """Return the functions that the permissions give for each named contract; none for those that give all."""
    found: dict[Address, tuple[Selector, ...]] = {}
    for one in grant.permissions:
        match one:
            case FunctionsOnContract(data=data):
                found[data.address] = data.functions
            case Erc20TokenTransfer(data=data):
                found[data.address] = (abi.ERC20_TRANSFER, abi.ERC20_TRANSFER, abi.ERC20_APPROVE)
            case ContractAccess(data=data):
                found.setdefault(data.address, ())
    return found


def _functions_of(grant: Grant, target: Address) -> tuple[Selector, ...]:
    everywhere = (one.data.functions for one in grant.permissions if isinstance(one, FunctionsOnAllContracts))
    return _functions_by_target(grant).get(target, tuple(item for functions in everywhere for item in functions))


class Generator:
    """Pairs from one seed, with the named addresses of a world."""

    def __init__(self, seed: str, addresses: Mapping[str, Address], account: Address) -> None:
        self._random = random.Random(seed)  # noqa: S311  # the same calls for the same seed; no secret
        self._addresses = addresses
        self._account = account

    def grant(self) -> Grant:
        """Return a grant that compiles; the account may still reject its installation."""
        while True:
            permissions = self._permissions()
            deadline = self._random.choice([0, 0, 0, 0, NOW - 1, NOW, NOW + 1, NOW + 3600])
            entity_id = self._random.choice([1, 2, self._random.randrange(1, HALF_ENTITY)])
            terms = SessionTerms(account=self._account, key=SESSION_KEY, entity_id=entity_id, deadline=deadline, now=0)
            try:
                return Grant(permissions, compile_permissions(permissions, terms))
            except CompileError:
                continue

    def _permissions(self) -> tuple[Permission, ...]:
        if self._random.random() < 0.08:
            return (Root(type="root"),)
        return tuple(self._permission() for _ in range(self._random.choice([1, 1, 2, 2, 3, 4])))

    def _permission(self) -> Permission:
        pick = self._random.choice
        kind = pick(["native", "token", "token", "gas", "access", "own", "everywhere", "functions", "functions"])
        if kind in ("native", "token", "gas"):
            return self._limit(kind)
        if kind == "access":
            return ContractAccess(type="contract-access", data=Target(address=self._target(_TARGETS)))
        if kind == "functions":
            chosen = TargetFunctions(address=self._target(_TARGETS), functions=self._some(FUNCTIONS))
            return FunctionsOnContract(type="functions-on-contract", data=chosen)
        if kind == "own":
            own = SelectedFunctions(functions=self._some([*OWN_FUNCTIONS, *OWN_FUNCTIONS, abi.EXECUTE_USER_OP]))
            return AccountFunctions(type="account-functions", data=own)
        functions = FUNCTIONS if self._random.random() < 0.7 else [*FUNCTIONS, *OWN_FUNCTIONS]
        everywhere = SelectedFunctions(functions=self._some(functions))
        return FunctionsOnAllContracts(type="functions-on-all-contracts", data=everywhere)

    def _limit(self, kind: str) -> Permission:
        pick = self._random.choice
        if kind == "native":
            wei = pick([0, 1, 100, 100, BALANCE, BALANCE + 1, 2**256 - 1])
            return NativeTokenTransfer(type="native-token-transfer", data=NativeAllowance(allowance=wei))
        if kind == "gas":
            wei = pick([0, GAS * FEE - 1, GAS * FEE, GAS * FEE + 1, 2**256 - 1])
            return GasLimit(type="gas-limit", data=GasAllowance(limit=wei))
        token = self._addresses[pick(["TOKEN_A", "TOKEN_A", "TOKEN_B", "COUNTER", "R1"])]
        units = pick([0, 1, 100, 100, TOKENS, TOKENS + 1, 2**256 - 1])
        return Erc20TokenTransfer(type="erc20-token-transfer", data=Erc20Allowance(address=token, allowance=units))

    def _some(self, functions: Sequence[Selector]) -> tuple[Selector, ...]:
        return tuple(dict.fromkeys(self._random.choices(functions, k=self._random.choice([1, 2, 3]))))

    def _target(self, names: Sequence[str]) -> Address:
        return self._addresses[self._random.choice(names)]

    def attempt(self, grant: Grant) -> Attempt:
        """Return an operation that is often close to what the grant allows."""
        choice = self._random.random()
        fee = self._random.choice([0, FEE, FEE, FEE + 1])
        is_sponsored = self._random.random() < 0.2
        calls = tuple(self._call(grant) for _ in range(self._random.choice([0, 1, 1, 1, 1, 2, 2, 3, 4])))
        call_data = execute_call_data(self._account, calls)
        if choice < 0.06:
            call_data = execute_batch_call_data(calls)
        if grant.install.has_execution_hooks:
            call_data = wrap_execute_user_op(call_data)
        elif choice > 0.97:
            return Attempt(wrap_execute_user_op(call_data), None, fee, is_sponsored)
        if 0.06 < choice < 0.16:
            start = 4 if grant.install.has_execution_hooks else 0
            return Attempt(Data(call_data[:start] + self._mangle(call_data[start:])), None, fee, is_sponsored)
        return Attempt(call_data, None if choice < 0.06 else calls, fee, is_sponsored)

    def _call(self, grant: Grant) -> Call:
        named = list(_functions_by_target(grant))
        choice = self._random.random()
        if choice < 0.12:
            return self._self_call(grant)
        to = self._random.choice(named) if named and choice < 0.8 else self._target(_OTHERS)
        value = self._random.choice([0, 0, 0, 0, 1, 50, 100, 101, BALANCE, BALANCE + 1, 2**255, 2**256 - 1])
        if self._random.random() < 0.6:
            value = 0
        return Call(to=to, value=value, data=self._data(grant, to))

    def _data(self, grant: Grant, to: Address) -> Data:
        pick = self._random.choice
        functions = _functions_of(grant, to)
        selector = pick(functions) if functions and self._random.random() < 0.85 else pick(FUNCTIONS)
        amount = pick([0, 1, 50, 60, 99, 100, 101, TOKENS, TOKENS + 1, 2**255, 2**256 - 1])
        other = self._target(("R1", "SPENDER"))
        if selector == _selector("transferFrom(address,address,uint256)"):
            arguments = encode(["address", "address", "uint256"], [self._account, other, amount])
        elif selector == _selector("forward(address,uint256,bytes)"):
            arguments = encode(["address", "uint256", "bytes"], [self._target(_OTHERS), 0, b""])
        elif selector in map(_selector, ("add(uint256)", "boom(uint256)")):
            arguments = encode(["uint256"], [amount % 1000])
        else:
            arguments = encode(["address", "uint256"], [other, amount])
        data = selector + arguments
        shape = self._random.random()
        if shape < 0.08:
            return Data(data + self._random.randbytes(self._random.randrange(1, 40)))
        if shape < 0.16:
            return Data(data[: self._random.randrange(0, len(data) + 1)])
        if shape < 0.2:
            return Data(self._random.choice([b"", b"\0", b"\x12\x34", data[:4], data[:67]]))
        return Data(data)

    def _self_call(self, grant: Grant) -> Call:
        pick = self._random.choice
        own = [item for one in grant.permissions if isinstance(one, AccountFunctions) for item in one.data.functions]
        kind = self._random.random()
        value = 0 if self._random.random() < 0.8 else 1
        if kind < 0.25:
            inner = tuple(self._call_elsewhere(grant) for _ in range(pick([1, 1, 2])))
            data = pick([execute_batch_call_data(inner), execute_call_data(self._account, inner[:1])])
            if self._random.random() < 0.15:
                data = wrap_execute_user_op(data)
            return Call(to=self._account, value=value, data=data)
        mine = own if own and kind < 0.85 else OWN_FUNCTIONS
        selector = pick(_PRIVILEGED if kind < 0.35 else mine)
        tail = encode(["address", "uint256"], [self._target(_OTHERS), pick([0, 1, 64])]) + bytes(96)
        whole = selector + tail
        end = self._random.randrange(len(whole)) if self._random.random() < 0.1 else len(whole)
        return Call(to=self._account, value=value, data=Data(whole[:end]))

    def _call_elsewhere(self, grant: Grant) -> Call:
        to = self._target(_OTHERS)
        return Call(to=self._account if self._random.random() < 0.1 else to, data=self._data(grant, to))

    def _mangle(self, data: bytes) -> bytes:
        """Cut data, or change a byte of it, preferably one that is an offset, a length or part of an address."""
        if not data:
            return data
        if self._random.random() < 0.4:
            return data[: self._random.randrange(len(data))]
        at = self._random.randrange(len(data))
        if self._random.random() < 0.5:
            at = self._random.choice([at for at in range(4, len(data)) if (at - 4) % 32 in (0, 11, 24, 30, 31)] or [at])
        changed = self._random.choice([0, 1, 32, 64, 255, self._random.randrange(256)])
        return data[:at] + bytes([changed]) + data[at + 1 :]

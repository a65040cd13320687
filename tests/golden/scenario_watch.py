"""The watched values of a golden scenario, read from the chain by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from tests.golden.scenario_files import Json
from tests.golden.scenario_world import ScenarioWorld, address
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
    CREATE2_DEPLOYER,
    ENTRY_POINT,
    NATIVE_TOKEN_LIMIT_MODULE,
    PAYMASTER_GUARD_MODULE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.primitives import Address

Snapshot = dict[str, Any]
"""Values by name, without zero and empty ones."""

_HALF = 2**31 - 1
"""The difference between a session's second entity id and its first."""
_COUNTERS = ("COUNTER", "COUNTER2", "RAW", "THIRSTY")
_TOKENS = ("TOKEN_A", "TOKEN_B")
_HOLDERS = ("ACCOUNT", "R1", "R2", "SPENDER", "FORWARDER")
_WEI_HOLDERS = (
    "R1",
    "R2",
    "SINK",
    "THIRSTY",
    "FORWARDER",
    "COUNTER",
    "COUNTER2",
    "RAW",
    "KEY1271",
    "TOKEN_A",
    "TOKEN_B",
)


@dataclass(frozen=True, slots=True)
class Function:
    """A view function: its signature, its return types and the formatting of its result."""

    signature: str
    answer: tuple[str, ...]
    write: Callable[..., Any]

    def read(self, world: ScenarioWorld, to: Address, *arguments: Any) -> Any:
        """Call the function and format its result; None for zero, empty data, a revert or a missing contract."""
        types = self.signature[self.signature.index("(") + 1 : -1]
        data = keccak(text=self.signature)[:4] + encode(types.split(",") if types else [], arguments)
        outcome = world.look(to, data, sender=CREATE2_DEPLOYER)
        if not outcome.success or not outcome.output:
            return None
        return self.write(*decode(self.answer, outcome.output))


def _number(value: int) -> str | None:
    return str(value) if value else None


def _account(value: str) -> str | None:
    return value if int(value, 16) else None


def _time_range(until: int, after: int) -> str | None:
    return f"{until},{after}" if until or after else None


def _fallback_signer(signer: str, disabled: bool) -> str:
    return signer + (",disabled" if disabled else "")


def _validation(installed: Any) -> Json | None:
    flags, hooks, execution_hooks, selectors = installed
    if not (flags or hooks or execution_hooks or selectors):
        return None
    return {
        "flags": flags,
        "selectors": ["0x" + item.hex() for item in selectors],
        "validationHooks": ["0x" + item.hex() for item in hooks],
        "executionHooks": ["0x" + item.hex() for item in execution_hooks],
    }


_BALANCE_OF = Function("balanceOf(address)", ("uint256",), _number)
_ALLOWANCE = Function("allowance(address,address)", ("uint256",), _number)
_NONCE = Function("getNonce(address,uint192)", ("uint256",), lambda nonce: _number(nonce & (2**64 - 1)))
_FALLBACK_SIGNER = Function("getFallbackSignerData()", ("address", "bool"), _fallback_signer)
_VALIDATION = Function("getValidationData(bytes24)", ("(uint8,bytes25[],bytes25[],bytes4[])",), _validation)
_SIGNER = Function("signers(uint32,address)", ("address",), _account)
_TIME_RANGE = Function("timeRanges(uint32,address)", ("uint48", "uint48"), _time_range)
_GUARDED_PAYMASTER = Function("paymasters(uint32,address)", ("address",), _account)
_NATIVE_LIMIT = Function("limits(uint256,address)", ("uint256",), _number)
_TOKEN_LIMIT = Function("erc20SpendLimits(uint32,address,address)", ("uint256",), _number)


class Watch:
    """Reader of the values that one scenario watches."""

    def __init__(self, world: ScenarioWorld, scenario: Json) -> None:
        self._world = world
        self._account = address(scenario["account"]["address"])
        self._entities: list[int] = scenario["watch"]["entities"]
        self._nonce_keys: list[str] = scenario["watch"]["nonceKeys"]
        self._addresses = {name: address(text) for name, text in world.meta.refs.items() if len(text) == 42}
        self._addresses["ACCOUNT"] = self._account
        self.spent_on_gas = 0
        """The wei that the account has paid for its own operations and transactions."""

    def read(self) -> Snapshot:
        """Read all watched values."""
        values = dict(self._plain_values())
        values.update(self._account_values())
        for entity in self._entities:
            values.update(self._module_values(entity))
        return {name: value for name, value in values.items() if value is not None}

    def _plain_values(self) -> Iterator[tuple[str, Any]]:
        chain, addresses = self._world.chain, self._addresses
        for name in _COUNTERS:
            yield f"{name}.n", _number(chain.storage(addresses[name], 0))
        for name in _WEI_HOLDERS:
            yield f"balance({name})", _number(chain.balance(addresses[name]))
        for token in _TOKENS:
            for holder in _HOLDERS:
                balance = _BALANCE_OF.read(self._world, addresses[token], addresses[holder])
                yield f"{token}.balanceOf({holder})", balance
                if holder != "ACCOUNT":
                    allowed = _ALLOWANCE.read(self._world, addresses[token], self._account, addresses[holder])
                    yield f"{token}.allowance(ACCOUNT,{holder})", allowed

    def _account_values(self) -> Iterator[tuple[str, Any]]:
        chain, account = self._world.chain, self._account
        deposit = int(_BALANCE_OF.read(self._world, ENTRY_POINT, account) or "0")
        yield "net(ACCOUNT)", _number(chain.balance(account) + deposit + self.spent_on_gas)
        yield "deployed(ACCOUNT)", "1" if chain.code(account) else None
        yield "fallbackSigner(ACCOUNT)", _FALLBACK_SIGNER.read(self._world, account)
        for key in self._nonce_keys:
            yield f"nonce({key})", _NONCE.read(self._world, ENTRY_POINT, account, int(key, 16))

    def _module_values(self, entity: int) -> Iterator[tuple[str, Any]]:
        world, account = self._world, self._account
        module_entity = SINGLE_SIGNER_MODULE + entity.to_bytes(4)
        yield f"validation({entity})", _VALIDATION.read(world, account, module_entity)
        yield f"signer({entity})", _SIGNER.read(world, SINGLE_SIGNER_MODULE, entity, account)
        yield f"timeRange({entity})", _TIME_RANGE.read(world, TIME_RANGE_MODULE, entity, account)
        yield f"paymasterGuard({entity})", _GUARDED_PAYMASTER.read(world, PAYMASTER_GUARD_MODULE, entity, account)
        for row in (entity, entity + _HALF):
            if row >= 2**32:
                continue
            yield f"nativeLimit({row})", _NATIVE_LIMIT.read(world, NATIVE_TOKEN_LIMIT_MODULE, row, account)
            for token in (*_TOKENS, "RAW"):
                limit = _TOKEN_LIMIT.read(world, ALLOWLIST_MODULE, row, self._addresses[token], account)
                yield f"erc20Limit({row},{token})", limit

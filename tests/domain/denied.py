"""Rejected operations of sessions, with the revert data of their rejection."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, KEY, NOW
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
)
from wallet_rpc.domain.decision.contract_rules import ContractRules, rules_of_install
from wallet_rpc.domain.decision.denials import Denial
from wallet_rpc.domain.decision.diagnosis import DeniedOperation, find_denial
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.revert import Explanation, explain
from wallet_rpc.domain.validation import HookKind, module_entity
from wallet_rpc.domain.validation_install import HALF_ENTITY, SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data

TOKEN, CONTRACT, OTHER = "0x" + "a1" * 20, "0x" + "b2" * 20, "0x" + "c3" * 20
PERMISSIONS: dict[str, Any] = {
    "native-token-transfer": {"allowance": "0x1"},
    "erc20-token-transfer": {"address": TOKEN, "allowance": "0x1"},
    "gas-limit": {"limit": "0x1"},
    "contract-access": {"address": CONTRACT},
    "account-functions": {"functions": ["0x12345678"]},
    "functions-on-all-contracts": {"functions": ["0x12345678"]},
    "functions-on-contract": {"address": CONTRACT, "functions": ["0x12345678"]},
    "root": None,
}
TARGETS = {"contract-access", "functions-on-all-contracts", "erc20-token-transfer"}
LIMITS = {"native-token-transfer", "gas-limit"}
entity_ids = st.integers(1, HALF_ENTITY - 1)


def decode_permissions(*kinds: str) -> tuple[Permission, ...]:
    given = [
        {"type": kind} if PERMISSIONS[kind] is None else {"type": kind, "data": PERMISSIONS[kind]} for kind in kinds
    ]
    return wire.decode(tuple[Permission, ...], given)


def error(signature: str, *arguments: Any) -> bytes:
    types = signature[signature.index("(") + 1 : -1]
    return abi.selector_of(signature) + encode(types.split(",") if types else [], arguments)


def hook_reverted(when: HookKind, module: Address, entity_id: int, inner: bytes) -> Explanation:
    """Explain a bundler's revert data: a validation hook in the entry point's wrapper, or a bare execution hook."""
    entity = bytes(module_entity(module, entity_id))
    if when is HookKind.EXECUTION:
        return explain(error("PreExecHookReverted(bytes24,bytes)", entity, inner))
    hook = error("PreUserOpValidationHookReverted(bytes24,bytes)", entity, inner)
    return explain(error("FailedOpWithRevert(uint256,string,bytes)", 0, "AA23 reverted", hook))


def build_rules(permissions: tuple[Permission, ...], entity_id: int) -> ContractRules:
    terms = SessionTerms(account=ACCOUNT, key=KEY, entity_id=entity_id, deadline=0, now=NOW)
    return rules_of_install(compile_permissions(permissions, terms))


def denial(
    explanation: Explanation, permissions: tuple[Permission, ...] | None, *calls: Call, entity_id: int = 1
) -> Denial | None:
    rules = None if permissions is None else build_rules(permissions, entity_id)
    call_data = execute_call_data(ACCOUNT, calls)
    if rules is not None and rules.has_execution_hooks:
        call_data = wrap_execute_user_op(call_data)
    return find_denial(
        explanation, DeniedOperation(account=ACCOUNT, entity_id=entity_id, call_data=call_data, rules=rules)
    )


def denied_permission(
    explanation: Explanation, permissions: tuple[Permission, ...], *, entity_id: int = 1
) -> str | None:
    found = denial(explanation, permissions, entity_id=entity_id)
    return None if found is None else found.permission


def call(to: str, data: str = "0x") -> Call:
    return Call(to=Address.parse(to), data=Data.parse(data))


def allowlist_reverted(inner: str = "SelectorNotAllowed()", *, entity_id: int = 1) -> Explanation:
    return hook_reverted(HookKind.VALIDATION, ALLOWLIST_MODULE, entity_id, error(inner))


def is_allowlist(module: Address, hook_entity: int, entity_id: int) -> bool:
    return (module, hook_entity) == (ALLOWLIST_MODULE, entity_id)


def missing_function(selector: str) -> Explanation:
    inner = error("ValidationFunctionMissing(bytes4)", bytes.fromhex(selector))
    return explain(error("FailedOpWithRevert(uint256,string,bytes)", 0, "AA23 reverted", inner))

"""Decisions on the calls of a session, each case as the contracts decide it (`tests/explain` compares with the EVM)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode

from tests.domain.strategies import ACCOUNT, KEY, NOW
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_batch_call_data, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, PAYMASTER_GUARD_MODULE
from wallet_rpc.domain.decision.account_call import read_account_call
from wallet_rpc.domain.decision.contract_rules import (
    ContractRules,
    Limits,
    SessionHook,
    identify_hook,
    rules_of_install,
)
from wallet_rpc.domain.decision.denials import Reason
from wallet_rpc.domain.decision.engine import Decision, Factor, decide_operation
from wallet_rpc.domain.decision.operation import Situation
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.validation import Hook
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data, Selector

TOKEN, CONTRACT, FRIEND, OTHER = (Address(bytes([n]) * 20) for n in (0xA1, 0xB2, 0xC3, 0xD4))
DO = Selector(bytes.fromhex("12345678"))
SITUATION = Situation(account=ACCOUNT, now=NOW, gas_charge=0, balance=1000, codeless=frozenset({FRIEND}))
NATIVE = {"type": "native-token-transfer", "data": {"allowance": "0x64"}}
SPEND = {"type": "erc20-token-transfer", "data": {"address": TOKEN.hex0x(), "allowance": "0x64"}}
GAS = {"type": "gas-limit", "data": {"limit": "0x64"}}
ACCESS = {"type": "contract-access", "data": {"address": CONTRACT.hex0x()}}
PAY = {"type": "contract-access", "data": {"address": FRIEND.hex0x()}}
OWN = {"type": "account-functions", "data": {"functions": [DO.hex0x()]}}
EVERYWHERE = {"type": "functions-on-all-contracts", "data": {"functions": [DO.hex0x()]}}
FUNCTIONS = {"type": "functions-on-contract", "data": {"address": CONTRACT.hex0x(), "functions": [DO.hex0x()]}}
ROOT = {"type": "root"}


def grant(*permissions: dict[str, Any], deadline: int = 0) -> ContractRules:
    decoded = wire.decode(tuple[Permission, ...], list(permissions))
    terms = SessionTerms(account=ACCOUNT, key=KEY, entity_id=7, deadline=deadline, now=0)
    return rules_of_install(compile_permissions(decoded, terms))


def transfer(amount: int, *, function: bytes = abi.ERC20_TRANSFER) -> Call:
    return Call(to=TOKEN, data=Data(function + encode(["address", "uint256"], [FRIEND, amount])))


def call(to: Address, data: bytes = b"", value: int = 0) -> Call:
    return Call(to=to, value=value, data=Data(data))


def decide_calls(rules: ContractRules, *calls: Call, situation: Situation = SITUATION) -> Decision:
    call_data = execute_call_data(ACCOUNT, calls)
    return decide_operation(
        rules, wrap_execute_user_op(call_data) if rules.has_execution_hooks else call_data, situation
    )


DENIED: list[tuple[list[dict[str, Any]], list[Call], Reason, str | None, int | None]] = [
    ([ACCESS], [call(OTHER)], Reason.CONTRACT, None, 0),
    ([ACCESS], [call(CONTRACT), call(OTHER)], Reason.CONTRACT, None, 1),
    ([ACCESS], [call(CONTRACT), call(ACCOUNT, DO)], Reason.ACCOUNT_FUNCTION, None, 1),
    ([ACCESS, OWN], [call(CONTRACT), call(ACCOUNT, DO)], Reason.CONTRACT, None, 1),
    ([OWN], [call(OTHER)], Reason.CONTRACT, None, None),
    ([OWN], [call(ACCOUNT, DO), call(ACCOUNT, DO)], Reason.ACCOUNT_FUNCTION, "account-functions", None),
    ([OWN], [call(ACCOUNT, b"abcd")], Reason.ACCOUNT_FUNCTION, "account-functions", None),
    ([ROOT], [call(ACCOUNT, abi.GET_VALIDATION_DATA)], Reason.ACCOUNT_FUNCTION, "root", None),
    ([EVERYWHERE], [call(OTHER, b"abcd")], Reason.CONTRACT, "functions-on-all-contracts", 0),
    ([FUNCTIONS], [call(CONTRACT, b"abcd")], Reason.FUNCTION, "functions-on-contract", 0),
    ([FUNCTIONS], [call(CONTRACT)], Reason.FUNCTION, "functions-on-contract", 0),
    ([FUNCTIONS, EVERYWHERE], [call(CONTRACT, DO[:3])], Reason.FUNCTION, "functions-on-contract", 0),
    ([ROOT], [call(OTHER), call(ACCOUNT, execute_batch_call_data([]))], Reason.SELF_CALL, None, 1),
    ([ROOT], [call(ACCOUNT, execute_call_data(OTHER, [call(ACCOUNT)]))], Reason.SELF_CALL, None, 0),
    ([ROOT], [call(OTHER), call(ACCOUNT, b"abc")], Reason.MALFORMED, None, None),
    ([ACCESS], [call(ACCOUNT, abi.EXECUTE + bytes(95))], Reason.MALFORMED, None, None),
    ([NATIVE, PAY], [call(FRIEND, value=101)], Reason.NATIVE, "native-token-transfer", 0),
    ([NATIVE, PAY], [call(FRIEND, value=60), call(FRIEND, value=41)], Reason.NATIVE, "native-token-transfer", 1),
    ([SPEND], [transfer(101)], Reason.TOKEN, "erc20-token-transfer", 0),
    ([SPEND], [transfer(60), transfer(41, function=abi.ERC20_APPROVE)], Reason.TOKEN, "erc20-token-transfer", 1),
    ([SPEND], [call(TOKEN, abi.ERC20_TRANSFER + bytes(63))], Reason.TOKEN_CALL, "erc20-token-transfer", 0),
    ([SPEND], [transfer(0, function=b"abcd")], Reason.FUNCTION, "erc20-token-transfer", 0),
    ([SPEND, OWN], [call(ACCOUNT, DO)], Reason.TOKEN_BLOCKS, "erc20-token-transfer", None),
]


@pytest.mark.parametrize(("permissions", "calls", "reason", "permission", "position"), DENIED)
def test_a_denial_has_its_reason_its_permission_and_its_call(
    permissions: list[dict[str, Any]], calls: list[Call], reason: Reason, permission: str | None, position: int | None
) -> None:
    decision = decide_calls(grant(*permissions), *calls)

    assert decision.denial is not None
    assert (decision.denial.reason, decision.denial.permission, decision.denial.call) == (reason, permission, position)
    assert decision.factors == ()
    assert [one.denial is None for one in decision.calls] == [
        position not in {None, index} for index in range(len(decision.calls))
    ]


def test_amounts_at_a_limit_are_allowed_and_leave_nothing() -> None:
    decision = decide_calls(grant(NATIVE, SPEND, PAY), call(FRIEND, value=100), transfer(60), transfer(40))

    assert decision.denial is None
    assert [one.permission for one in decision.calls] == ["contract-access", *["erc20-token-transfer"] * 2]
    assert [one.remaining.native for one in decision.calls] == [0, 0, 0]
    assert [one.remaining.tokens[TOKEN] for one in decision.calls] == [100, 40, 0]
    assert decision.remaining == Limits(native=0, tokens={TOKEN: 0})
    assert [one.factors for one in decision.calls] == [(), (Factor.TARGET,), (Factor.TARGET,)]


def test_a_denied_call_is_not_charged_to_the_others() -> None:
    decision = decide_calls(
        grant(NATIVE, SPEND, PAY), call(OTHER, value=90), transfer(101), transfer(100), call(FRIEND)
    )

    assert [one.denial.reason if one.denial else None for one in decision.calls] == [
        Reason.CONTRACT,
        Reason.TOKEN,
        None,
        None,
    ]
    assert decision.calls[3].remaining == Limits(native=100, tokens={TOKEN: 0})
    assert decision.remaining == Limits(native=100, tokens={TOKEN: 100})
    assert decision.denial is not None
    assert decision.denial.reason is Reason.CONTRACT


def test_gas_is_charged_before_the_calls_and_kept_when_they_fail() -> None:
    rules = grant(GAS, NATIVE, PAY)
    for charge, value, reason, left in ((40, 100, None, 60), (40, 101, Reason.NATIVE, 60), (101, 0, Reason.GAS, 100)):
        decision = decide_calls(rules, call(FRIEND, value=value), situation=replace(SITUATION, gas_charge=charge))
        assert (decision.denial.reason if decision.denial else None) is reason
        assert decision.remaining.gas == left
    unknown = decide_calls(rules, call(FRIEND), situation=replace(SITUATION, gas_charge=None))
    assert (unknown.factors, unknown.remaining.gas) == ((Factor.GAS,), 100)


@pytest.mark.parametrize(
    ("now", "reason"), [(NOW - 1, Reason.NOT_STARTED), (NOW, None), (NOW + 9, None), (NOW + 10, Reason.EXPIRED)]
)
def test_both_ends_of_a_session_belong_to_it(now: int, reason: Reason | None) -> None:
    rules = replace(grant(PAY, deadline=NOW + 9), not_before=NOW)
    decision = decide_calls(rules, call(FRIEND), situation=replace(SITUATION, now=now))

    assert (decision.denial.reason if decision.denial else None) is reason


def test_only_the_execution_knows_what_code_and_balance_do() -> None:
    rules = grant(ROOT)
    cases = [
        ([call(FRIEND, value=1000)], ()),
        ([call(FRIEND, value=1001)], (Factor.BALANCE,)),
        ([call(OTHER)], (Factor.TARGET,)),
        ([call(OTHER), call(FRIEND, value=1001)], (Factor.TARGET,)),
        ([call(ACCOUNT, abi.UPDATE_FALLBACK_SIGNER_DATA)], (Factor.ACCOUNT,)),
        ([call(ACCOUNT, abi.EXECUTE + bytes(20))], (Factor.ACCOUNT,)),
        ([call(Address(bytes(19) + b"\x09"))], (Factor.TARGET,)),
        ([], ()),
    ]
    for calls, factors in cases:
        codeless = SITUATION.codeless | {Address(bytes(19) + b"\x09")}
        decision = decide_calls(rules, *calls, situation=replace(SITUATION, codeless=codeless))
        assert (decision.denial, decision.factors) == (None, factors)


def test_a_call_of_the_account_alone_and_one_in_a_batch_have_the_same_permission() -> None:
    alone = decide_calls(grant(OWN), call(ACCOUNT, DO))
    batched = decide_calls(grant(OWN, EVERYWHERE), call(ACCOUNT, DO), call(OTHER, DO))

    assert [one.permission for one in alone.calls] == ["account-functions"]
    assert [one.permission for one in batched.calls] == ["account-functions", "functions-on-all-contracts"]


def test_a_hook_of_other_permissions_leaves_the_decision_to_the_execution() -> None:
    rules = replace(grant(PAY), hooks=(SessionHook.UNKNOWN,))

    assert decide_calls(rules, call(FRIEND)).factors == (Factor.HOOK,)
    assert identify_hook(PAYMASTER_GUARD_MODULE, 0, 1) is SessionHook.UNKNOWN
    assert identify_hook(ALLOWLIST_MODULE, 0, 2) is SessionHook.UNKNOWN


def test_install_data_that_does_not_decode_is_an_unknown_hook() -> None:
    decoded = wire.decode(tuple[Permission, ...], [ACCESS])
    terms = SessionTerms(account=ACCOUNT, key=KEY, entity_id=7, deadline=0, now=0)
    install = compile_permissions(decoded, terms)
    (hook,) = install.hooks
    broken = (
        Hook(hook.module, hook.entity_id, hook.flags, Data(hook.init_data[:40])),
        Hook(PAYMASTER_GUARD_MODULE, 7, 1, Data()),
    )

    rules = rules_of_install(replace(install, hooks=broken))

    assert rules.hooks == (SessionHook.UNKNOWN,)
    assert rules.targets == {}


def test_the_kinds_of_permissions_are_those_of_the_grant() -> None:
    granted = (NATIVE, GAS, SPEND, ACCESS, EVERYWHERE, OWN)

    assert grant(*granted).permissions == tuple(one["type"] for one in granted)
    assert grant(ROOT).permissions == ("root",)


BATCH = execute_batch_call_data([call(OTHER, b"abcd", 5), call(ACCOUNT, DO)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x34\xfc\xd5",
        BATCH[:4] + (2**64).to_bytes(32) + BATCH[36:],
        BATCH[:4] + (2**20).to_bytes(32) + BATCH[36:],
        BATCH[:36] + (3000).to_bytes(32) + BATCH[68:],
        BATCH[:132] + b"\1" + BATCH[133:],
        BATCH[:-30],
        BATCH[:50],
    ],
)
def test_malformed_arguments_are_no_calls(data: bytes) -> None:
    assert read_account_call(data).elements is None
    denial = decide_operation(grant(FUNCTIONS, OWN, NATIVE, SPEND), wrap_execute_user_op(data), SITUATION).denial
    assert denial is not None
    assert denial.reason is Reason.MALFORMED


def test_hooks_without_an_allowlist_reject_malformed_arguments_too() -> None:
    listed = grant(ACCESS)
    for hook in (SessionHook.NATIVE, SessionHook.TOKENS):
        found = decide_operation(
            replace(listed, hooks=(hook,)), wrap_execute_user_op(abi.EXECUTE + bytes(20)), SITUATION
        )
        assert found.denial is not None
        assert (found.denial.reason, found.denial.hook) == (Reason.MALFORMED, hook)


def test_a_created_contract_takes_value_from_the_native_limit() -> None:
    rules = replace(grant(ROOT), hooks=(SessionHook.NATIVE,), limits=Limits(native=10))
    create = abi.PERFORM_CREATE + encode(["uint256", "bytes", "bool", "bytes32"], [11, b"", False, bytes(32)])

    denial = decide_calls(rules, call(ACCOUNT, create)).denial

    assert denial is not None
    assert denial.reason is Reason.NATIVE


def test_a_token_with_a_limit_takes_no_other_function_wherever_it_is_allowed() -> None:
    denial = decide_calls(
        grant(SPEND, {"type": "contract-access", "data": {"address": TOKEN.hex0x()}}), call(TOKEN, DO + bytes(64))
    ).denial

    assert denial is not None
    assert (denial.reason, denial.hook) == (Reason.FUNCTION, SessionHook.TOKENS)


@pytest.mark.parametrize(("has_limit", "tokens"), [(True, {TOKEN: 5}), (False, {})])
def test_a_later_row_of_a_token_overwrites_the_earlier(has_limit: bool, tokens: dict[Address, int]) -> None:
    decoded = wire.decode(tuple[Permission, ...], [SPEND])
    terms = SessionTerms(account=ACCOUNT, key=KEY, entity_id=7, deadline=0, now=0)
    install = compile_permissions(decoded, terms)
    rows: list[tuple[Any, ...]] = [(TOKEN, False, True, 9, []), (TOKEN, False, has_limit, 5, [])]
    hook = install.hooks[0]
    data = Data(encode(("uint32", "(address,bool,bool,uint256,bytes4[])[]"), [hook.entity_id, rows]))

    rules = rules_of_install(replace(install, hooks=(replace(hook, init_data=data),)))

    assert rules.limits.tokens == tokens

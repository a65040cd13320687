"""Rules about arguments of functions that contain further calls."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from tests.support.calls import call_data
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_batch_call_data
from wallet_rpc.domain.rules.decision import decide_rules
from wallet_rpc.domain.rules.effects import read_effects
from wallet_rpc.domain.rules.rule import RuleList
from wallet_rpc.errors import RuleDenied
from wallet_rpc.primitives import Address, Data

ACCOUNT, TOKEN, FRIEND, OTHER = (Address(bytes([number]) * 20) for number in range(1, 5))
NOW = 1_764_547_199
"""Time of the decisions."""


def decide(rule: dict[str, Any], call: Call) -> str | None:
    """Return the reason of the denial of a call; None if it is allowed."""
    try:
        decide_rules(wire.decode(RuleList, [rule]), read_effects(ACCOUNT, execute_batch_call_data([call])), now=NOW)
    except RuleDenied as denial:
        return denial.reason
    return None


@pytest.mark.parametrize(
    ("name", "types", "values", "path", "allowed"),
    [
        ("multicall", ["uint256", "bytes[]"], [NOW + 1, [b"1234"]], "0", str(NOW)),
        ("aggregate3", ["(address,bool,bytes)[]"], [[(OTHER.hex0x(), False, b"1234")]], "0.*.0", FRIEND.hex0x()),
        ("tryAggregate", ["bool", "(address,bytes)[]"], [False, []], "0", "true"),
    ],
)
def test_an_argument_of_a_function_with_inner_calls_is_held_to_its_condition(
    name: str, types: list[str], values: list[Any], path: str, allowed: str
) -> None:
    function = f"{name}({','.join(types)})"
    outer = Call(to=TOKEN, data=Data(abi.selector_of(function) + encode(types, values)))
    inside = Call(to=TOKEN, data=Data.parse(call_data("multicall(bytes[])", [bytes(outer.data)])))
    rule = {"type": "argument", "function": function, "path": path, "equals": allowed}
    for call in (outer, inside):
        assert decide(rule, call) == "rule_argument_denied"
        assert decide({**rule, "contract": OTHER.hex0x()}, call) is None


def test_an_argument_of_the_accounts_own_batch_is_held_to_its_condition() -> None:
    batch = Call(to=ACCOUNT, data=execute_batch_call_data([Call(to=OTHER)]))
    rule = {"type": "argument", "function": "executeBatch((address,uint256,bytes)[])", "path": "0.*.0"}
    assert decide({**rule, "equals": FRIEND.hex0x()}, batch) == "rule_argument_denied"
    assert decide({**rule, "equals": OTHER.hex0x()}, batch) is None

"""Properties of the rules' parts: effects of calls, arguments at a path, and decisions."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from tests.support.calls import call_data
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.abi_reader import AbiDecodeError
from wallet_rpc.domain.account import Call, execute_batch_call_data, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.rules.arguments import MAX_PARTS, PartsLeft, find_type, parse_types, parse_value, read_values
from wallet_rpc.domain.rules.decision import decide_rules
from wallet_rpc.domain.rules.effects import CALL_COUNT, NATIVE, UNLIMITED, read_effects
from wallet_rpc.domain.rules.inner_calls import INNER_CALLS
from wallet_rpc.domain.rules.rule import RuleList
from wallet_rpc.domain.rules.rule_checks import LONGEST_RULES, check_rule_parts
from wallet_rpc.domain.rules.token_functions import MOVING_FUNCTIONS
from wallet_rpc.errors import InvalidParams, RuleDenied
from wallet_rpc.primitives import Address, Data

ACCOUNT, TOKEN, FRIEND, OTHER = (Address(bytes([number]) * 20) for number in range(1, 5))
NOW = 1_764_547_199
"""Sunday, 30 November 2025, 23:59:59 UTC."""
words = st.integers(0, 2**256 - 1)
native_calls = st.builds(Call, to=st.sampled_from([FRIEND, OTHER]), value=st.integers(0, 2**128))


def data(text: str) -> Data:
    return Data.parse(text)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def decide(rules: list[dict[str, Any]], *calls: Call, now: int = NOW) -> str | None:
    """Return the reason of the denial; None if the calls are allowed."""
    effects = read_effects(ACCOUNT, execute_batch_call_data(calls))
    try:
        decide_rules(wire.decode(RuleList, rules), effects, now=now)
    except RuleDenied as denial:
        return denial.reason
    return None


@given(st.lists(native_calls, max_size=6), st.booleans(), st.booleans())
def test_native_amounts_are_the_same_in_every_form_of_a_batch(calls: list[Call], prefixed: bool, nested: bool) -> None:
    call = execute_batch_call_data(calls)
    if nested:
        call = execute_batch_call_data([Call(to=ACCOUNT, data=call)])
    effects = read_effects(ACCOUNT, wrap_execute_user_op(call) if prefixed else call)
    assert effects is not None
    assert effects.amounts.get(NATIVE, 0) == min(sum(call.value for call in calls), UNLIMITED)
    assert effects.amounts.get(CALL_COUNT, 0) == len(calls)
    assert effects.can_count(None)


@given(st.lists(st.tuples(st.sampled_from(["transfer", "approve", "increaseAllowance"]), words), max_size=5))
def test_token_amounts_are_added_up_whatever_carries_them(moves: list[tuple[str, int]]) -> None:
    inner = [bytes.fromhex(call_data(f"{name}(address,uint256)", FRIEND.hex0x(), amount)[2:]) for name, amount in moves]
    direct = [Call(to=TOKEN, data=Data(each)) for each in inner]
    multicall = Call(to=TOKEN, data=data(call_data("multicall(bytes[])", inner)))
    expected = min(sum(amount for _, amount in moves), UNLIMITED)
    for calls in (direct, [multicall]):
        effects = read_effects(ACCOUNT, execute_batch_call_data(calls))
        assert effects is not None
        assert effects.amounts.get(TOKEN.hex(), 0) == expected
        assert effects.can_count(TOKEN)


@given(st.binary(min_size=1, max_size=80))
def test_unknown_functions_of_a_token_are_never_counted_as_nothing(text: bytes) -> None:
    if len(text) >= 4 and (text[:4] in MOVING_FUNCTIONS or text[:4] in INNER_CALLS):
        return
    rules = [{"type": "amount", "token": TOKEN.hex0x(), "limit": "0x5", "period": "day"}]
    assert decide(rules, Call(to=TOKEN, data=Data(text))) == "rule_undecodable"
    assert decide(rules, Call(to=OTHER, data=Data(text))) is None


@given(st.binary(max_size=400))
def test_any_call_data_is_read_or_denied_and_raises_nothing_else(text: bytes) -> None:
    for head in (b"", abi.EXECUTE, abi.EXECUTE_BATCH, abi.EXECUTE_USER_OP, abi.EXECUTE_WITH_RUNTIME_VALIDATION):
        read_effects(ACCOUNT, head + text)
    for selector in INNER_CALLS:
        read_effects(ACCOUNT, execute_call_data(ACCOUNT, [Call(to=OTHER, data=Data(selector + text))]))


def test_calls_that_are_nested_too_deeply_are_not_read() -> None:
    call = Call(to=FRIEND, value=1)
    for _ in range(20):
        call = Call(to=ACCOUNT, data=execute_batch_call_data([call]))
    assert read_effects(ACCOUNT, call.data) is None
    inner = b""
    for _ in range(20):
        inner = bytes.fromhex(call_data("multicall(bytes[])", [inner])[2:])
    assert read_effects(ACCOUNT, execute_call_data(ACCOUNT, [Call(to=OTHER, data=Data(inner))])) is None
    many = [Call(to=FRIEND)] * 1001
    assert read_effects(ACCOUNT, execute_batch_call_data(many)) is None


def test_values_that_a_multicall_forwards_are_counted_once_and_have_recipients() -> None:
    inner = [(OTHER.hex0x(), False, 7, b"")]
    encoded = encode(["(address,bool,uint256,bytes)[]"], [inner])
    call = Call(to=FRIEND, value=7, data=Data(bytes.fromhex("174dea71") + encoded))
    effects = read_effects(ACCOUNT, execute_batch_call_data([call]))
    assert effects is not None
    assert effects.amounts[NATIVE] == 7
    assert decide([{"type": "recipients", "allow": [FRIEND.hex0x()]}], call) == "rule_recipient_denied"
    assert decide([{"type": "recipients", "allow": [FRIEND.hex0x(), OTHER.hex0x()]}], call) is None
    assert decide([{"type": "recipients", "block": [OTHER.hex0x()]}], call) == "rule_recipient_denied"


@pytest.mark.parametrize("signature", ["performCreate(uint256,bytes,bool,bytes32)", "upgradeToAndCall(address,bytes)"])
def test_functions_of_the_account_that_may_do_anything_are_denied_where_effects_count(signature: str) -> None:
    values: list[Any] = [1, b"", False, b""] if "Create" in signature else [OTHER.hex0x(), b""]
    call = Call(to=ACCOUNT, data=data(call_data(signature, *values)))
    for rule in (
        {"type": "amount", "limit": "0xff", "period": "day"},
        {"type": "amount", "limit": "0xff", "period": "day", "token": TOKEN.hex0x()},
        {"type": "recipients", "allow": [ACCOUNT.hex0x(), OTHER.hex0x()]},
        {"type": "recipients", "block": [FRIEND.hex0x()]},
        {"type": "approval", "above": "0x5"},
    ):
        assert decide([rule], call) == "rule_undecodable"
    assert decide([{"type": "calls", "limit": 5, "period": "day"}], call) is None


KINDS = "(address,(uint256,bytes)[],int16,bool,bytes4,string,uint8[3])"
arguments = st.tuples(
    st.binary(min_size=20, max_size=20).map(lambda each: "0x" + each.hex()),
    st.lists(st.tuples(words, st.binary(max_size=40)), max_size=4),
    st.integers(-(2**15), 2**15 - 1),
    st.booleans(),
    st.binary(min_size=4, max_size=4),
    st.text(max_size=20),
    st.tuples(*[st.integers(0, 255)] * 3),
)


@given(arguments)
def test_an_argument_at_a_path_is_what_another_library_encoded(values: Any) -> None:
    types = parse_types("f" + KINDS)
    encoded = encode([KINDS], [values])[32:]
    expected: dict[str, tuple[Any, ...]] = {
        "0": (int(values[0], 16),),
        "1.*.0": tuple(number for number, _ in values[1]),
        "1.*.1": tuple(text for _, text in values[1]),
        "2": (values[2],),
        "3": (int(values[3]),),
        "4": (values[4],),
        "5": (values[5].encode(),),
        "6.2": (values[6][2],),
        "6.*": tuple(values[6]),
    }
    for path, present in expected.items():
        assert find_type(types, path.split(".")) is not None
        assert read_values(types, encoded, path.split("."), left=PartsLeft()) == present


@given(arguments, st.integers(0, 600), st.integers(0, 255))
def test_altered_arguments_are_read_or_refused(values: Any, position: int, byte: int) -> None:
    encoded = bytearray(encode([KINDS], [values])[32:])
    if position < len(encoded):
        encoded[position] = byte
    for path in ("0", "1.*.1", "1.0.0", "5", "6.*"):
        try:
            read_values(parse_types("f" + KINDS), bytes(encoded), path.split("."), left=PartsLeft())
        except AbiDecodeError:
            continue


def test_nested_arrays_that_share_their_bytes_are_denied_before_they_are_walked() -> None:
    """Each level of 900 offsets points at the next, and the last array is empty: 900 ** 3 arrays without a value."""
    function, shared = "f(uint256[][][][])", bytes(32)
    for _ in range(3):
        shared = word(900) + word(32 * 900) * 900 + shared
    rule = {"type": "argument", "function": function, "path": "0.*.*.*.*", "equals": "1"}
    encoded = Data(bytes(abi.selector_of(function)) + word(32) + shared)
    assert decide([rule], Call(to=TOKEN, data=encoded)) == "rule_undecodable"


def test_the_values_of_all_calls_count_together() -> None:
    rule = {"type": "argument", "function": "f(uint256[])", "path": "0.*", "equals": "5"}
    encoded = Data(bytes(abi.selector_of("f(uint256[])")) + word(32) + word(100) + word(5) * 100)
    most = MAX_PARTS // 102
    assert decide([rule], *[Call(to=TOKEN, data=encoded)] * most) is None
    assert decide([rule], *[Call(to=TOKEN, data=encoded)] * (most + 1)) == "rule_undecodable"


def test_rules_are_limited_in_their_length_together() -> None:
    listed = [Address(number.to_bytes(20, "big")).hex0x() for number in range(1, 101)]
    rule = {"type": "recipients", "allow": listed}
    most = LONGEST_RULES // len(str(wire.encode(RuleList, wire.decode(RuleList, [rule]))))
    check_rule_parts(wire.decode(RuleList, [rule] * most), at="rules")
    with pytest.raises(InvalidParams, match=f"at most {LONGEST_RULES} characters"):
        check_rule_parts(wire.decode(RuleList, [rule] * (most + 2)), at="rules")


def test_values_are_parsed_strictly() -> None:
    kinds = parse_types("f(uint8,int8,address,bool,bytes2,bytes)").components
    wrong = [
        ["256", "-1", "1_0", " 1", "0x", "1.0", ""],
        ["128", "-129"],
        ["0x1", "5"],
        ["1", "True"],
        ["0x01", "0102"],
    ]
    for kind, texts in zip(kinds, wrong, strict=False):
        for text in texts:
            with pytest.raises(ValueError, match=r".*"):
                parse_value(kind, text)
    assert [parse_value(kinds[1], "-128"), parse_value(kinds[3], "true"), parse_value(kinds[4], "0x0102")] == [
        -128,
        1,
        b"\1\2",
    ]


def test_deny_wins_over_everything_and_all_rules_have_to_pass() -> None:
    allow = {"type": "recipients", "allow": [FRIEND.hex0x(), OTHER.hex0x()]}
    block = {"type": "recipients", "block": [OTHER.hex0x()]}
    assert decide([allow], Call(to=OTHER, value=1)) is None
    for rules in ([allow, block], [block, allow]):
        assert decide(rules, Call(to=OTHER, value=1)) == "rule_recipient_denied"
        assert decide(rules, Call(to=FRIEND, value=1)) is None


def test_call_data_that_cannot_be_decoded_is_denied_by_any_rule() -> None:
    for call in (b"\1\2\3", abi.EXECUTE + b"\1", abi.EXECUTE_BATCH + abi.uint(32) + abi.uint(9)):
        with pytest.raises(RuleDenied) as denied:
            decide_rules(wire.decode(RuleList, []), read_effects(ACCOUNT, call), now=NOW)
        assert denied.value.reason == "rule_undecodable"
    assert decide_rules(wire.decode(RuleList, []), read_effects(ACCOUNT, b""), now=NOW).amounts == {}


ARGUMENT = {"type": "argument", "function": "transfer(address,uint256)", "path": "1"}


@pytest.mark.parametrize(
    ("rule", "field", "reason"),
    [
        ({"type": "recipients"}, "rules[0]", "rule_malformed"),
        ({"type": "recipients", "allow": [FRIEND.hex0x()], "block": [OTHER.hex0x()]}, "rules[0]", "rule_malformed"),
        ({"type": "hours", "days": ["monday", "monday"]}, "rules[0].days", "rule_malformed"),
        (ARGUMENT, "rules[0]", "rule_malformed"),
        ({**ARGUMENT, "equals": "1", "atMost": "2"}, "rules[0]", "rule_malformed"),
        ({**ARGUMENT, "path": "2", "equals": "1"}, "rules[0].path", "rule_malformed"),
        ({**ARGUMENT, "path": "1.0", "equals": "1"}, "rules[0].path", "rule_malformed"),
        ({**ARGUMENT, "function": "f()", "path": "0", "equals": "1"}, "rules[0].path", "rule_malformed"),
        ({**ARGUMENT, "path": "0", "atMost": "2"}, "rules[0].atMost", "rule_malformed"),
        ({**ARGUMENT, "oneOf": ["1", str(1 << 256)]}, "rules[0].oneOf", "rule_malformed"),
        ({**ARGUMENT, "function": "0xa9059cbb", "equals": "1"}, "rules[0].function", "function_malformed"),
        ({**ARGUMENT, "function": "f(nothing)", "equals": "1"}, "rules[0].function", "function_malformed"),
    ],
)
def test_rules_that_contradict_themselves_are_named(rule: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        check_rule_parts(wire.decode(RuleList, [rule]), at="rules")
    assert (refused.value.field, refused.value.reason) == (field, reason)


@pytest.mark.parametrize(
    ("condition", "amounts"),
    [({"equals": "7"}, {7}), ({"atMost": "0x7"}, set(range(8))), ({"oneOf": ["7", "9"]}, {7, 9})],
)
def test_an_argument_is_held_to_its_condition(condition: dict[str, Any], amounts: set[int]) -> None:
    rules = [{**ARGUMENT, "contract": TOKEN.hex0x(), **condition}]
    check_rule_parts(wire.decode(RuleList, rules), at="rules")
    for amount in range(12):
        text = data(call_data("transfer(address,uint256)", FRIEND.hex0x(), amount))
        expected = None if amount in amounts else "rule_argument_denied"
        assert decide(rules, Call(to=TOKEN, data=text)) == expected
        assert decide(rules, Call(to=OTHER, data=text)) is None
        assert decide(rules, Call(to=TOKEN, data=Data(text[:-1]))) == "rule_undecodable"


def test_times_and_thresholds() -> None:
    pay = Call(to=FRIEND, value=6)
    assert decide([{"type": "not-before", "time": NOW + 1}], pay) == "rule_too_early"
    assert decide([{"type": "not-before", "time": NOW}], pay) is None
    assert decide([{"type": "hours", "days": ["monday"]}], pay) == "rule_outside_hours"
    for above, seconds in (("0x5", 60), ("0x6", None)):
        rules = [{"type": "approval", "above": above, "seconds": 60}]
        effects = read_effects(ACCOUNT, execute_batch_call_data([pay]))
        demand = decide_rules(wire.decode(RuleList, rules), effects, now=NOW)
        assert (demand.approval_seconds, demand.waiting) == (seconds, () if seconds is None else (0,))

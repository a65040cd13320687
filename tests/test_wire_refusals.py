"""Tests of decoding errors: each names the field, the received and the expected value; any JSON decodes or fails so."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BeforeValidator, Field

from tests.support.wire_samples import WRITTEN, Limits, WireSample
from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import validation_error
from wallet_rpc.wire import shape
from wallet_rpc.wire.members import MAX_FIELD_ERRORS


@shape
class Named:
    """Text of a form."""

    name: Annotated[str, Field(pattern="^[a-z]+$")]


@shape
class Short:
    """Text of a bounded length."""

    name: Annotated[str, Field(min_length=2, max_length=4)]


MISSING = object()
LONG = "y" * 1000
SHORT = f'"{"y" * 24}…" of 1000 characters'
TIMED_UUID = "cd8b2d07-a6fa-11f1-a8a5-eaa8f3a7883c"
INVALID: list[tuple[str, Any, str, str]] = [
    ("data", "0x1", "data", 'expected hex bytes starting with 0x, got "0x1"'),
    ("address", MISSING, "address", "required, but absent"),
    ("address", None, "address", "expected 0x and 20 hex bytes (an address), got null"),
    ("selector", "0x", "selector", 'expected 0x and 4 hex bytes (a function selector), got "0x"'),
    ("sessionId", LONG, "sessionId", f"expected 0x and 16 hex bytes (a session id), got {SHORT}"),
    ("chainId", "0x100000000", "chainId", 'expected a hex quantity below 2^32, got "0x100000000"'),
    ("at", "1", "at", 'expected an integer from 0 to 281474976710655, got "1"'),
    ("id", "x", "id", 'expected a version 4 UUID, got "x"'),
    ("id", TIMED_UUID, "id", 'expected a version 4 UUID, got "cd8b2d07-a6fa-11f1-a8a5-eaa8f3a7883c"'),
    ("text", 5, "text", "expected a string, got 5"),
    ("yes", "perhaps", "yes", 'expected true or false, got "perhaps"'),
    ("number", 0, "number", "expected at least 1, got 0"),
    ("number", 100, "number", "expected less than 100, got 100"),
    ("number", 1.5, "number", "expected an integer, got 1.5"),
    ("factor", 0, "factor", "expected more than 0, got 0"),
    ("factor", 1001, "factor", "expected at most 1000, got 1001"),
    ("factor", float("nan"), "factor", "expected a number, got nan"),
    ("factor", [], "factor", "expected a number, got an array of 0"),
    ("colour", "green", "colour", "expected 'red' or 'blue', got \"green\""),
    ("pet", {"kind": "cow"}, "pet", "expected one of 'cat', 'dog', got \"cow\""),
    ("pet", {"kind": None}, "pet", "expected one of 'cat', 'dog', got null"),
    ("pet", {"kind": True}, "pet", "expected one of 'cat', 'dog', got true"),
    ("pet", {"kind": LONG}, "pet", f"expected one of 'cat', 'dog', got {SHORT}"),
    ("pet", {}, "pet", "expected an object with the member 'kind' that names its type, got one without it"),
    ("pet", "cat", "pet", 'expected an object, got "cat"'),
    ("pet", {"kind": "dog"}, "pet.name", "required, but absent"),
    ("pet", {"kind": "dog", "name": {}}, "pet.name", "expected a string, got an object"),
    ("slots", [], "slots", "expected an object, got an array of 0"),
    ("slots", {"0x1": "0x"}, "slots.0x1", 'expected 0x and 32 hex bytes (a hash), got "0x1"'),
    ("slots", {LONG: "0x"}, f"slots.{'y' * 24}…", f"expected 0x and 32 hex bytes (a hash), got {SHORT}"),
    ("calls", [], "calls", "expected at least 1 items, got 0"),
    ("calls", [{}, {}, {}, {}], "calls", "expected at most 3 items, got 4"),
    ("calls", {}, "calls", "expected an array, got an object"),
    ("calls", [{}, 7], "calls[1]", "expected an object, got 7"),
    ("calls", [{}, {"mostGas": []}], "calls[1].mostGas", "expected a hex quantity below 2^128, got an array of 0"),
    ("status", 300, "status", "expected 100 or 200, got 300"),
    ("perhaps", "x", "perhaps", 'expected a hex quantity below 2^256, got "x"'),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "field", "text"), INVALID)
def test_an_error_names_the_field_the_received_value_and_the_expected_value(
    key: str, value: Any, field: str, text: str
) -> None:
    given = {**WRITTEN, key: value}
    if value is MISSING:
        del given[key]

    with pytest.raises(InvalidParams) as error_info:
        wire.decode(WireSample, given, at="params[0]")

    assert error_info.value.message == f"params[0].{field}: {text}"
    assert error_info.value.data == {"reason": "invalid_params", "field": f"params[0].{field}"}
    assert error_info.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "says"),
    [("s", "expected at least 2 characters, got 1"), ("secret", "expected at most 4 characters, got 6")],
)
def test_text_of_the_wrong_length_is_not_repeated(text: str, says: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(Short, {"name": text})

    assert error_info.value.message == f"params.name: {says}"


def test_text_of_another_form_is_rejected_with_the_form() -> None:
    with pytest.raises(InvalidParams, match=r'params.name: expected a string that matches \^\[a-z\]\+\$, got "a b"'):
        wire.decode(Named, {"name": "a b"})


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_a_value_that_is_no_object_is_rejected_as_a_whole(value: Any) -> None:
    with pytest.raises(InvalidParams, match=r"^params: expected an object, got "):
        wire.decode(WireSample, value)


arbitrary = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.builds(pow, st.just(10), st.integers(4300, 5000))
    | st.floats()
    | st.text()
    | st.sampled_from([value for value in WRITTEN.values() if isinstance(value, str)]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*WRITTEN, "kind", LONG]) | st.text(), inner)
    ),
    max_leaves=10,
)
near = st.builds(
    lambda key, value: {**WRITTEN, key: value}, st.sampled_from([*WRITTEN, "perhaps", "anything"]), arbitrary
)
THEIRS = ("Input", "should be", "valid", "pydantic", "http", "Traceback", "type=", "dataclass")


@given(arbitrary | near)
def test_any_json_is_decoded_or_rejected_with_a_project_message(value: Any) -> None:
    try:
        wire.decode(WireSample, value)
    except InvalidParams as error:
        message = error.message
        field = error.data["field"]
    else:
        return

    detail = message.removeprefix(f"{field}: ")
    assert message.startswith("params")
    assert message != detail
    assert len(detail) < 150
    assert detail.startswith(("expected ", "required, but absent", "no such member of this object; its members are "))
    if '"' not in detail:
        assert not any(word in detail for word in THEIRS)
    assert "y" * 25 not in message


def test_validate_reports_all_errors_in_the_order_of_the_fields() -> None:
    given = {**WRITTEN, "chainId": "x", "calls": [{}, {"mostGas": []}, {"mostGass": 1}], "pet": {"kind": "dog"}}
    del given["data"]

    with pytest.raises(wire.InvalidValue) as error_info:
        wire.validate(WireSample, given)

    found = [(field_error.field, field_error.reason) for field_error in error_info.value.errors]
    assert found == [
        ("data", "missing"),
        ("chainId", "malformed"),
        ("pet.name", "missing"),
        ("calls[1].mostGas", "malformed"),
        ("calls[2].mostGass", "unknown_member"),
    ]
    assert error_info.value.errors[1].text == 'expected a hex quantity below 2^32, got "x"'


@given(arbitrary | near)
def test_decode_reports_the_first_error_of_validate(value: Any) -> None:
    try:
        wire.validate(WireSample, value)
    except wire.InvalidValue as error:
        field_errors = error.errors
    else:
        return

    with pytest.raises(InvalidParams) as error_info:
        wire.decode(WireSample, value, at="")
    first = field_errors[0]
    message = f"{first.field}: {first.text}" if first.field else first.text
    assert error_info.value.message.removeprefix(".") == message
    assert len({field_error.field for field_error in field_errors}) == len(field_errors) <= MAX_FIELD_ERRORS


def _refuse(_: object) -> int:
    raise validation_error("size must be {small}", reason="too_large")


@shape
class Sized:
    size: Annotated[int, BeforeValidator(_refuse)]


@pytest.mark.parametrize("name", ["mostGass", "most_gas", "", "calls"])
def test_a_member_that_a_strict_object_does_not_have_is_refused_with_those_that_it_has(name: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(WireSample, {**WRITTEN, "calls": [{"mostGas": "0x1", name: 1}]})

    assert error_info.value.message == (
        f"params.calls[0].{name}: no such member of this object; its members are mostGas"
    )
    assert error_info.value.data == {"reason": "unknown_member", "field": f"params.calls[0].{name}"}


def test_a_null_member_of_a_strict_object_is_ignored() -> None:
    given = {**WRITTEN, "calls": [{"mostGas": None, "other": None}]}

    assert wire.decode(WireSample, given).calls == (Limits(),)


def test_a_validator_may_set_the_text_and_reason_of_an_error() -> None:
    with pytest.raises(wire.InvalidValue) as error_info:
        wire.validate(tuple[Sized, ...], [{"size": 1}])
    assert error_info.value.errors == (
        wire.FieldError(field="[0].size", text="size must be {small}", reason="too_large"),
    )

    with pytest.raises(InvalidParams, match=r"^params\[0\]\.size: size must be {small}$") as rejection_info:
        wire.decode(tuple[Sized, ...], [{"size": 1}])
    assert rejection_info.value.data == {"reason": "too_large", "field": "params[0].size"}


def test_at_most_a_hundred_errors_are_reported() -> None:
    with pytest.raises(wire.InvalidValue) as error_info:
        wire.validate(tuple[Sized, ...], [{"size": 1}] * 1000)

    assert len(error_info.value.errors) == MAX_FIELD_ERRORS

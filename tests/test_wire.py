"""Tests of encoding to JSON and back: every value survives, and no invalid value is written."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from tests.support.wire_samples import WRITTEN, Cat, Limits, WireSample, whole
from wallet_rpc import wire


@given(whole)
def test_every_value_survives_a_round_trip(value: WireSample) -> None:
    written = json.loads(json.dumps(wire.encode(WireSample, value), allow_nan=False))

    assert wire.decode(WireSample, written) == value
    Draft202012Validator(_local(wire.schema(WireSample))).validate(written)
    Draft202012Validator(_local(wire.schema(WireSample, "validation"))).validate(written)


def _local(schema: dict[str, Any]) -> dict[str, Any]:
    local: dict[str, Any] = json.loads(json.dumps(schema).replace("#/components/schemas/", "#/$defs/"))
    return local


def test_keys_are_camel_case_and_what_is_absent_is_left_out() -> None:
    value = wire.decode(WireSample, WRITTEN)

    assert wire.encode(WireSample, value) == WRITTEN
    assert (value.id, value.perhaps, value.pet) == (UUID(WRITTEN["id"]), None, Cat(kind="cat", lives=9))


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"pet": {"kind": "cat"}},
        {"pet": {"kind": "cat", "wings": 2}},
        {"perhaps": None},
        {"uint": "0x00"},
        {"chainId": 421614},
        {"from_": "ignored"},
        {"session_id": "ignored"},
    ],
)
def test_extra_members_and_other_spellings_decode_to_the_same_value(change: dict[str, Any]) -> None:
    assert wire.decode(WireSample, {**WRITTEN, **change}) == wire.decode(WireSample, WRITTEN)


@pytest.mark.parametrize(
    "change",
    [
        {"wei": -1},
        {"wei": "0x1"},
        {"address": b"\1"},
        {"text": 5},
        {"yes": 1},
        {"number": "7"},
        {"pet": {"kind": "cat"}},
        {"calls": ({},)},
        {"calls": "x"},
        {"slots": []},
        {"colour": "green"},
        {"at": 2**48},
        {"at": "1"},
        {"id": "x"},
    ],
)
def test_an_invalid_value_is_never_written(change: dict[str, Any]) -> None:
    fields = {name: getattr(wire.decode(WireSample, WRITTEN), name) for name in WireSample.__dataclass_fields__}

    with pytest.raises(ValueError, match=r"."):
        wire.encode(WireSample, WireSample(**{**fields, **change}))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "wrap", [lambda it: it, lambda it: [1, it], lambda it: {"a": (it,)}, lambda it: Limits(most_gas=it)]
)
def test_values_outside_json_are_never_written(number: float, wrap: Any) -> None:
    for kind, value in ((Any, wrap(number)), (dict[str, Any], {"a": wrap(number)}), (tuple[Any, ...], (wrap(number),))):
        for write in (wire.encode, wire.dump_json):
            with pytest.raises(ValueError, match="JSON has no "):
                write(kind, value)


def test_a_null_within_a_value_is_written() -> None:
    assert wire.dump_json(dict[str, Any], {"a": [None, 1.5]}) == b'{"a":[null,1.5]}'


def test_an_object_of_the_wire_does_not_change() -> None:
    with pytest.raises(AttributeError):
        wire.decode(Limits, {}).most_gas = 1  # type: ignore[misc]  # the assignment is under test


def test_a_schema_shares_its_parts_and_a_strict_object_says_so() -> None:
    schema = wire.schema(WireSample, "validation")

    assert schema["properties"]["calls"]["items"] == {"$ref": "#/components/schemas/Limits"}
    assert schema["$defs"]["Limits"]["additionalProperties"] is False
    assert schema["$defs"]["Limits"]["description"] == "A strict object."
    assert "additionalProperties" not in schema
    assert schema["properties"]["from"]["pattern"] == "^0x[0-9a-fA-F]{40}$"
    assert "perhaps" not in schema["required"]

"""Tests of required capabilities: an unsupported one is rejected by name unless it is marked optional."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from tests.domain.test_capabilities import ALL, Json
from wallet_rpc import wire
from wallet_rpc.domain.capabilities import SUPPORTED_CAPABILITIES, Capabilities, refuse_unknown, validate_capabilities
from wallet_rpc.errors import InvalidParams, UnsupportedCapability


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        ALL,
        {"atomic": {"required": True}},
        {"atomic": {"optional": False}},
        {"atomic": {"status": "supported"}},
        {"flowControl": {"optional": True}},
        {"whatever": {"optional": True}},
    ],
)
def test_supported_and_optional_capabilities_are_taken_as_they_are(given: Any) -> None:
    assert validate_capabilities(given) == given


@pytest.mark.parametrize("value", [{}, None, True, [], "yes", {"optional": False}, {"optional": None}, {"optional": 1}])
@pytest.mark.parametrize(
    "name", ["auxiliaryFunds", "paymaster", "PaymasterService", "paymaster_service", "whatever", "", "a" * 500]
)
def test_an_unsupported_capability_is_rejected_by_name_unless_it_is_optional(name: str, value: Any) -> None:
    with pytest.raises(UnsupportedCapability) as error_info:
        validate_capabilities({"atomic": {}, name: value})

    assert error_info.value.code == 5700
    assert name[:20] in error_info.value.message
    assert len(error_info.value.message) < 160
    assert error_info.value.data["capability"] == name[:64]
    assert error_info.value.data["field"] == f"params.capabilities.{name[:64]}"


@drawn(st.text(max_size=30), st.sampled_from([None, {}, {"optional": False}, {"optional": True}]))
def test_no_unknown_capability_is_passed_over(name: str, value: Any) -> None:
    is_taken = name in SUPPORTED_CAPABILITIES | {"maxFeePerGas"} or value == {"optional": True}
    try:
        refuse_unknown({name: value}, known=SUPPORTED_CAPABILITIES | {"maxFeePerGas"})
    except UnsupportedCapability:
        assert not is_taken
    else:
        assert is_taken


FACTOR: Json = {"multiplier": 1.1}


@pytest.mark.parametrize(
    ("given", "overrides"),
    [
        ({"maxFeePerGas": FACTOR}, {"maxFeePerGas": FACTOR}),
        ({"maxFeePerGas": FACTOR, "gasParamsOverride": None}, {"maxFeePerGas": FACTOR}),
        (
            {"maxFeePerGas": FACTOR, "gasParamsOverride": {"callGasLimit": "0x5", "maxFeePerGas": None}},
            {"callGasLimit": "0x5", "maxFeePerGas": FACTOR},
        ),
        ({"maxFeePerGas": None, "gasParamsOverride": {"maxFeePerGas": "0x1"}}, {"maxFeePerGas": "0x1"}),
    ],
)
def test_a_fee_among_the_capabilities_counts_as_an_override(given: Json, overrides: Json) -> None:
    assert wire.decode(Capabilities, validate_capabilities(given)) == wire.decode(
        Capabilities, {"gasParamsOverride": overrides}
    )


@pytest.mark.parametrize("overrides", [{"maxFeePerGas": "0x1"}, "junk", [1]])
def test_a_fee_that_is_given_twice_is_refused(overrides: Any) -> None:
    with pytest.raises(InvalidParams) as error_info:
        validate_capabilities({"maxFeePerGas": FACTOR, "gasParamsOverride": overrides})
    assert error_info.value.reason == "fee_given_twice"


@pytest.mark.parametrize(
    "given",
    [
        {"gasParamsOverride": {"maxFeePerGas": "0x1", "optional": True}},
        {"nonceOverride": {"nonceKey": "0x1", "optional": False}},
        {"eip7702Auth": {"delegation": "ModularAccountV2", "optional": True}},
        {"experimental_dataSuffix": {"value": "0x01", "optional": True}},
    ],
)
def test_every_capability_may_say_whether_it_is_optional(given: Json) -> None:
    (name,) = given
    plain = {name: {key: value for key, value in given[name].items() if key != "optional"}}
    read = wire.decode(Capabilities, given)
    expected = wire.decode(Capabilities, plain)
    assert read != expected
    assert wire.encode(Capabilities, read)[name] == {**wire.encode(Capabilities, expected)[name], **given[name]}

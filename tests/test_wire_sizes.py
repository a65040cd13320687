"""Tests of the limits on large values, and of the errors for them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wire_samples import WRITTEN, Limits, WireSample, json_values
from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams
from wallet_rpc.wire import Size


def count_values(value: Any) -> Size:
    """Measure a value by visiting every value in it."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inside is None:
        return Size(0, 0)
    sizes = [count_values(each) for each in inside]
    return Size(len(sizes) + sum(size.values for size in sizes), 1 + max((size.levels for size in sizes), default=0))


@given(json_values)
def test_a_value_is_as_large_as_all_that_is_in_it(value: Any) -> None:
    assert wire.measure(value, max_values=1000) == count_values(value)


@given(json_values, st.integers(0, 12))
def test_measuring_stops_at_the_maximum(value: Any, maximum: int) -> None:
    assert (wire.measure(value, max_values=maximum).values > maximum) == (count_values(value).values > maximum)


@pytest.mark.parametrize("inner", [0, [], {}, [[]]])
def test_a_request_with_too_many_values_is_refused_by_name(inner: Any) -> None:
    maximum = wire.MAX_REQUEST_VALUES // (1 + count_values(inner).values)
    wire.check_size([inner] * maximum)

    with pytest.raises(InvalidParams, match=r"^params: expected at most 10000 values") as error_info:
        wire.check_size([inner] * (maximum + 1))
    assert error_info.value.data == {"reason": "too_many_values", "field": "params"}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"calls": [0] * 3000}, ["calls[0]", "calls"]),
        ({"calls": [{"mostGas": []}] * 3000, "pet": {}}, ["pet", "calls[0].mostGas", "calls"]),
        ({"slots": {str(number): 0 for number in range(3000)}}, ["slots.0"]),
        ({"anything": [0] * 3000, "chainId": "x", "text": 5}, ["chainId", "text"]),
    ],
)
def test_one_error_is_reported_in_each_array_of_a_large_value(change: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(wire.InvalidValue) as error_info:
        wire.validate(WireSample, {**WRITTEN, **change})

    assert [error.field for error in error_info.value.errors] == fields


def test_a_large_valid_value_is_read_like_any() -> None:
    large = {**WRITTEN, "anything": [[], {"a": None}] * 3000}

    assert wire.validate(WireSample, large) == wire.validate(WireSample, {**WRITTEN, "anything": large["anything"]})
    assert wire.validate(tuple[Limits, ...], [{}] * 3000) == (Limits(),) * 3000

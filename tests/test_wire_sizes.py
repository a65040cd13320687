"""How much is read of large values, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire_samples import WRITTEN, Everything, Limits, json_values
from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams
from wallet_rpc.wire import Size


def counted(value: Any) -> Size:
    """Value by value."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inside is None:
        return Size(0, 0)
    sizes = [counted(each) for each in inside]
    return Size(len(sizes) + sum(size.values for size in sizes), 1 + max((size.levels for size in sizes), default=0))


@given(json_values)
def test_a_value_is_as_large_as_all_that_is_in_it(value: Any) -> None:
    assert wire.measured(value, most_values=1000) == counted(value)


@given(json_values, st.integers(0, 12))
def test_whether_a_value_is_too_large_is_seen_without_looking_at_all_of_it(value: Any, most: int) -> None:
    assert (wire.measured(value, most_values=most).values > most) == (counted(value).values > most)


@pytest.mark.parametrize("inner", [0, [], {}, [[]]])
def test_a_request_with_too_many_values_is_refused_by_name(inner: Any) -> None:
    most = wire.MOST_VALUES // (1 + counted(inner).values)
    wire.bounded([inner] * most)

    with pytest.raises(InvalidParams, match=r"^params: expected at most 10000 values") as refused:
        wire.bounded([inner] * (most + 1))
    assert (refused.value.reason, refused.value.facts) == ("too_many_values", {"field": "params"})


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"calls": [0] * 3000}, ["calls[0]", "calls"]),
        ({"calls": [{"mostGas": []}] * 3000, "pet": {}}, ["pet", "calls[0].mostGas", "calls"]),
        ({"slots": {str(number): 0 for number in range(3000)}}, ["slots.0"]),
        ({"anything": [0] * 3000, "chainId": "x", "text": 5}, ["chainId", "text"]),
    ],
)
def test_of_a_large_value_one_fault_is_told_in_each_array(change: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(wire.Faulty) as caught:
        wire.read(Everything, {**WRITTEN, **change})

    assert [fault.field for fault in caught.value.faults] == fields


def test_a_large_value_without_faults_is_read_like_any() -> None:
    large = {**WRITTEN, "anything": [[], {"a": None}] * 3000}

    assert wire.read(Everything, large) == wire.read(Everything, {**WRITTEN, "anything": large["anything"]})
    assert wire.read(tuple[Limits, ...], [{}] * 3000) == (Limits(),) * 3000

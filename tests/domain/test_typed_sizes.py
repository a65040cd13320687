"""Tests of the limits on typed data, and of the cost of hashing it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.domain.typed import of, refusal
from wallet_rpc.domain import typed_data, typed_structs
from wallet_rpc.domain.typed_data import typed_data_digest


def nest(levels: int) -> Any:
    return [nest(levels - 1)] if levels > 1 else []


def chain(structs: int, *, members: int = 1) -> dict[str, Any]:
    """Build typed data whose primaryType reaches `structs` structs; each has empty arrays of the next."""
    names = [f"S{number}" for number in range(structs)]
    types = {
        name: [{"name": f"m{number}", "type": f"{after}[]"} for number in range(members)]
        for name, after in pairwise(names)
    }
    return {
        "types": {**types, names[-1]: []},
        "primaryType": "S0",
        "message": {f"m{number}": [] for number in range(members if structs > 1 else 0)},
    }


def many(values: int) -> dict[str, Any]:
    """Build typed data with `values` values; four of them are in `types`, and one is the array."""
    return of("uint8[]", [1] * (values - 5))


def deep(levels: int) -> dict[str, Any]:
    """Build typed data with a message of `levels` levels, itself the first."""
    return {**of("bool", value=True), "message": {"a": True, "more": nest(levels - 1)}}


def wide(length: int) -> dict[str, Any]:
    """Build typed data whose struct type, `Data(bool a,bool ...)`, has `length` bytes."""
    name = "b" * (length - len("Data(bool a,bool )"))
    return {
        "types": {"Data": [{"name": "a", "type": "bool"}, {"name": name, "type": "bool"}]},
        "primaryType": "Data",
        "message": {"a": True, name: False},
    }


LIMITS: list[tuple[Callable[[int], dict[str, Any]], int, str]] = [
    (many, typed_data.MAX_TYPED_DATA_VALUES, "message"),
    (deep, typed_data.MAX_TYPED_DATA_LEVELS, "message"),
    (chain, typed_structs.MAX_STRUCTS, "types"),
    (lambda count: of("bool" + "[]" * count, []), typed_structs.MAX_DIMENSIONS, "types.Data[0].type"),
    (wide, typed_structs.MAX_TYPE_BYTES, "types"),
]


@pytest.mark.parametrize(
    ("build", "maximum", "field"), LIMITS, ids=["values", "levels", "structs", "dimensions", "bytes"]
)
def test_sizes_are_bounded_by_name(build: Callable[[int], dict[str, Any]], maximum: int, field: str) -> None:
    assert len(typed_data_digest(build(maximum))) == 32
    found = refusal(build(maximum + 1))
    assert (found.reason, found.field) == ("typed_data_too_large", field)
    assert f"expected at most {maximum}" in found.message


def test_the_types_of_all_structs_are_counted_together() -> None:
    assert len(typed_data_digest(chain(400, members=4))) == 32
    assert refusal(chain(500, members=60)).reason == "typed_data_too_large"


def seconds(data: dict[str, Any]) -> float:
    started = time.thread_time()
    typed_data_digest(data)
    return time.thread_time() - started


def test_a_type_is_hashed_once_however_many_structs_have_it() -> None:
    """Hash 15,000 structs of a type that reaches 400 others; hashing the types each time takes 50 times as long."""

    def of_structs(reached: int) -> dict[str, Any]:
        data = chain(reached)
        data["types"]["All"] = [{"name": "all", "type": "S0[]"}]
        return {**data, "primaryType": "All", "message": {"all": [data["message"]] * 15_000}}

    few = of_structs(2)
    lots = of_structs(400)
    assert min(seconds(lots) for _ in range(3)) < 4 * min(seconds(few) for _ in range(3))

"""Every input gets a valid JSON-RPC response, or none."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.edge.sample import ADDRESS, OPERATIONS, dispatcher

NAMES = [operation.name for operation in OPERATIONS if operation.name != "wait"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(ADDRESS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
calls = st.fixed_dictionaries({"calls": st.lists(values | st.fixed_dictionaries({"to": values, "value": values}))})
params = values | calls | st.lists(calls | st.integers() | values, max_size=4)
requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | values,
        "method": st.sampled_from(NAMES) | values,
        "params": params,
        "id": values,
    },
) | st.fixed_dictionaries({"jsonrpc": st.just("2.0"), "method": st.sampled_from(NAMES), "params": params, "id": values})


def _refuse_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def _check(one: Any) -> None:
    assert one["jsonrpc"] == "2.0"
    assert set(one) in ({"jsonrpc", "result", "id"}, {"jsonrpc", "error", "id"})
    assert one["id"] is None or (isinstance(one["id"], str | int | float) and not isinstance(one["id"], bool))
    assert not (isinstance(one["id"], float) and not math.isfinite(one["id"]))
    if "error" in one:
        assert set(one["error"]) == {"code", "message", "data"}
        assert isinstance(one["error"]["code"], int)
        assert isinstance(one["error"]["message"], str)
        assert isinstance(one["error"]["data"]["reason"], str)


def _serve(body: bytes) -> Any:
    with capture_logs():
        answer = asyncio.run(dispatcher().dispatch(body)).text
    if answer is None:
        return None
    value = json.loads(answer.decode("utf-8"), parse_constant=_refuse_constant)
    assert value != []
    for one in value if isinstance(value, list) else [value]:
        _check(one)
    return value


@given(st.binary())
def test_any_bytes_get_valid_json_rpc(body: bytes) -> None:
    assert _serve(body) is not None


@given(values)
def test_any_json_gets_valid_json_rpc(value: Any) -> None:
    _serve(json.dumps(value).encode())


@given(requests)
def test_any_object_like_a_request_gets_its_id(value: dict[str, Any]) -> None:
    answer = _serve(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    if answer is not None and answer["id"] is not None:
        assert answer["id"] == value["id"]


@given(st.lists(requests | values, min_size=1, max_size=6))
def test_any_batch_has_at_most_one_response_per_entry(batch: list[Any]) -> None:
    answer = _serve(json.dumps(batch).encode())

    assert answer is None or isinstance(answer, dict) or len(answer) <= len(batch)

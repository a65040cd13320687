"""Limits on the number of values in a request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.edge.sample import ADDRESS, OPERATIONS, Journal, ask, dispatcher, request
from wallet_rpc.edge import envelope
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.errors import InvalidRequest, ParseError


async def _echo(entry: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": entry.get("id"), "result": len(entry["params"])}


@pytest.mark.parametrize("method", ["send", "total", "subtract", "eth_call"])
async def test_the_error_of_too_many_values_names_params(method: str) -> None:
    large = request(method, [[0] * 5000] * 2, id=1)

    error = (await ask(large, dispatcher(fallback=_echo)))["error"]

    assert (error["code"], error["data"]) == (-32602, {"reason": "too_many_values", "field": "params"})
    assert error["message"].startswith("params: expected at most 10000 values")


@pytest.mark.parametrize("piece", ["0,", "[],", "[[]],", "{},", '{"a":0},', '"a",'])
async def test_a_body_with_too_many_values_is_not_read(piece: str) -> None:
    counted: list[int] = []

    async def count(entries: int) -> None:
        counted.append(entries)

    reply = await dispatcher(enforce_rate_limit=count).dispatch(f"[{piece * (envelope.MAX_BODY_VALUES + 1)}".encode())
    assert reply.text is not None
    assert json.loads(reply.text) == {
        "jsonrpc": "2.0",
        "error": {
            "code": -32600,
            "message": "body: expected at most 150000 JSON values and 50000 arrays and objects, got more",
            "data": {"reason": "too_many_values"},
        },
        "id": None,
    }
    assert counted == [1]


MANY = b"0," * (envelope.MAX_BODY_VALUES + 1)


@pytest.mark.parametrize("start", [b"[" * 201, b"[1 ", b"[]]", b'"\xff",', b"[01,"])
def test_a_large_body_that_does_not_start_as_json_is_a_parse_error(start: bytes) -> None:
    with pytest.raises(ParseError, match="body: expected JSON in UTF-8 at line 1 column "):
        envelope.parse_body(start + MANY + b"[" * envelope.MAX_BODY_VALUES)


@pytest.mark.parametrize("start", [b"[", b" " * 65_535, b"1" + b" " * 65_535, b'["' + b"\xc3\xa9" * 40_000 + b'",'])
def test_a_large_body_is_read_no_further_than_its_start(start: bytes) -> None:
    for end in (b"0]", b"]]]", b"["):
        with pytest.raises(InvalidRequest) as error_info:
            envelope.parse_body(start + MANY + end)
        assert error_info.value.reason == "too_many_values"


@pytest.mark.parametrize("text", [",[{" * 90_000, '\\",[{' * 90_000, "\\\\" * 90_000 + ",[{" * 80_000])
async def test_marks_within_a_string_do_not_count_as_values(text: str) -> None:
    body = f'{{"jsonrpc":"2.0","id":1,"method":"wait","params":{{"name":"{text}"}}}}'

    answer = await dispatcher().dispatch(body.encode())

    assert answer.text is not None
    assert json.loads(answer.text)["result"] == json.loads(f'"{text}"')


async def test_an_operation_may_have_its_own_limits_and_long_results() -> None:
    own = [replace(each, has_own_limits=True, is_long=lambda _: True) for each in OPERATIONS if each.name == "send"]
    calls = {"calls": [{"to": ADDRESS, "value": "0x1"}] * 5000}

    answer = await ask(request("send", [calls], id=1), JsonRpcDispatcher[Journal](own, Journal))

    assert answer["result"]["total"] == hex(5000)

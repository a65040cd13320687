"""Errors in the access log: code, reason and message of each, without values of the request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.edge.logged import KEY, request_lines
from tests.edge.sample import ADDRESS, dispatcher, request
from wallet_rpc.edge import observe
from wallet_rpc.edge.chain_choice import record_requests
from wallet_rpc.edge.envelope import Reply
from wallet_rpc.edge.http import build_app, wallet_handlers


@pytest.mark.parametrize(
    ("value", "code", "reason", "message"),
    [
        (request("revert", id=1), -32521, "execution_reverted", "calls[0]: reverts"),
        (request("sum", [1, KEY], id=1), -32602, "invalid_params", "params.second: expected an integer"),
        (
            request("send", [{"calls": [{"to": KEY}]}], id=1),
            -32602,
            "invalid_params",
            "params.calls[0].to: expected",
        ),
        (request(f"eth_{KEY}", id=1), -32601, "method_not_found", "the method "),
        (request("leak", id=1), -32603, "internal_error", "internal error, incident "),
        ({"method": KEY}, -32600, "invalid_request", 'jsonrpc: expected "…", got nothing'),
    ],
)
async def test_a_failure_has_code_reason_and_message_without_values(
    value: Any, code: int, reason: str, message: str
) -> None:
    (line,) = await request_lines(value)

    assert (line["code"], line["reason"]) == (code, reason)
    assert line["message"].startswith(message)
    assert KEY not in json.dumps(line)


async def test_the_errors_of_a_batch_are_listed_with_their_positions() -> None:
    entries = [request("sum", [1, 2], id=1), request("sum", [1, KEY], id=2), request("leak", id=3), KEY]
    (line,) = await request_lines([*entries, *[request("sum", [], id=4)] * 20])

    assert [failure["entry"] for failure in line["failures"][:3]] == [1, 2, 3]
    assert [failure["method"] for failure in line["failures"][:3]] == ["sum", "leak", "(unreadable)"]
    assert (len(line["failures"]), line["failed"]) == (observe.MAX_LOGGED_FAILURES, 23)
    assert (line["code"], line["reason"]) == (-32602, "invalid_params")
    assert KEY not in json.dumps(line)


async def test_the_first_failure_of_a_batch_is_the_first_in_the_request_also_if_it_ends_last() -> None:
    ended = asyncio.Event()

    async def answer(entry: dict[str, Any]) -> dict[str, Any]:
        if entry["method"] == "slow":
            await ended.wait()
        ended.set()
        return {"jsonrpc": "2.0", "id": entry["id"], "error": {"code": entry["id"], "message": "failed"}}

    app = build_app(wallet_handlers(dispatcher(fallback=answer, at_once=2).dispatch))
    (line,) = await request_lines([request("slow", id=1), request("fast", id=2)], app=app)

    assert [line["code"], line["outcome"]] == [1, 1]
    assert [(failure["entry"], failure["code"]) for failure in line["failures"]] == [(0, 1), (1, 2)]


async def test_known_methods_of_a_chain_are_named_and_others_are_one_word() -> None:
    async def answer(entry: dict[str, Any]) -> dict[str, Any]:
        error = {"code": 3, "message": f"reverted at {ADDRESS} by '{KEY}'", "data": KEY}
        return {"jsonrpc": "2.0", "id": entry.get("id"), "error": error}

    chain = dispatcher(fallback=answer)
    chain.chain_methods = frozenset({"eth_call"})
    app = build_app(wallet_handlers(chain.dispatch))
    lines = [(await request_lines(request(method, id=1), app=app))[0] for method in ("eth_call", f"eth_{KEY}")]

    assert [line["method"] for line in lines] == ["eth_call", "(chain)"]
    assert [(line["code"], line["message"]) for line in lines] == [(3, 'reverted at … by "…"')] * 2
    assert "reason" not in lines[0]


@pytest.mark.parametrize(
    ("value", "reply", "fields"),
    [
        (request("eth_call", id=1), b'{"jsonrpc":"2.0","id":1,"result":"0x"}', {"method": "eth_call", "outcome": "ok"}),
        (request("eth_call"), None, {"method": "eth_call", "outcome": "ok"}),
        (request(KEY, id=1), b'{"jsonrpc":"2.0","id":1,"result":1}', {"method": "(chain)", "outcome": "ok"}),
        (
            request("eth_call", id=1),
            b'{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"reverted"}}',
            {"method": "eth_call", "outcome": 3, "code": 3, "message": "reverted"},
        ),
        (request("eth_call", id=1), b" " * 5000, {"method": "eth_call", "outcome": "ok"}),
        ([request("eth_call", id=1)], b"[]", {}),
        (request("eth_call", [KEY * 500], id=1), b"[]", {}),
    ],
)
async def test_a_request_to_an_embedded_chain_is_named_if_it_is_single_and_short(
    value: Any, reply: bytes | None, fields: dict[str, Any]
) -> None:
    async def handle(_: bytes) -> Reply:
        return Reply(reply)

    async def record(_: int, __: Any) -> None:
        """Record nothing."""

    handler = record_requests(5, handle, record, methods=frozenset({"eth_call"}))
    (line,) = await request_lines(value, "/chain/5", app=build_app({"/chain/5": handler}))

    for name in ("event", "log_level", "verb", "path", "status", "ms"):
        del line[name]
    assert line == fields

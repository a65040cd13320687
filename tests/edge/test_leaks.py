"""A caller sees all of a WalletError, and nothing of any other exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.edge.sample import ADDRESS, SECRET, ask, dispatcher, request
from wallet_rpc.edge import envelope


@pytest.mark.parametrize(
    "method", ["leak", "leak_type", "leak_deep", "leak_timeout", "mixed_group", "wrong_answer", "surrogate"]
)
async def test_the_response_to_a_bug_is_an_incident_number_and_nothing_else(method: str) -> None:
    with capture_logs() as logs:
        body = (await dispatcher().dispatch(json.dumps(request(method, id=1)).encode())).text

    assert body is not None
    (line,) = logs
    number = line["incident"]
    assert json.loads(body) == {
        "jsonrpc": "2.0",
        "error": {
            "code": -32603,
            "message": f"internal error, incident {number}",
            "data": {"reason": "internal_error", "incident": number},
        },
        "id": 1,
    }
    assert line["event"] == "incident"
    assert isinstance(line["exc_info"], Exception)


async def test_an_error_of_the_library_itself_is_replaced() -> None:
    with capture_logs() as logs:
        answer = await ask(request("leak_facts", id=1))

    assert [line["event"] for line in logs] == ["incident"]
    assert answer["error"]["data"]["incident"] == logs[0]["incident"]
    assert "recursion" not in json.dumps(answer)


async def test_the_log_of_an_incident_names_the_method() -> None:
    with capture_logs() as logs:
        await ask(request("leak", id=1))

    assert [line["method"] for line in logs] == ["leak"]
    assert SECRET in str(logs[0]["exc_info"])


async def test_a_bug_in_a_notification_is_logged_too() -> None:
    with capture_logs() as logs:
        answer = await ask(request("leak"))

    assert answer is None
    assert [line["event"] for line in logs] == ["incident"]


async def test_a_wallet_error_is_returned_completely_and_not_logged() -> None:
    with capture_logs() as logs:
        answer = await ask(request("revert", id=1))

    assert answer["error"] == {
        "code": -32521,
        "message": "calls[0]: reverts",
        "data": {"reason": "execution_reverted", "to": "0x" + "00" * 20, "trace": ["0x01"]},
    }
    assert logs == []


async def test_the_first_of_a_group_of_wallet_errors_is_returned() -> None:
    answer = await ask(request("group", id=1))

    assert answer["error"]["message"] == "node: expected an answer, got none"
    assert answer["error"]["data"] == {"reason": "unavailable", "retryable": True}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", b"\xff", {(1, 2): 3}, object()])
def test_a_result_that_is_not_json_becomes_an_incident_and_leaves_the_others(value: Any) -> None:
    answers = [{"jsonrpc": "2.0", "result": value, "id": 1}, {"jsonrpc": "2.0", "result": 2, "id": 2}]

    with capture_logs():
        first, second = json.loads(envelope.encode_response(answers))

    assert first["error"]["code"] == -32603
    assert first["id"] == 1
    assert second == answers[1]


def test_a_cyclic_value_becomes_an_incident() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)

    with capture_logs():
        answer = json.loads(envelope.encode_response({"jsonrpc": "2.0", "result": cycle, "id": 0}))

    assert answer["error"]["data"]["reason"] == "internal_error"
    assert answer["id"] == 0


async def test_a_long_value_is_shortened_in_a_message() -> None:
    answer = await ask(request("send", [{"calls": [{"to": ADDRESS + "ab" * 10_000}]}], id=1))

    assert len(json.dumps(answer)) < 400

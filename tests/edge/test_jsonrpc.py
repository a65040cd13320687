"""The dispatcher against the JSON-RPC 2.0 specification: its examples, ids, parameters and batches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.edge.sample import ADDRESS, OPERATIONS, Journal, ask, dispatcher, request
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher

INVALID = {"jsonrpc": "2.0", "error": {"code": -32600}, "id": None}

# Every example of https://www.jsonrpc.org/specification#examples, in its order; of an error only the code is stated.
SPECIFICATION: list[tuple[str, Any]] = [
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
        {"jsonrpc": "2.0", "result": 19, "id": 1},
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
        {"jsonrpc": "2.0", "result": -19, "id": 2},
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        {"jsonrpc": "2.0", "result": 19, "id": 3},
    ),
    (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        {"jsonrpc": "2.0", "result": 19, "id": 4},
    ),
    ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    (
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        {"jsonrpc": "2.0", "error": {"code": -32601}, "id": "1"},
    ),
    (
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        {"jsonrpc": "2.0", "error": {"code": -32700}, "id": None},
    ),
    ('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', INVALID),
    (
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]',
        {"jsonrpc": "2.0", "error": {"code": -32700}, "id": None},
    ),
    ("[]", INVALID),
    ("[1]", [INVALID]),
    ("[1,2,3]", [INVALID, INVALID, INVALID]),
    (
        """[
            {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
            {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]""",
        [
            {"jsonrpc": "2.0", "result": 7, "id": "1"},
            {"jsonrpc": "2.0", "result": 19, "id": "2"},
            INVALID,
            {"jsonrpc": "2.0", "error": {"code": -32601}, "id": "5"},
            {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"},
        ],
    ),
    (
        """[
            {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
        ]""",
        None,
    ),
]


def codes_only(answer: Any) -> Any:
    """Reduce the error of a response to its code."""
    if isinstance(answer, list):
        return [codes_only(one) for one in answer]
    if isinstance(answer, dict) and "error" in answer:
        return {**answer, "error": {"code": answer["error"]["code"]}}
    return answer


@pytest.mark.parametrize(("body", "expected"), SPECIFICATION, ids=range(len(SPECIFICATION)))
async def test_every_example_of_the_specification_passes(body: str, expected: Any) -> None:
    answer = (await dispatcher().dispatch(body.encode())).text

    assert (None if answer is None else codes_only(json.loads(answer))) == expected


@pytest.mark.parametrize(
    "text", ["0", "-1", "1", "1.5", "1e3", '"1"', '""', '"é\\u0000"', "null", "18446744073709551617", "1" + "0" * 400]
)
async def test_a_valid_id_is_returned_with_its_value(text: str) -> None:
    answer = (await dispatcher().dispatch(f'{{"jsonrpc":"2.0","method":"ping","id":{text}}}'.encode())).text

    assert answer is not None
    given, echoed = json.loads(text), json.loads(answer)["id"]
    assert (echoed, type(echoed)) == (given, type(given))
    assert json.loads(answer)["result"] is None


@pytest.mark.parametrize("text", ["true", "false", "[]", "[1]", "{}", "1e999", "-1e999"])
async def test_an_invalid_id_is_rejected_and_the_response_has_id_null(text: str) -> None:
    answer = (await dispatcher().dispatch(f'{{"jsonrpc":"2.0","method":"ping","id":{text}}}'.encode())).text

    assert answer is not None
    assert codes_only(json.loads(answer)) == INVALID


async def test_an_invalid_request_with_a_valid_id_gets_that_id() -> None:
    answer = await ask({"jsonrpc": "1.0", "method": "ping", "id": 7})

    assert answer["id"] == 7
    assert answer["error"]["message"] == 'jsonrpc: expected "2.0", got "1.0"'


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"method": "ping", "id": 1}, 'jsonrpc: expected "2.0", got nothing'),
        ({"jsonrpc": 2.0, "method": "ping", "id": 1}, 'jsonrpc: expected "2.0", got 2.0'),
        ({"jsonrpc": "2.0", "id": 1}, "method: expected a string, got nothing"),
        ({"jsonrpc": "2.0", "method": None, "id": 1}, "method: expected a string, got null"),
        (request("ping", 5, id=1), "params: expected an array or an object, got 5"),
        (request("ping", id=[2]), "id: expected a string, a finite number or null, got an array of 1"),
        ("ping", 'request: expected an object, got "ping"'),
        (None, "request: expected an object, got null"),
    ],
)
async def test_the_error_of_an_invalid_request_names_the_member(entry: Any, message: str) -> None:
    answer = await ask(entry)

    assert answer["error"]["code"] == -32600
    assert answer["error"]["message"] == message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":NaN}',
        b"Infinity",
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b"[" * 300 + b"]" * 300,
        b'{"id":' + b"1" * 10_000 + b"}",
        b"1 2",
    ],
)
async def test_a_parse_error_names_the_position(body: bytes) -> None:
    answer = (await dispatcher().dispatch(body)).text

    assert answer is not None
    error = json.loads(answer)["error"]
    assert error["code"] == -32700
    assert error["message"].startswith("body: expected JSON in UTF-8 at line 1 column ")


async def test_the_error_of_an_unknown_method_names_it() -> None:
    answer = await ask(request("eth_foo", id=1))

    assert answer["error"] == {
        "code": -32601,
        "message": 'the method "eth_foo" does not exist or is not available',
        "data": {"reason": "method_not_found"},
    }


CALL = {"to": ADDRESS, "value": "0x5"}


@pytest.mark.parametrize("params", [[{"calls": [CALL]}], {"calls": [CALL]}, [{"calls": [CALL], "unknown": None}]])
async def test_params_of_one_object_may_be_the_object_or_an_array_of_it(params: Any) -> None:
    answer = await ask(request("send", params, id=1))

    assert answer["result"] == {"total": "0x5", "first": CALL, "chainId": "0x1"}


@pytest.mark.parametrize("members", [{}, {"params": None}, {"params": []}, {"params": {}}, {"params": [{}]}])
async def test_absent_params_mean_the_empty_request(members: dict[str, Any]) -> None:
    answer = await ask({"jsonrpc": "2.0", "method": "send", "id": 1, **members})

    assert answer["error"]["message"] == "params.calls: required, but absent"


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("send", [{}, {}], "params: expected one object, got an array of 2"),
        ("send", [{"calls": [CALL, CALL, {"to": "0x12"}]}], "params.calls[2].to: expected 0x and 20 hex bytes"),
        ("send", ["0x"], 'params: expected an object, got "0x"'),
        ("sum", [1, 2, 3, 4], "params: expected at most 3 items (first, second, third), got 4"),
        ("sum", [1], "params.second: required, but absent"),
        ("sum", {"first": "1", "second": 2}, 'params.first: expected an integer, got "1"'),
        ("ping", [1], "params: expected none, got an array of 1"),
        ("total", [CALL, {"to": "0x12"}], "params[1].to: expected 0x and 20 hex bytes"),
        ("total", [CALL, [CALL]], "params[1]: expected an object, got an array of 1"),
        ("total", [[CALL], CALL], "params[0]: expected an object, got an array of 1"),
        ("total", [CALL, CALL, CALL], "params: "),
        ("total", [], "params: "),
        ("total", [[]], "params: "),
    ],
)
async def test_the_error_of_invalid_params_names_the_path(method: str, params: Any, message: str) -> None:
    error = (await ask(request(method, params, id=1)))["error"]

    assert error["code"] == -32602
    assert error["message"].startswith(message)
    assert error["data"]["field"] == message.split(":", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("params", "total"), [([CALL], 5), ([CALL, CALL], 10), ([[CALL]], 5), ([[CALL, CALL]], 10), (CALL, 5)]
)
async def test_the_parameters_of_a_variadic_operation_are_the_items_of_its_list(params: Any, total: int) -> None:
    assert (await ask(request("total", params, id=1)))["result"] == total


@pytest.mark.parametrize("params", [[1, 2], {"first": 1, "second": 2}, [1, 2, 0]])
async def test_trailing_fields_may_be_absent(params: Any) -> None:
    assert (await ask(request("sum", params, id=1)))["result"] == 3


@pytest.mark.parametrize("name", ["self", "context", "given", "", "class"])
async def test_a_named_parameter_may_have_any_name(name: str) -> None:
    assert (await ask(request("sum", {"first": 1, "second": 2, name: 3}, id=1)))["result"] == 3


async def test_of_two_equal_keys_the_last_counts() -> None:
    answer = (
        await dispatcher().dispatch(b'{"jsonrpc":"2.0","method":"sum","params":[1,1],"params":[2,2],"id":1,"id":2}')
    ).text

    assert json.loads(answer or b"") == {"jsonrpc": "2.0", "result": 4, "id": 2}


async def test_a_notification_runs_without_a_response() -> None:
    journal = Journal()

    answer = await ask(request("wait", [{"name": "a"}]), dispatcher(journal))

    assert answer is None
    assert journal.lines == ["a begins", "a ends"]


@pytest.mark.parametrize("entry", [request("leak"), request("send", [{}]), request("no_such")])
async def test_a_notification_that_fails_gets_no_response(entry: Any) -> None:
    assert await ask(entry) is None


async def test_an_entry_past_the_deadline_is_unavailable_and_the_others_succeed() -> None:
    journal = Journal()
    batch = [request("sum", [1, 2], id=1), request("wait", [{"name": "a", "seconds": 60}], id=2)]

    answers = await ask(batch, dispatcher(journal, deadline_seconds=0.5))

    assert answers[0]["result"] == 3
    assert answers[1]["error"]["code"] == -32603
    assert answers[1]["error"]["data"] == {"reason": "deadline", "retryable": True}
    assert journal.lines == ["a begins"]


def test_two_operations_with_the_same_name_are_rejected() -> None:
    with pytest.raises(ValueError, match="two operations of one name"):
        JsonRpcDispatcher([*OPERATIONS, OPERATIONS[0]], Journal)

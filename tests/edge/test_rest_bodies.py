"""Bodies of the REST API: validation, field errors, and the response to a bug."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.edge.rest_sample import (
    BODY_BYTES,
    NEW_THING,
    NEW_TOKEN,
    OPERATIONS,
    THINGS,
    TOKENS,
    FakeAuthenticator,
    client,
    rest_app,
)
from tests.edge.sample import SECRET, Journal, Nothing
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute


async def post_invalid(path: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Post an invalid body and return the status and the error."""
    async with client() as http:
        response = await http.post(path, **more)
    content = response.json()
    assert content.pop("requestId", response.headers["x-request-id"]) == response.headers["x-request-id"]
    return response.status_code, content


def organization(code: int, message: str, *details: tuple[str, str]) -> tuple[int, dict[str, Any]]:
    fields = [{"field": field, "message": text} for field, text in details]
    return code // 1000, {"code": code, "message": message, "details": fields}


def token(status: int, message: str, error: str) -> tuple[int, dict[str, Any]]:
    return status, {"statusCode": status, "message": message, "error": error}


async def test_organisations_get_an_error_for_every_missing_field() -> None:
    missing = [(field, "is required") for field in ("name", "parts", "owner")]

    assert await post_invalid(THINGS, json={}) == organization(400002, "validation failed", *missing)


async def test_organisations_get_every_field_error() -> None:
    body = {"name": 5, "parts": [{"size": 1}, {"size": "x"}, {}], "owner": "0x1"}

    assert await post_invalid(THINGS, json=body) == organization(
        400002,
        "validation failed",
        ("name", "expected a string, got 5"),
        ("parts[1].size", 'expected an integer, got "x"'),
        ("parts[2].size", "is required"),
        ("owner", "must be an address"),
    )


async def test_field_errors_with_one_reason_have_the_code_of_that_reason() -> None:
    assert await post_invalid(THINGS, json={**NEW_THING, "owner": None}) == organization(
        400003, "validation failed", ("owner", "must be an address")
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "wallet should not be empty"),
        ({"wallet": 1, "ttlSeconds": "x"}, "wallet: expected a string, got 1"),
        ({"wallet": "x", "ttlSeconds": True}, "ttlSeconds must be an integer number"),
    ],
)
async def test_tokens_get_the_first_field_error_as_a_sentence(body: Any, message: str) -> None:
    assert await post_invalid(TOKENS, json=body) == token(400, message, "Bad Request")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a":1,"a":1}', b"\xff", b"[" * 4000])
async def test_a_body_that_is_not_an_object_is_rejected(content: bytes) -> None:
    _, organization_error = await post_invalid(THINGS, content=content)
    status, body = await post_invalid(TOKENS, content=content)

    assert (organization_error["code"], organization_error["details"]) == (400001, [])
    assert (status, body["error"], body["message"]) == (400, "Bad Request", organization_error["message"])


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json-rpc"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_a_body_of_another_type_is_a_bad_request(headers: dict[str, str]) -> None:
    (status, error), (token_status, _) = [
        await post_invalid(path, content=b"{}", headers=headers) for path in (THINGS, TOKENS)
    ]

    assert (status, error["code"], token_status) == (400, 400001, 400)


@pytest.mark.parametrize("headers", [{}, {"content-type": "Application/JSON; charset=UTF-8"}])
async def test_a_body_may_have_the_json_content_type_or_none(headers: dict[str, str]) -> None:
    async with client() as http:
        response = await http.post(TOKENS, content=b'{"wallet":"0x1"}', headers=headers)

    assert response.status_code == 200


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 1000):
        yield b" " * min(1000, size - start)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_have_the_maximum_size_of_its_route(chunked: bool) -> None:
    def spaces(size: int) -> Any:
        return _pieces(size) if chunked else b" " * size

    text = f"body: expected at most {BODY_BYTES} bytes"
    assert (await post_invalid(THINGS, content=spaces(BODY_BYTES)))[0] == 400
    assert await post_invalid(THINGS, content=spaces(BODY_BYTES + 1)) == organization(413001, text)
    assert await post_invalid(TOKENS, content=spaces(BODY_BYTES + 1)) == token(413, text, "Payload Too Large")


async def test_a_body_of_a_route_without_one_is_not_read() -> None:
    async with client() as http:
        response = await http.request("DELETE", f"{THINGS}/thing_1", content=b"x" * (BODY_BYTES + 1))

    assert response.json() == {"id": "thing_1"}


@pytest.mark.parametrize("path", [THINGS, TOKENS])
async def test_a_client_that_disconnects_gets_no_response(path: str) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"x-api-key", b"good")]
    await rest_app()(
        {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}, receive, send
    )

    assert sent == []


@pytest.mark.parametrize(
    ("failure", "for_organization", "for_token"),
    [
        ("gone", organization(409001, "thing already gone"), token(409, "thing already gone", "Conflict")),
        ("bad", organization(400008, "2 parts are bad", ("a", "b")), token(400, "2 parts are bad", "Bad Request")),
        (
            "named",
            organization(400003, "owner: expected x", ("owner", "expected x")),
            token(400, "owner: expected x", "Bad Request"),
        ),
        (
            "away",
            organization(503000, "redis: expected an answer"),
            token(503, "redis: expected an answer", "Service Unavailable"),
        ),
        ("strange", organization(400000, "strange"), token(400, "strange", "Bad Request")),
    ],
)
async def test_an_error_of_an_operation_has_the_error_format_of_the_route(
    failure: str, for_organization: Any, for_token: Any
) -> None:
    async with client() as http:
        responses = [await http.delete(f"{path}/{failure}") for path in (THINGS, TOKENS)]

    status, body = for_organization
    assert (responses[0].status_code, responses[0].json()) == (
        status,
        {**body, "requestId": responses[0].headers["x-request-id"]},
    )
    assert (responses[1].status_code, responses[1].json()) == for_token
    assert [response.headers.get("retry-after") for response in responses] == ["1" if failure == "away" else None] * 2


@pytest.mark.parametrize("failure", ["leak", "group", "timeout", "unwritable"])
async def test_a_bug_is_an_incident_that_reveals_nothing(failure: str) -> None:
    with capture_logs() as logs:
        async with client() as http:
            organizations, tokens = [await http.delete(f"{path}/{failure}") for path in (THINGS, TOKENS)]

    assert [line["event"] for line in logs] == ["incident", "request"] * 2
    assert organizations.status_code == tokens.status_code == 500
    number = organizations.headers["x-request-id"]
    assert organizations.json() == {"code": 500000, "message": "internal error", "details": [], "requestId": number}
    assert tokens.json() == {"statusCode": 500, "message": "Internal server error"}


async def test_a_bug_before_the_operation_is_an_incident_too() -> None:
    with capture_logs() as logs:
        status, content = await post_invalid(TOKENS, json=NEW_TOKEN, headers={"x-api-key": "leak"})

    assert (status, content) == (500, {"statusCode": 500, "message": "Internal server error"})
    assert SECRET not in str(content)
    assert logs[0]["method"] == "mintToken"


async def test_an_operation_past_the_deadline_is_cancelled() -> None:
    ended: list[str] = []

    async def run(_: Journal, __: Nothing) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    slow: Operation[Journal, Any, Any] = Operation(
        "slow", Nothing, None, run, rest=RestRoute(verb="GET", paths=("/v1/slow",), error_format=ErrorFormat.TOKEN)
    )
    app = rest_app(Journal(), FakeAuthenticator(), operations=[*OPERATIONS, slow], deadline_seconds=0.02)
    async with client(app) as http:
        response = await http.get("/v1/slow")

    text = "the request took longer than this server allows; it may still take effect"
    assert (response.status_code, response.json()["message"]) == (503, text)
    assert ended == ["cancelled"]


async def test_a_result_of_the_wrong_type_is_an_incident() -> None:
    async def run(_: Journal, __: Nothing) -> Any:
        return "\ud800"

    broken: Operation[Journal, Any, Any] = Operation(
        "broken", Nothing, str, run, rest=RestRoute(verb="GET", paths=("/v1/broken",), error_format=ErrorFormat.TOKEN)
    )
    with capture_logs() as logs:
        async with client(rest_app(operations=[broken])) as http:
            response = await http.get("/v1/broken")

    assert (response.status_code, logs[0]["event"]) == (500, "incident")

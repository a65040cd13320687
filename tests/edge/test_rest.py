"""REST routes of operations: routing, the order of checks, and rejections."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from tests.edge.rest_sample import (
    GOOD,
    HOME,
    NEW_THING,
    NEW_TOKEN,
    OPERATIONS,
    THINGS,
    TOKENS,
    FakeAuthenticator,
    client,
    rest_app,
)
from tests.edge.sample import Journal, Nothing
from wallet_rpc.edge.rest import RestApi
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute

FOREIGN = "/v1/organizations/org_other/things"


async def ask(verb: str, path: str, **more: Any) -> httpx2.Response:
    async with client() as http:
        return await http.request(verb, path, **more)


async def test_a_response_is_the_result_of_the_operation_alone() -> None:
    response = await ask("POST", THINGS, json={**NEW_THING, "words": {"a": [1]}, "unknown": 1})

    assert response.status_code == 200
    assert response.json() == {"id": "thing_1", "name": "box", "words": {"a": [1]}}
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"].startswith("req_")
    assert response.headers["x-ratelimit-limit"] == "60"


@pytest.mark.parametrize("path", [TOKENS, f"{TOKENS}/", "/v1/things", "/v1/things/"])
async def test_every_path_of_an_operation_works_with_or_without_a_final_slash(path: str) -> None:
    response = await ask("POST", path, json=NEW_TOKEN)

    assert (response.status_code, response.json()) == (200, {"wallet": "0x1"})


async def test_an_id_may_be_a_line_feed() -> None:
    dropped = await ask("DELETE", f"{THINGS}/%0A")

    assert (dropped.status_code, dropped.json()) == (200, {"id": "\n"})


async def test_the_path_takes_precedence_and_a_route_with_a_body_ignores_the_query() -> None:
    created = await ask("POST", f"{THINGS}?note=query", json={**NEW_THING, "note": "body", "name": "body"})
    dropped = await ask("DELETE", f"{THINGS}/path?id=query")

    assert (created.json()["note"], created.json()["name"]) == ("body", "body")
    assert dropped.json() == {"id": "path"}


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("", {"limit": 20, "offset": 0}),
        ("?limit=100&offset=0", {"limit": 100, "offset": 0}),
        ("?limit=1&offset=9007199254740992&name=", {"limit": 1, "offset": 2**53, "name": ""}),
        ("?name=5&else=1", {"limit": 20, "offset": 0, "name": "5"}),
    ],
)
async def test_a_query_is_decoded_from_text(query: str, page: dict[str, Any]) -> None:
    assert (await ask("GET", THINGS + query)).json() == page


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=1.0", "limit=+1", "limit=01", "limit=", "offset=-1"])
async def test_an_invalid_page_is_rejected_with_its_own_code(query: str) -> None:
    response = await ask("GET", f"{THINGS}?{query}")

    assert (response.status_code, response.json()["code"]) == (400, 400010)
    assert response.json()["details"][0]["field"] == query.split("=", maxsplit=1)[0]


@pytest.mark.parametrize(("query", "code"), [("limit=1&limit=2", 400010), ("name=a&name=a", 400002)])
async def test_a_repeated_parameter_is_rejected(query: str, code: int) -> None:
    assert (await ask("GET", f"{THINGS}?{query}")).json()["code"] == code


WORST: list[tuple[dict[str, str], str, Any, int, list[str]]] = [
    ({}, FOREIGN, "x", 401001, []),
    ({"x-api-key": "unknown"}, FOREIGN, "x", 401002, []),
    ({"x-api-key": "revoked"}, FOREIGN, "x", 401003, []),
    ({"x-api-key": "busy"}, FOREIGN, "x", 429001, []),
    ({"x-api-key": "reader"}, FOREIGN, "x", 403001, ["admit"]),
    (GOOD, FOREIGN, "x", 404001, ["admit"]),
    ({**GOOD, "x-org-id": "org_other"}, THINGS, "x", 400002, ["admit"]),
    ({**GOOD, "x-org-id": HOME, "content-type": "text/plain"}, THINGS, "x", 400001, ["admit"]),
    (GOOD, THINGS, "x", 400001, ["admit"]),
    (GOOD, THINGS, "{}", 400002, ["admit"]),
]
"""Requests that fail a check; each also fails all later checks."""


@pytest.mark.parametrize(("headers", "path", "body", "code", "done"), WORST)
async def test_the_first_failing_check_decides_and_no_later_check_runs(
    headers: dict[str, str], path: str, body: str, code: int, done: list[str]
) -> None:
    journal, authenticator = Journal(), FakeAuthenticator()
    async with client(rest_app(journal, authenticator)) as http:
        del http.headers["x-api-key"]
        response = await http.post(path, content=body, headers=headers)

    assert (response.status_code, response.json()["code"]) == (code // 1000, code)
    assert journal.lines == done
    assert authenticator.counted == (0 if code // 1000 == 401 else 1)


async def test_a_foreign_organisation_looks_like_an_unknown_one() -> None:
    foreign, unknown = await ask("GET", FOREIGN), await ask("GET", "/v1/organizations/string/things")

    expected = {"code": 404001, "message": "organization not found", "details": []}
    assert foreign.json() == {**expected, "requestId": foreign.headers["x-request-id"]}
    assert unknown.json() == {**expected, "requestId": unknown.headers["x-request-id"]}


async def test_a_header_that_names_another_organisation_is_rejected() -> None:
    response = await ask("GET", THINGS, headers={"x-org-id": "org_other"})

    detail = {"field": "X-Org-ID", "message": "differs from the organization of the path"}
    assert (response.status_code, response.json()["details"]) == (400, [detail])


async def test_a_request_without_a_credential_gets_the_error_of_its_route() -> None:
    async with client() as http:
        del http.headers["x-api-key"]
        organization, token = await http.get(THINGS), await http.post(TOKENS, json=NEW_TOKEN)

    assert organization.json() == {
        "code": 401001,
        "message": "invalid or missing token",
        "details": [],
        "requestId": organization.headers["x-request-id"],
    }
    assert token.json() == {"statusCode": 401, "message": "Invalid API key"}
    assert organization.headers["www-authenticate"] == token.headers["www-authenticate"] == "Bearer"
    assert "x-ratelimit-limit" not in organization.headers


async def test_a_rate_limited_request_gets_retry_after() -> None:
    headers = {"x-api-key": "busy"}
    organization, token = await ask("GET", THINGS, headers=headers), await ask("POST", TOKENS, headers=headers)

    assert (organization.json()["code"], organization.json()["message"]) == (429001, "Rate limit exceeded")
    assert token.json() == {"statusCode": 429, "message": "Rate limit exceeded", "error": "Too Many Requests"}
    assert organization.headers["retry-after"] == token.headers["retry-after"] == "7"
    assert token.headers["x-ratelimit-remaining"] == "0"


async def test_a_route_for_tokens_accepts_no_key() -> None:
    by_key = await ask("GET", f"{TOKENS}/me")
    by_token = await ask("GET", f"{TOKENS}/me/", headers={"authorization": "Bearer a.b.c"})

    assert by_key.json() == {"statusCode": 401, "message": "Session expired"}
    assert by_token.json() == {"wallet": "token"}


@pytest.mark.parametrize(
    "path", ["/v1/organizations", "/v1/organizations/", "/v1/organizations/a/b/c", f"{THINGS}/a/b"]
)
async def test_an_unknown_path_of_organisations_has_their_error_format(path: str) -> None:
    response = await ask("POST", path, content="x")

    assert (response.status_code, response.json()["code"]) == (404, 404000)
    assert response.json()["requestId"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/nothing", "/v1/organizationss", "/api", "/api/v1/burner", f"{TOKENS}/a/b"]
)
async def test_an_unknown_path_of_the_rest_api_has_the_error_format_of_tokens(path: str) -> None:
    response = await ask("GET", path)

    assert response.status_code == 404
    assert (response.json()["statusCode"], response.json()["error"]) == (404, "Not Found")


@pytest.mark.parametrize("path", ["/v3", "/v1x/a", "/apis"])
async def test_a_path_outside_the_rest_api_has_the_error_format_of_json_rpc(path: str) -> None:
    response = await ask("POST", path, json={})

    assert (response.status_code, response.json()["error"]["data"]["reason"]) == (404, "no_such_path")


@pytest.mark.parametrize("verb", ["PUT", "PATCH", "BREW", "TRACE"])
async def test_another_verb_is_rejected_with_the_allowed_ones(verb: str) -> None:
    organization, token = await ask(verb, THINGS), await ask(verb, f"{TOKENS}/me")

    assert (organization.status_code, organization.headers["allow"]) == (405, "POST, GET, HEAD, OPTIONS")
    assert organization.json()["code"] == 405001
    assert (token.status_code, token.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert token.json() == {
        "statusCode": 405,
        "message": "verb: expected one of GET, HEAD, OPTIONS",
        "error": "Method Not Allowed",
    }


async def test_a_literal_path_segment_is_not_an_id() -> None:
    response = await ask("DELETE", f"{TOKENS}/me")

    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_options_lists_the_verbs_and_grants_web_pages_nothing() -> None:
    headers = {"origin": "https://dapp.example", "access-control-request-method": "POST"}
    response, read = await ask("OPTIONS", THINGS, headers=headers), await ask("GET", THINGS, headers=headers)

    assert (response.status_code, response.headers["allow"]) == (204, "POST, GET, HEAD, OPTIONS")
    assert not any(name.startswith("access-control") for name in [*response.headers, *read.headers])


async def test_head_is_answered_as_get_is() -> None:
    response = await ask("HEAD", f"{THINGS}?limit=0")

    assert response.status_code == 400
    assert (await ask("HEAD", THINGS)).status_code == 200


@pytest.mark.parametrize(
    ("path", "outcome", "logged_path"),
    [
        (f"{THINGS}/thing_1", "ok", "/v1/organizations/…/…/…"),
        (f"{THINGS}/gone", 409001, "/v1/organizations/…/…/…"),
        ("/v1/things/gone", 409, "/v1/…/…"),
    ],
)
async def test_the_log_names_the_operation_and_the_outcome(path: str, outcome: Any, logged_path: str) -> None:
    with capture_logs() as logs:
        await ask("DELETE", path)

    (line,) = logs
    assert line["method"] == ("dropThing" if path.startswith(THINGS) else "dropToken")
    assert (line["verb"], line["path"], line["outcome"]) == ("DELETE", logged_path, outcome)


def _operation_at(rest: RestRoute | None) -> Operation[Journal, Any, Any]:
    async def run(_: Journal, __: Nothing) -> None:
        return None

    return Operation("other", Nothing, None, run, rest=rest)


def _get_operation(path: str, error_format: ErrorFormat) -> Operation[Journal, Any, Any]:
    return _operation_at(RestRoute(verb="GET", paths=(path,), error_format=error_format))


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (_operation_at(None), "other: no REST route"),
        (OPERATIONS[0], "POST /v1/organizations/{orgId}/things: two operations"),
        (_get_operation("/v1/things", ErrorFormat.ORGANIZATION), "/v1/things: mounted under another error format"),
        (_get_operation("/v1/organizations/{orgId}", ErrorFormat.TOKEN), "mounted under another error format"),
        (_get_operation("/v2/things", ErrorFormat.TOKEN), "/v2/things: mounted under another error format"),
    ],
)
def test_an_operation_that_cannot_be_served_stops_the_start(operation: Any, text: str) -> None:
    api = RestApi(operations=[*OPERATIONS, operation], context=Journal, authenticator=FakeAuthenticator())

    with pytest.raises(ValueError, match=text.replace("{", r"\{")):
        api.build_mounts()

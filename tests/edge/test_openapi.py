"""The OpenAPI document: valid, complete, deterministic, and consistent with the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from jsonschema import Draft202012Validator

from tests.edge.rest_sample import NEW_THING, OPERATIONS, THINGS, TOKENS, client, rest_app
from tests.edge.sample import Journal, Nothing, browser
from wallet_rpc.edge.health import document_route
from wallet_rpc.edge.http import build_app
from wallet_rpc.edge.openapi import build_openapi
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.wire import shape

DOCUMENT = build_openapi(OPERATIONS, version="0.1.0")
OPERATION_ITEMS = {each["operationId"]: each for verbs in DOCUMENT["paths"].values() for each in verbs.values()}


def _nodes(value: Any) -> Iterator[Any]:
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from _nodes(child)


def _resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _parameters(name: str) -> dict[str, Any]:
    return {each["name"]: each for each in OPERATION_ITEMS[name]["parameters"]}


def test_the_document_is_valid_and_every_reference_resolves() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()

    for node in _nodes(DOCUMENT):
        if isinstance(node, dict) and "$ref" in node:
            assert isinstance(_resolve(node["$ref"]), dict)
        if isinstance(node, dict) and "schema" in node:
            Draft202012Validator.check_schema(node["schema"])


def test_the_document_is_deterministic() -> None:
    assert json.dumps(build_openapi(OPERATIONS, version="0.1.0")) == json.dumps(DOCUMENT)


def test_each_operation_is_at_each_of_its_paths_under_its_verb() -> None:
    assert {path: list(verbs) for path, verbs in DOCUMENT["paths"].items()} == {
        "/v1/organizations/{orgId}/things": ["post", "get"],
        "/v1/organizations/{orgId}/things/{id}": ["delete"],
        TOKENS: ["post"],
        f"{TOKENS}/{{id}}": ["delete"],
        f"{TOKENS}/me": ["get"],
        "/v1/things": ["post"],
        "/v1/things/{id}": ["delete"],
        "/v1/things/me": ["get"],
    }
    tokens = [name + alias for name in ("mintToken", "dropToken", "showToken") for alias in ("", "Alias")]
    assert sorted(OPERATION_ITEMS) == sorted(["makeThing", "listThings", "dropThing", *tokens])
    alias, first = OPERATION_ITEMS["dropTokenAlias"], OPERATION_ITEMS["dropToken"]
    assert alias["responses"] == first["responses"]
    assert alias["description"] == f"{first['description']} The same as at `{TOKENS}/{{id}}`."


def test_parameters_are_described_by_their_location() -> None:
    assert {name: each["in"] for name, each in _parameters("listThings").items()} == {
        "orgId": "path",
        "X-Org-ID": "header",
        "limit": "query",
        "offset": "query",
        "name": "query",
    }
    assert _parameters("listThings")["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 20,
    }
    assert _parameters("listThings")["name"] == {
        "name": "name",
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
    }
    assert _parameters("dropToken") == {
        "id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    }
    assert [name for name, each in _parameters("makeThing").items() if each["required"]] == ["orgId"]


def test_the_body_has_the_fields_that_are_not_in_the_path() -> None:
    body = OPERATION_ITEMS["makeThing"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]

    assert body["required"] is True
    assert list(schema["properties"]) == ["name", "parts", "owner", "words", "note"]
    assert schema["required"] == ["name", "parts", "owner"]
    assert (schema["properties"]["parts"]["minItems"], schema["properties"]["parts"]["maxItems"]) == (1, 3)
    assert "requestBody" not in OPERATION_ITEMS["dropThing"]


def test_a_field_of_the_path_is_not_in_the_body() -> None:
    @shape
    class Renamed:
        id: str
        name: str

    async def run(_: Journal, __: Renamed) -> None:
        return None

    rest = RestRoute(verb="PUT", paths=("/v1/things/{id}",), error_format=ErrorFormat.TOKEN, most_bytes=100)
    document = build_openapi([Operation("rename", Renamed, None, run, rest=rest)], version="0.1.0")
    schema = document["paths"]["/v1/things/{id}"]["put"]["requestBody"]["content"]["application/json"]["schema"]

    assert (list(schema["properties"]), schema["required"]) == (["name"], ["name"])


ANYWHERE = (400, 401, 403, 408, 414, 429, 431, 500, 503)


@pytest.mark.parametrize(
    ("name", "statuses"),
    [
        ("makeThing", [200, *ANYWHERE, 404, 409, 413]),
        ("listThings", [200, *ANYWHERE, 404]),
        ("mintToken", [200, *ANYWHERE, 413]),
        ("dropToken", [200, *ANYWHERE, 404, 409]),
        ("showToken", [200, *ANYWHERE]),
    ],
)
def test_every_status_of_a_route_is_listed_in_its_error_format(name: str, statuses: list[int]) -> None:
    responses = OPERATION_ITEMS[name]["responses"]
    error_format = OPERATION_ITEMS[name]["tags"][0]

    assert list(map(int, responses)) == sorted(statuses)
    assert {each["$ref"] for status, each in responses.items() if status != "200"} == {
        f"#/components/responses/{error_format}{status}" for status in statuses if status != 200
    }


def test_an_error_response_lists_its_codes_and_headers() -> None:
    limited, unknown, away = (
        _resolve(f"#/components/responses/{name}") for name in ("organization429", "token401", "organization503")
    )

    assert list(limited["headers"]) == ["X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After"]
    assert list(unknown["headers"]) == ["X-Request-Id", "WWW-Authenticate"]
    error, codes = limited["content"]["application/json"]["schema"]["allOf"]
    assert error == {"$ref": "#/components/schemas/OrganizationError"}
    causes = "Status and cause.\n\n`429001`: rate_limited.\n\n`429002`: too_many_stops."
    described = {"enum": [429001, 429002], "description": causes}
    assert codes == {"properties": {"code": described}}
    (status,) = unknown["content"]["application/json"]["schema"]["allOf"][1]["properties"].values()
    assert status == {"const": 401, "description": "HTTP status of the response."}
    assert away["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"] == [503000]


def test_keys_have_two_security_schemes_and_tokens_one() -> None:
    assert OPERATION_ITEMS["makeThing"]["security"] == [{"bearerKey": []}, {"apiKey": []}]
    assert OPERATION_ITEMS["showToken"]["security"] == [{"sessionToken": []}]
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"bearerKey", "apiKey", "sessionToken"}


async def test_a_response_matches_the_document() -> None:
    async with client() as http:
        response = await http.post(THINGS, json=NEW_THING)

    schema = OPERATION_ITEMS["makeThing"]["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(response.json())


@pytest.mark.parametrize("name", ["OrganizationError", "Detail"])
def test_a_type_with_the_name_of_an_error_is_rejected(name: str) -> None:
    twin: Any = shape(type(name, (), {"__annotations__": {"other": int}, "__module__": __name__}))

    async def run(_: Journal, __: Nothing) -> Any:
        return ()

    rest = RestRoute(verb="GET", paths=("/v1/others",), error_format=ErrorFormat.TOKEN)
    with pytest.raises(ValueError, match=f"two types of one name: {name}$"):
        build_openapi([Operation("others", Nothing, tuple[twin, ...], run, rest=rest)], version="0.1.0")


async def test_the_document_is_served_and_web_pages_may_read_it() -> None:
    app = build_app({}, routes=[document_route(lambda: DOCUMENT, "/openapi.json")], mounts={"/v1": rest_app()})
    async with browser(app) as http:
        response = await http.get("/openapi.json", headers={"origin": "https://dapp.example"})

    assert response.json() == DOCUMENT
    assert response.headers["access-control-allow-origin"] == "*"

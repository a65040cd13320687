"""Every request gets a REST response in the error format of its path, without a 5xx or an undocumented status."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.edge.rest_sample import NEW_THING, NEW_TOKEN, OPERATIONS, THINGS, TOKENS, client
from tests.edge.test_properties import values
from wallet_rpc.edge.openapi import build_openapi

DOCUMENT = build_openapi(OPERATIONS, version="0.1.0")
ORGANIZATION = Draft202012Validator(
    {"$ref": "#/components/schemas/OrganizationError", "components": DOCUMENT["components"]}
)
TOKEN = Draft202012Validator({"$ref": "#/components/schemas/TokenError", "components": DOCUMENT["components"]})


def _check_status(verb: str, path: str, **more: Any) -> int:
    async def ask() -> Any:
        async with client() as http:
            return await http.request(verb, path, **more)

    response = asyncio.run(ask())
    if response.status_code != 200:
        content = response.json()
        is_organizations = path.startswith("/v1/organizations")
        (ORGANIZATION if is_organizations else TOKEN).validate(content)
        assert set(content) <= ({"code", "message", "details", "requestId"} if is_organizations else set(content))
        assert (content["code"] // 1000 if is_organizations else content["statusCode"]) == response.status_code
        assert ("error" in content) == (not is_organizations and response.status_code != 401)
    assert response.status_code < 500
    return int(response.status_code)


@given(st.sampled_from([THINGS, TOKENS]), st.binary())
def test_any_bytes_are_rejected_in_the_error_format(path: str, body: bytes) -> None:
    assert _check_status("POST", path, content=body) == 400


@given(st.sampled_from([(THINGS, NEW_THING), (TOKENS, NEW_TOKEN)]), st.data())
def test_any_object_is_accepted_or_rejected_in_the_error_format(
    place: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    path, body = place
    changes = data.draw(st.dictionaries(st.sampled_from([*body, "words", "note", "ttlSeconds"]), values))
    content = json.dumps({**body, **changes}, ensure_ascii=False).encode("utf-8", "surrogatepass")

    assert _check_status("POST", path, content=content) in {200, 400}


@given(st.text(), st.text(), st.text())
def test_any_query_is_accepted_or_rejected_in_the_error_format(limit: str, offset: str, name: str) -> None:
    query = "&".join(
        f"{key}={quote(value, errors='replace')}"
        for key, value in (("limit", limit), ("offset", offset), ("name", name))
    )

    assert _check_status("GET", f"{THINGS}?{query}") in {200, 400}


@given(st.sampled_from(["GET", "DELETE", "POST"]), st.sampled_from([THINGS, TOKENS, "/v1"]), st.text(max_size=20))
def test_any_path_is_accepted_or_rejected_in_the_error_format(verb: str, mount: str, below: str) -> None:
    status = _check_status(verb, f"{mount}/{quote(below, safe='', errors='replace')}")

    assert status in {200, 400, 401, 404, 405, 409}

"""`/openapi.json` lists exactly the routes of the running server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.support.constants import CHAINS
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.edge.api_documents import rest_with_document
from wallet_rpc.edge.event_stream import EVENTS_PATH, EventStream
from wallet_rpc.edge.rest import _Endpoint
from wallet_rpc.edge.rpc_endpoint import JsonRpcPaths

README = Path(__file__).parents[2] / "README.md"
DOCUMENT = rest_with_document(has_tokens=True)[1]()
Item = tuple[str, str]
"""A verb and a path."""


@pytest.fixture(scope="module")
async def app() -> AsyncIterator[ASGIApp]:
    options = DevOptions(chains=CHAINS[:1], ephemeral=True)
    async with open_dev_server(Settings(host="127.0.0.1", port=0), options) as opened:
        yield opened


def parts_of(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the objects that an application consists of: its attributes, the items of its containers, and theirs."""
    if id(thing) in seen or isinstance(thing, str | bytes | int | type):
        return
    seen.add(id(thing))
    yield thing
    inner: list[Any] = list(thing.values()) if isinstance(thing, dict) else []
    if isinstance(thing, list | tuple | set | frozenset):
        inner += thing
    elif type(thing).__module__.startswith(("wallet_rpc.edge", "starlette")):
        inner += getattr(thing, "__dict__", {}).values()
    for one in inner:
        yield from parts_of(one, seen)


def routes_of(app: ASGIApp) -> Iterator[Item]:
    """Yield the routes of an application, without the spellings with a final slash."""
    for part in parts_of(app, set()):
        match part:
            case Route(app=_Endpoint() as endpoint, path=path):
                yield from ((verb, path) for verb in endpoint._verbs)
            case Route(path=path, methods=methods):
                verbs = _verbs_behind(part) if methods is None else methods
                yield from ((verb, path) for verb in verbs)
            case EventStream():
                yield from (("GET", EVENTS_PATH), ("HEAD", EVENTS_PATH))
            case JsonRpcPaths():
                templates = [re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", each.pattern[1:-1]) for each, _ in part._templates]
                yield from (("POST", path) for path in (*part._exact, *templates))


def _verbs_behind(route: Route) -> set[str]:
    """Return the verbs of an endpoint that middleware wraps."""
    return {verb for part in parts_of(route.app, set()) if isinstance(part, _Endpoint) for verb in part._verbs}


def documented() -> set[Item]:
    """Return the documented routes of the server's own port."""
    items = [(verb.upper(), path, item) for path, verbs in DOCUMENT["paths"].items() for verb, item in verbs.items()]
    return {(verb, path) for verb, path, item in items if "servers" not in item}


async def test_the_document_lists_the_routes_of_the_running_server(app: ASGIApp) -> None:
    routes = {(verb, path.rstrip("/") or "/") for verb, path in routes_of(app) if verb != "HEAD"}
    served = {(verb, re.sub(r"^/chain/\d+$", "/chain/{id}", path)) for verb, path in routes}

    assert served | {("GET", "/")} == documented()  # a line of text for people, at the path of JSON-RPC


async def test_each_listed_route_exists_and_no_other_verb_does(app: ASGIApp) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as http:
        for verb, path in sorted(documented()):
            target = path.replace("/chain/{id}", f"/chain/{CHAINS[0]}").replace("{", "").replace("}", "")
            params = {"lastEventId": "none"} if path == EVENTS_PATH else None  # without an error it is endless
            answer = await http.request(verb, target, json={} if verb == "POST" else None, params=params)
            assert answer.status_code != 405, (verb, path)
            assert "path: expected one of" not in answer.text, (verb, path)
            others = {"GET", "POST", "DELETE"} - {other.upper() for other in DOCUMENT["paths"][path]}
            for other in others:
                assert (await http.request(other, target)).status_code == 405, (other, path)


async def test_the_answers_of_the_server_paths_fit_the_document(app: ASGIApp) -> None:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as http:
        for path in ("/health", "/ready", "/openrpc.json", "/openapi.json"):
            answer = await http.get(path)
            content = DOCUMENT["paths"][path]["get"]["responses"][str(answer.status_code)]["content"]
            schema = {**content["application/json"]["schema"], "components": DOCUMENT["components"]}
            Draft202012Validator(schema).validate(answer.json())
        assert (await http.get("/openapi.json")).json() == DOCUMENT


def test_the_document_lists_every_path_of_the_readme() -> None:
    text = README.read_text("utf-8")
    used = {*re.findall(r"(?:\$URL|\$\{url\})(/[\w/]+)", text), *re.findall(r"`(?:[A-Z]+ )?(/[\w{}./]*)`", text)}

    assert {"/v1/sessions", "/v1/sessions/me", "/ready", "/openapi.json", "/openrpc.json"} <= used
    assert {path.replace("KEY", "{key}") for path in used} - DOCUMENT["paths"].keys() == set()


def test_operations_have_different_ids() -> None:
    ids = [item["operationId"] for verbs in DOCUMENT["paths"].values() for item in verbs.values()]

    assert len(ids) == len(set(ids)) == len(documented()) + 1  # GET /metrics, at a port of its own

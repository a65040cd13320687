"""The page of `dev` for browsers, as the server gives it out; tests/js/page.test.ts uses it in Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.types import ASGIApp

from tests.edge.sample import browser
from tests.support.constants import CHAINS, TOKEN
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.devchain.dev_constants import API_KEY
from wallet_rpc.edge.dev_page import FILES

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NAMES = sorted(path.name for path in FILES.iterdir())
KEY = "wrk_of_this_test_and_longer_than_a_placeholder"
LINE = "wallet-rpc: POST JSON-RPC 2.0 here; GET /openrpc.json lists the methods\n"


@pytest.fixture(scope="module")
async def app() -> AsyncIterator[ASGIApp]:
    options = DevOptions(chains=CHAINS[:1], ephemeral=True)
    async with open_dev_server(Settings(host="127.0.0.1", port=0), options) as opened:
        yield opened


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as http:
        yield http


def decode_request(chain: str = "0x7a69") -> dict[str, object]:
    recipient = ACCOUNTS[1].address.hex()
    call = {"to": TOKEN, "data": f"0xa9059cbb{recipient:0>64}{2 * 10**18:064x}"}
    return {"jsonrpc": "2.0", "id": 1, "method": "page_decodeCalls", "params": [{"chainId": chain, "calls": [call]}]}


@pytest.mark.parametrize("accept", [FIREFOX, "text/html", "TEXT/HTML;q=0.1", "text/html, application/json;q=0.9"])
async def test_a_browser_gets_the_page(client: httpx2.AsyncClient, accept: str) -> None:
    page, head = await client.get("/", headers={"accept": accept}), await client.head("/", headers={"accept": accept})

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.content == (FILES / "index.html").read_bytes()
    assert (head.status_code, head.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["vary"] == "accept"


@pytest.mark.parametrize(
    "accept",
    ["*/*", "", "application/json", "application/json, text/html;q=0.5", "text/html;q=0", "text/html;q=x", "text/*"],
)
async def test_another_client_gets_the_line_of_text(client: httpx2.AsyncClient, accept: str) -> None:
    answer = await client.get("/", headers={"accept": accept})

    assert (answer.status_code, answer.text) == (200, LINE)
    assert "accept" in answer.headers["vary"]


async def test_a_post_is_json_rpc_whatever_the_client_accepts(client: httpx2.AsyncClient) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}

    assert (await client.post("/", json=body, headers={"accept": FIREFOX})).json()["result"] == "0x7a69"


async def test_a_server_that_is_not_dev_has_no_page() -> None:
    async with browser() as client:
        root = await client.get("/", headers={"accept": FIREFOX})
        parts = [await client.get(f"/page/{name}") for name in [*NAMES, "facts.json", "rpc"]]

    assert root.text == LINE
    assert {part.status_code for part in parts} == {404}


@pytest.mark.parametrize("name", ["", *NAMES])
async def test_each_file_has_a_type_and_a_strict_policy(client: httpx2.AsyncClient, name: str) -> None:
    path, headers = (f"/page/{name}", {}) if name else ("/", {"accept": FIREFOX})
    answer = await client.get(path, headers=headers)
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))

    assert answer.status_code == 200
    assert policy == {
        **dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"), "'none'"),
        **dict.fromkeys(("script-src", "style-src", "connect-src", "img-src"), "'self'"),
        "require-trusted-types-for": "'script'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}.get(
        name.rpartition(".")[2], "text/html"
    )
    assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize(
    "path", ["/page", "/page/", "/page/none.js", "/page/../dev_page.py", "/page/%2e%2e/dev_page.py", "/page/rpc/x"]
)
async def test_another_path_below_the_page_is_not_found(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["data"]["reason"] == "no_such_path"


async def test_files_are_read_only(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/page/main.js", json={})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/facts.json", "/page/rpc"])
@pytest.mark.parametrize("headers", [{"host": "rebound.example"}, {"origin": "https://evil.example"}])
async def test_no_other_site_reads_any_part(client: httpx2.AsyncClient, path: str, headers: dict[str, str]) -> None:
    answers = [
        await client.get(path, headers={"accept": FIREFOX, **headers}),
        await client.post(path, json=decode_request(), headers=headers),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert {answer.json()["error"]["data"]["reason"] for answer in answers} <= {
        "host_not_allowed",
        "origin_not_allowed",
    }


async def test_the_facts_are_those_of_the_server(client: httpx2.AsyncClient) -> None:
    facts = (await client.get("/page/facts.json")).json()

    assert facts["chainIds"] == [31337]
    assert facts["apiKey"] == API_KEY
    assert facts["testToken"] == TOKEN
    assert [each["address"] for each in facts["accounts"]] == [str(each.address) for each in ACCOUNTS]


async def test_calls_are_decoded_with_whole_tokens(client: httpx2.AsyncClient) -> None:
    (call,) = (await client.post("/page/rpc", json=decode_request())).json()["result"]["calls"]

    (decoded,) = call["decoded"]
    assert decoded["function"] == "transfer(address,uint256)"
    assert decoded["arguments"] == {"to": str(ACCOUNTS[1].address), "amount": str(2 * 10**18)}
    assert decoded["amounts"][0]["text"] == "2"


async def test_calls_of_another_chain_are_not_decoded(client: httpx2.AsyncClient) -> None:
    error = (await client.post("/page/rpc", json=decode_request("0x1"))).json()["error"]

    assert (error["code"], error["data"]["field"]) == (5710, "params.chainId")


async def test_a_key_that_is_not_published_is_no_fact_and_is_required() -> None:
    options = DevOptions(chains=CHAINS[:1], ephemeral=True, key=KEY)
    settings = Settings(host="127.0.0.1", port=0, open=False)
    async with (
        open_dev_server(settings, options) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://any.example") as client,
    ):
        facts = (await client.get("/page/facts.json")).json()
        without = await client.post("/page/rpc", json=decode_request())
        with_key = await client.post("/page/rpc", json=decode_request(), headers={"x-api-key": KEY})

    assert facts["apiKey"] is None
    assert KEY not in str(facts)
    assert (without.status_code, without.json()["error"]["data"]["reason"]) == (401, "api_key_required")
    assert len(with_key.json()["result"]["calls"]) == 1


def test_the_files_need_no_build_step_no_other_host_and_nothing_inline() -> None:
    texts = {name: (FILES / name).read_text("utf-8") for name in NAMES}
    page = texts["index.html"]

    assert re.findall(r"<script(?! type=\"module\" src=\"/page/\w+\.js\"></script>)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []
    linked = set(re.findall(r"/page/([\w.]+)", page)) | set(re.findall(r'from "\./([\w.]+)"', "".join(texts.values())))
    assert linked | {"index.html"} == set(NAMES)
    for name, text in texts.items():
        assert re.findall(r"(?:https?:)?//(?:[\w-]+\.)+[a-z]{2,}", text) in ([], ["http://www.w3.org"]), name
        assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function", text) == [], name


async def test_more_calls_than_an_operation_has_are_not_decoded(client: httpx2.AsyncClient) -> None:
    body = {**decode_request(), "params": [{"chainId": "0x7a69", "calls": [{"to": TOKEN}] * 1001}]}

    error = (await client.post("/page/rpc", json=body)).json()["error"]

    assert (error["code"], error["data"]["field"]) == (5740, "params.calls")
    assert "at most 1000 calls, got 1001" in error["message"]

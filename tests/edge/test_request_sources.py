"""Accepted sources of requests for an open server: host names, web pages, proxies."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from tests.edge.rest_sample import OPERATIONS as REST_OPERATIONS
from tests.edge.rest_sample import THINGS, TOKENS, FakeAuthenticator
from tests.edge.sample import Journal, browser, dispatcher, request
from wallet_rpc.config.settings import variable
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.health import health_routes
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.request_sources import ANY, LOCAL_HOSTS, Origins, Sources
from wallet_rpc.edge.rest import RestApi

LOCAL = {"host": "127.0.0.1:4337"}
OPEN = Sources(hosts=("wallet.example", "10.0.0.7", "[fd00::1]"))
PING = request("ping", id=0)


def reason(sources: Sources, *headers: tuple[str, str], **more: str) -> str | None:
    """Return the reason for which a request is rejected; None if it is accepted."""
    raw = [(name.encode(), value.encode()) for name, value in (*headers, *more.items())]
    rejection = sources.find_rejection("/", HeaderFields(raw))
    assert rejection is None or rejection.status == 403
    return None if rejection is None else rejection.error.reason


@pytest.mark.parametrize("port", ["", ":4337", ":1", ":65535"])
@pytest.mark.parametrize(
    "name", [*LOCAL_HOSTS, "LOCALHOST", "localhost.", "wallet.example", "Wallet.Example", "10.0.0.7", "[FD00::1]"]
)
def test_a_name_of_the_server_is_accepted(name: str, port: str) -> None:
    assert reason(OPEN, host=name + port) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "evil.example",
        "evil.example:4337",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104  # the text of a Host field; nothing listens on it
        "10.0.0.8",
        "[::]",
        "[::1",
        "::1",
        "127.0.0.1:4337:4337",
        "127.0.0.1:x",
        "127.0.0.1, evil.example",
        "evil.example, 127.0.0.1",
        "user@127.0.0.1",
        "127.0.0.1/",
        "127.1",
        "2130706433",
        "sub.wallet.example",
        "localhost..",
        "localhost\u00e9",
    ],
)
def test_any_other_host_name_is_rejected(name: str) -> None:
    assert reason(OPEN, host=name) == "host_not_allowed"


def test_a_request_without_a_host_or_with_two_is_rejected() -> None:
    assert reason(OPEN) == "host_not_allowed"
    assert reason(OPEN, ("host", "localhost"), ("host", "localhost")) == "host_not_allowed"
    assert reason(OPEN, ("host", "localhost"), ("host", "evil.example")) == "host_not_allowed"


PIECES = [
    *LOCAL_HOSTS,
    "wallet.example",
    "10.0.0.7",
    "evil.example",
    ".",
    ":",
    "80",
    "4337",
    "@",
    "/",
    ",",
    " ",
    "[",
    "]",
]


@given(st.lists(st.sampled_from(PIECES), max_size=5).map("".join))
def test_an_accepted_host_is_a_server_name_with_an_optional_port(name: str) -> None:
    ends = [name.removeprefix(each) for each in (*LOCAL_HOSTS, *OPEN.hosts) if name.startswith(each)]
    ports = [end.removeprefix(".") for end in ends]

    is_known = any(port == "" or (port[0] == ":" and port[1:].isdigit() and len(port) < 7) for port in ports)

    assert (reason(OPEN, host=name) is None) == is_known


@pytest.mark.parametrize(
    ("origin", "by_default", "by_name"),
    [
        ("http://localhost:3000", True, True),
        ("https://localhost", True, True),
        ("http://127.0.0.1:5173", True, True),
        ("http://[::1]:5173", True, True),
        ("https://app.example", False, True),
        ("https://app.example:8443", False, False),
        ("http://app.example", False, False),
        ("https://evil.example", False, False),
        ("https://sub.app.example", False, False),
        ("http://localhost.evil.example", False, False),
        ("http://localhost:3000.evil.example", False, False),
        ("http://evil.example#http://localhost:3000", False, False),
        ("http://user@localhost:3000", False, False),
        ("http://127.0.0.2", False, False),
        ("file://", False, False),
        ("chrome-extension://localhost", False, False),
        ("null", False, False),
        ("", False, False),
        ("*", False, False),
    ],
)
def test_local_pages_and_named_origins_are_accepted(origin: str, by_default: bool, by_name: bool) -> None:
    named = Sources(origins=Origins(allowed=("https://app.example",), has_local=True))

    assert (reason(Sources(), **LOCAL, origin=origin) is None) == by_default
    assert (reason(named, **LOCAL, origin=origin) is None) == by_name
    assert reason(Sources(origins=Origins(allowed=(ANY,), has_local=True)), **LOCAL, origin=origin) is None
    assert reason(named, ("host", "localhost"), ("origin", origin), ("origin", origin)) == "origin_not_allowed"


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("http://wallet.example:4337", True),
        ("https://wallet.example:4337", True),
        ("http://wallet.example", False),
        ("http://wallet.example:4338", False),
        ("http://10.0.0.7:4337", False),
        ("http://wallet.example:4337.evil.example", False),
        ("http://evil.example#wallet.example:4337", False),
        ("ftp://wallet.example:4337", False),
    ],
)
def test_the_pages_of_the_server_itself_are_accepted(origin: str, is_own: bool) -> None:
    expected = None if is_own else "origin_not_allowed"
    assert reason(OPEN, host="wallet.example:4337", origin=origin) == expected


def test_a_rebound_host_name_has_no_pages_of_its_own() -> None:
    assert reason(OPEN, host="evil.example:4337", origin="http://evil.example:4337") == "host_not_allowed"


@pytest.mark.parametrize(
    "field",
    [
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded",
        "x-forwarded-client-cert",
        "X-ARR-Log-ID",
        "Ngrok-Trace-Id",
        "Tailscale-User-Login",
        "X-Real-IP",
        "X-Client-IP",
        "Client-IP",
        "True-Client-IP",
        "X-Cluster-Client-IP",
        "X-Original-Forwarded-For",
        "X-Original-Host",
        "X-Original-URL",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "CF-Ray",
        "CDN-Loop",
        "Fastly-Client-IP",
        "Fly-Client-IP",
        "DO-Connecting-IP",
        "X-Azure-ClientIP",
        "X-Appengine-User-IP",
        "X-Envoy-External-Address",
        "X-ProxyUser-IP",
        "X-Nginx-Proxy",
    ],
)
def test_a_forwarded_request_is_rejected_except_for_development(field: str) -> None:
    assert reason(Sources(), ("host", "localhost"), (field.lower(), "")) == "forwarded_request"
    assert reason(Sources(accepts_forwarded=True), ("host", "localhost"), (field.lower(), "1.2.3.4")) is None


def test_header_fields_of_clients_are_not_taken_for_those_of_proxies() -> None:
    fields = "accept accept-encoding authorization alchemy-aa-sdk-version connection content-type cookie x-api-key"
    fields += " user-agent x-request-id x-org-id sec-fetch-site traceparent x-amzn-trace-id x-forward via-api"

    assert reason(Sources(), ("host", "localhost"), *((name, "x") for name in fields.split())) is None


def new_app(sources: Sources) -> Any:
    mounts = RestApi(operations=REST_OPERATIONS, context=Journal, authenticator=FakeAuthenticator()).build_mounts(
        sources.origins
    )
    return build_app(wallet_handlers(dispatcher().dispatch), routes=health_routes(dict), mounts=mounts, sources=sources)


async def post_ping(sources: Sources, path: str, **headers: str) -> httpx2.Response:
    async with browser(new_app(sources)) as client:
        return await client.post(path, json=PING, headers={**LOCAL, **headers})


async def test_a_rejection_names_the_expected_value_and_the_setting() -> None:
    by_host = (await post_ping(Sources(), "/", host="evil.example:4337")).json()["error"]
    by_origin = (await post_ping(Sources(), "/", origin="https://evil.example")).json()["error"]
    by_proxy = (await post_ping(Sources(), "/", via="1.1 proxy")).json()["error"]

    allowed = variable("allowed_hosts")
    assert (
        by_host["message"] == f'host: expected localhost, 127.0.0.1, [::1] or one of {allowed}, got "evil.example:4337"'
    )
    assert by_host["data"] == {"statusCode": 403, "message": by_host["message"], "reason": "host_not_allowed"}
    assert by_origin["message"].endswith(f'or of {variable("cors_origins")}, got "https://evil.example"')
    assert by_proxy["message"].startswith("via: expected no proxy")
    assert by_proxy["message"].endswith(f"set {variable('open')}=no to run behind a proxy")


@pytest.mark.parametrize("path", ["/", "/v2/key", "/nowhere", THINGS, TOKENS, "/openrpc.json"])
async def test_every_path_is_rejected_in_its_error_format(path: str) -> None:
    answer = await post_ping(Sources(), path, host="evil.example")

    assert answer.status_code == 403
    code = {THINGS: ("code", 403002), TOKENS: ("statusCode", 403)}.get(path)
    assert code is None or answer.json()[code[0]] == code[1]
    assert code is not None or answer.json()["error"]["data"]["reason"] == "host_not_allowed"
    assert "x-request-id" in answer.headers


async def test_a_server_that_requires_keys_accepts_any_source() -> None:
    answer = await post_ping(
        Sources(are_checked=False), "/", host="evil.example", origin="https://evil.example", via="x"
    )

    assert answer.status_code == 200


async def test_a_load_balancer_may_use_any_host_name() -> None:
    async with browser(new_app(Sources())) as client:
        answers = [await client.get(path, headers={"host": "10.1.2.3", "via": "x"}) for path in ("/health", "/ready")]

    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    ("headers", "status", "allowed_origin"),
    [
        ({"origin": "http://localhost:3000"}, 200, "http://localhost:3000"),
        ({"origin": "https://evil.example"}, 403, None),
        ({"origin": "http://localhost:3000", "host": "evil.example"}, 403, "http://localhost:3000"),
        ({"origin": "https://evil.example", "host": "evil.example"}, 403, None),
    ],
)
async def test_a_preflight_is_granted_for_an_accepted_source(
    headers: dict[str, str], status: int, allowed_origin: str | None
) -> None:
    preflight = {**LOCAL, "access-control-request-method": "POST", "access-control-request-private-network": "true"}

    async with browser(new_app(Sources())) as client:
        answer = await client.options("/", headers={**preflight, **headers})

    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, allowed_origin)
    assert "access-control-allow-private-network" not in answer.headers
    assert ("access-control-allow-methods" in answer.headers) == (status == 200)


async def test_a_websocket_from_another_origin_is_closed() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    for host in (b"localhost", b"evil.example"):
        scope = {"type": "websocket", "path": "/", "headers": [(b"host", host)]}
        await new_app(Sources())(scope, receive, send)

    assert [message["code"] for message in sent] == [1000, 1008]

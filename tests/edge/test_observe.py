"""The access log: one line for each request, without any data of the caller."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.edge.logged import KEY, request_lines
from tests.edge.sample import ADDRESS, SECRET, browser, request
from wallet_rpc.edge import log_lines, observe


async def test_a_request_is_one_line_with_method_outcome_and_milliseconds() -> None:
    (line,) = await request_lines(request("sum", [1, 2], id=1))

    assert 0 < line.pop("ms") < 10_000
    assert line == {
        "event": "request",
        "log_level": "info",
        "verb": "POST",
        "path": "/",
        "status": 200,
        "method": "sum",
        "outcome": "ok",
    }


@pytest.mark.parametrize(
    ("value", "method", "outcome"),
    [
        (request("revert", id=1), "revert", -32521),
        (request("leak", id=1), "leak", -32603),
        (request("sum", [1], id=1), "sum", -32602),
        (request("sum", [1, 2]), "sum", "ok"),
        (request("eth_" + KEY, id=1), "(unknown)", -32601),
        ({"method": KEY}, "(unreadable)", -32600),
        (5, "(unreadable)", -32600),
    ],
)
async def test_the_outcome_is_ok_or_the_code_of_the_error(value: Any, method: str, outcome: Any) -> None:
    (line,) = await request_lines(value)

    assert (line["method"], line["outcome"]) == (method, outcome)


async def test_a_batch_is_one_line_that_counts_its_methods_and_failures() -> None:
    (line,) = await request_lines([request("sum", [1, 2], id=1), request("sum", [1], id=2), request("leak", id=3), 7])

    assert line["batch"] == 4
    assert line["methods"] == {"sum": 2, "leak": 1, "(unreadable)": 1}
    assert (line["outcome"], line["failed"]) == (-32602, 3)
    assert "method" not in line


async def test_a_request_without_a_handler_is_logged_with_its_status_and_error() -> None:
    (line,) = await request_lines({}, "/nowhere")

    assert (line["status"], line["path"], "outcome" in line) == (404, "/…", False)
    assert (line["code"], line["reason"]) == (-32600, "no_such_path")
    assert line["message"] == "path: expected one of this server's paths, such as /"


async def test_lines_of_an_entry_of_a_batch_have_its_position(
    capfd: pytest.CaptureFixture[str], unlogged: None
) -> None:
    log_lines.configure(json=True)
    async with browser() as client:
        await client.post("/", json=[request("leak", id=1), request("leak", id=2)], headers={"x-request-id": "mine"})

    lines = _read(capfd)
    assert [line.get("entry") for line in lines] == [0, 1, None]
    assert {line["request_id"] for line in lines} == {"mine"}


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["detail", "request", "mark", "incident"]),
        ("info", ["request", "mark", "incident"]),
        ("warning", ["mark", "incident"]),
        ("error", ["incident"]),
    ],
)
async def test_the_level_selects_the_lines(
    level: str, shown: list[str], capfd: pytest.CaptureFixture[str], unlogged: None
) -> None:
    log_lines.configure(json=True, level=level)
    observe.log.debug("detail")
    async with browser() as client:
        await client.post("/", json=request("sum", [1, 2], id=1))
    observe.log.warning("mark")
    observe.log_incident(ValueError("a bug"))
    for severity in (logging.INFO, logging.DEBUG):
        logging.getLogger("library").log(severity, "a library's detail")

    assert [line["event"] for line in _read(capfd)] == shown


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/", "/"),
        ("/v2", "/v2"),
        (f"/v2/{KEY}", "/v2/…"),
        (f"/{KEY}/v2", "/…/v2"),
        ("/chain/31337", "/chain/31337"),
        (f"/chain/{10**11}", "/chain/…"),
        ("/openrpc.json", "/openrpc.json"),
        (f"/v1/organizations/{KEY}/sessions/{KEY}", "/v1/organizations/…/sessions/…"),
        (f"/api/v1/burner/sessions/{KEY}/", "/api/v1/burner/sessions/…/"),
        ("/" * 50, "/" * 7),
    ],
)
def test_a_path_is_logged_without_possible_keys(path: str, masked: str) -> None:
    assert observe.mask_path(path) == masked


async def test_no_log_line_contains_a_key_a_parameter_or_a_header(
    capfd: pytest.CaptureFixture[str], unlogged: None
) -> None:
    log_lines.configure(json=True)
    value = request("send", [{"calls": [{"to": ADDRESS}], "signature": KEY}], id=KEY)
    async with browser() as client:
        await client.post(f"/v2/{KEY}?apiKey={KEY}", json=value, headers={"authorization": f"Bearer {KEY}"})
        await client.request(KEY, "/", headers={"x-request-id": f"{KEY} {KEY}", "user-agent": KEY})

    logged = _read_log(capfd)
    assert logged.count('"event":"request"') == 2
    assert KEY not in logged
    assert ADDRESS not in logged


async def test_the_response_has_the_request_id() -> None:
    async with browser() as client:
        own = await client.post("/", json={}, headers={"x-request-id": "a-1_B.2"})
        fresh = [await client.post("/", json={}) for _ in range(2)]

    assert own.headers["x-request-id"] == "a-1_B.2"
    assert len({response.headers["x-request-id"] for response in fresh}) == 2


CREDENTIALS = ["wrk_" + "A" * 43, "prefix-wrk_abc", "51" * 32, "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"]


@pytest.mark.parametrize("requested_id", CREDENTIALS)
async def test_a_credential_sent_as_request_id_is_not_logged(
    requested_id: str, capfd: pytest.CaptureFixture[str], unlogged: None
) -> None:
    log_lines.configure(json=True)
    async with browser() as client:
        response = await client.post("/", json=request("leak", id=1), headers={"x-request-id": requested_id})

    assert response.headers["x-request-id"].startswith("req_")
    assert requested_id not in _read_log(capfd)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"x-api-key": KEY}),
        ("/", {"authorization": f"Bearer {KEY}"}),
        ("/", {"authorization": KEY}),
        (f"/v2/{KEY}", {}),
        (f"/v2/{KEY}/", {"x-api-key": "another"}),
    ],
)
async def test_a_credential_header_repeated_as_request_id_is_not_logged(
    path: str, headers: dict[str, str], capfd: pytest.CaptureFixture[str], unlogged: None
) -> None:
    log_lines.configure(json=True)
    async with browser() as client:
        await client.post(path, json={}, headers={"x-request-id": KEY, **headers})

    assert KEY not in _read_log(capfd)


@pytest.mark.parametrize("requested_id", [b"", b"a b", b"x" * 65, "é".encode(), b"a\x1b[31m"])
async def test_a_request_id_that_could_forge_a_log_line_is_replaced(requested_id: bytes) -> None:
    async with browser() as client:
        response = await client.post("/", json={}, headers=[(b"x-request-id", requested_id)])

    assert re.fullmatch(r"req_[0-9a-f]{16}", response.headers["x-request-id"])


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Restore logging after a test that calls `configure`; pytest replaces stderr between set-up and test."""
    root = logging.getLogger()
    handlers, level, kept = list(root.handlers), root.level, structlog.get_config()
    root.handlers = []  # keep pytest's handlers out of the test
    yield
    structlog.configure(**kept)
    log_lines._level = logging.INFO
    root.handlers, root.level = handlers, level


def _read_log(capfd: pytest.CaptureFixture[str]) -> str:
    log_lines.flush()
    return capfd.readouterr().err


def _read(capfd: pytest.CaptureFixture[str]) -> list[Any]:
    return [json.loads(line) for line in _read_log(capfd).splitlines()]


async def test_json_lines_have_time_level_and_request_id(capfd: pytest.CaptureFixture[str], unlogged: None) -> None:
    log_lines.configure(json=True)
    async with browser() as client:
        await client.post("/", json=request("leak", id=1), headers={"x-request-id": "mine"})

    incident, line = _read(capfd)
    assert (incident["level"], line["level"]) == ("error", "info")
    assert (incident["request_id"], line["request_id"]) == ("mine", "mine")
    assert line["timestamp"].endswith("Z")


async def test_a_traceback_is_in_the_log_without_passwords_and_without_locals(
    capfd: pytest.CaptureFixture[str], unlogged: None
) -> None:
    log_lines.configure(json=True)
    async with browser() as client:
        response = await client.post("/", json=request("leak", id=1))

    incident, _ = _read(capfd)
    assert incident["incident"] == response.json()["error"]["data"]["incident"]
    assert "Traceback (most recent call last)" in incident["exception"]
    assert "Exception: redis://…@10.0.0.7:6379/…" in incident["exception"]
    assert "hunter2" not in json.dumps(incident)


def test_a_traceback_repeats_no_value_of_its_message(capfd: pytest.CaptureFixture[str], unlogged: None) -> None:
    log_lines.configure(json=True)
    raised = ValueError(f"no account for 'a secret text' with 0x{'5a' * 65}")
    structlog.get_logger().error("failed", exc_info=raised)
    logging.getLogger("a.library").error("failed", exc_info=raised)

    failed = [line for line in _read(capfd) if line["event"] == "failed"]  # parts of earlier tests may log meanwhile
    assert [line["exception"] for line in failed] == ['ValueError: no account for "…" with …'] * 2


def test_libraries_use_the_same_log(capfd: pytest.CaptureFixture[str], unlogged: None) -> None:
    log_lines.configure(json=True)
    logging.getLogger("uvicorn.error").warning("cannot reach %s", SECRET)

    (line,) = _read(capfd)
    assert (line["event"], line["level"]) == ("cannot reach redis://…@10.0.0.7:6379/…", "warning")


def test_plain_lines_are_not_json(capfd: pytest.CaptureFixture[str], unlogged: None) -> None:
    log_lines.configure(json=False)

    try:
        int(SECRET)
    except ValueError as error:
        observe.log_incident(error, method="sum")

    text = _read_log(capfd)
    assert "incident" in text
    assert "Traceback (most recent call last)" in text
    assert "hunter2" not in text


async def test_a_log_that_cannot_be_written_changes_no_response(
    unlogged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    log_lines.configure(json=True)

    async with browser() as client:
        response = await client.post("/", json=request("leak", id=1))

    assert response.status_code == 200
    assert response.json()["error"]["data"]["reason"] == "internal_error"

"""Recording of servers that answer in unusual ways, and of requests that cannot be recorded."""

from __future__ import annotations

import gzip
import json
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.http_stub import Answer, open_stub, serve_stub
from tests.support.recording import run_recorder, run_replay
from wallet_rpc.config.settings import SettingError
from wallet_rpc.recording import recording_file
from wallet_rpc.recording.exchanges import read_recording
from wallet_rpc.recording.recorder import MAX_REQUEST_BYTES
from wallet_rpc.recording.recording_file import open_recording_file
from wallet_rpc.recording.upstream import MAX_RESPONSE_BYTES

JSON = {"content-type": "application/json"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
RESULT = b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'


@contextmanager
def record(tmp_path: Path, answer: Callable[[bytes], Answer]) -> Iterator[tuple[str, Path]]:
    """Record a stub; yield the recorder's URL and the file."""
    file = tmp_path / "recording.jsonl"
    with serve_stub(answer) as upstream, run_recorder(upstream, file) as url:
        yield url, file


def exchanges_of(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_compressed_response_is_recorded_as_it_is_read(tmp_path: Path) -> None:
    answer = Answer(gzip.compress(RESULT), headers={**JSON, "content-encoding": "gzip"})
    with record(tmp_path, lambda _: answer) as (url, file):
        response = httpx2.post(url, json=CALL)

    assert (response.content, response.headers.get("content-encoding")) == (RESULT, None)
    assert exchanges_of(file)[0]["response"]["body"]["json"]["result"] == "0x1"


def test_errors_and_redirects_of_the_server_are_recorded_and_replayed(tmp_path: Path) -> None:
    answers = [
        Answer(b'{"error":"slow down"}', 429, {**JSON, "retry-after": "3"}),
        Answer(b"", 302, {"location": "http://192.0.2.1/elsewhere"}),
        Answer(b"<h1>Bad Gateway</h1>", 502, {"content-type": "text/html"}),
    ]
    waiting = iter(answers)
    with record(tmp_path, lambda _: next(waiting)) as (url, file):
        recorded = [httpx2.post(url, json=CALL, follow_redirects=False) for _ in answers]
    with run_replay(file) as (url, _):
        replayed = [httpx2.post(url, json=CALL, follow_redirects=False) for _ in answers]

    assert [each.status_code for each in recorded] == [429, 302, 502]
    for one, other in zip(recorded, replayed, strict=True):
        assert (one.status_code, one.content) == (other.status_code, other.content)
        for name in ("retry-after", "location", "content-type"):
            assert one.headers.get(name) == other.headers.get(name)


def test_requests_are_found_in_and_outside_of_batches(tmp_path: Path) -> None:
    def answer(body: bytes) -> Answer:
        sent = json.loads(body)
        if isinstance(sent, list) and len(sent) > 2:
            return Answer(b'{"jsonrpc":"2.0","error":{"code":-32005,"message":"large"},"id":null}', 429, JSON)
        results = [
            {**each, "result": each["method"]} for each in (sent if isinstance(sent, list) else [sent]) if "id" in each
        ]
        return Answer(json.dumps(results if isinstance(sent, list) else results[0]).encode(), headers=JSON)

    def call(method: str, request_id: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": request_id, "method": method}

    notification, large = {"jsonrpc": "2.0", "method": "n"}, [call(each, 1) for each in "xyz"]
    with record(tmp_path, answer) as (url, file):
        for body in ([call("a", 1), call("b", 2)], call("c", 1), [notification, call("d", 1)], large):
            httpx2.post(url, json=body)
    with run_replay(file) as (url, replayer):
        one = httpx2.post(url, json=call("b", "x")).json()
        several = httpx2.post(url, json=[call("d", 7), call("c", 8), notification, call("e", 9), call("a", 9)]).json()
        only = httpx2.post(url, json=[notification])
        refused = httpx2.post(url, json=large)
        absent = httpx2.get(f"{url}/v1/sessions/0x12?limit=2")
        report = replayer.report()

    assert (one["id"], one["result"]) == ("x", "b")
    assert [(each["id"], each.get("result")) for each in several] == [(7, "d"), (8, "c"), (9, None), (9, "a")]
    assert several[2]["error"]["data"]["reason"] == "not_recorded"
    assert (only.status_code, only.content) == (204, b"")
    assert (refused.status_code, refused.json()["error"]["message"]) == (429, "large")
    assert (absent.status_code, absent.json()["error"]["data"]["reason"]) == (501, "not_recorded")
    assert [each.request for each in report.not_recorded] == ["e", "GET /v1/sessions/0x12"]


def test_a_server_that_does_not_answer_is_an_error_without_its_url(tmp_path: Path) -> None:
    with run_recorder("http://127.0.0.1:9/v2/wrk_a_key_in_the_url", tmp_path / "recording.jsonl") as url:
        response = httpx2.post(url, json=CALL)

    assert (response.status_code, response.json()["error"]["data"]["reason"]) == (502, "upstream_failed")
    text = (tmp_path / "recording.jsonl").read_text()
    assert "upstream_failed" in text
    assert "wrk_a" not in text + response.text


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(b" " * (MAX_RESPONSE_BYTES + 1), headers=JSON), 502),
        (Answer(gzip.compress(b" " * (MAX_RESPONSE_BYTES + 1)), headers={**JSON, "content-encoding": "gzip"}), 502),
        (Answer(b"\xff\xfe", headers=JSON), 502),
        (Answer(b"no gzip", headers={**JSON, "content-encoding": "gzip"}), 502),
        (Answer(b"data: 1\n\n", headers={"content-type": "text/event-stream"}), 501),
    ],
    ids=["large", "bomb", "binary", "broken", "stream"],
)
def test_a_response_that_cannot_be_recorded_is_an_error(tmp_path: Path, answer: Answer, status: int) -> None:
    with record(tmp_path, lambda _: answer) as (url, file):
        response = httpx2.post(url, json=CALL)

    assert response.status_code == status
    assert response.json()["error"]["data"]["reason"] in {"upstream_failed", "not_recordable"}
    assert exchanges_of(file)[0]["response"]["status"] == status


def test_a_request_that_cannot_be_recorded_is_not_sent(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def answer(body: bytes) -> Answer:
        bodies.append(body)
        return Answer(RESULT, headers=JSON)

    with record(tmp_path, answer) as (url, file):
        large = httpx2.post(url, content=b"1" * (MAX_REQUEST_BYTES + 1), headers=JSON)
        binary = httpx2.post(url, content=b"\xff", headers=JSON)
        packed = httpx2.post(url, content=gzip.compress(b"{}"), headers={**JSON, "content-encoding": "gzip"})
        foreign = httpx2.post(url, json=CALL, headers={"origin": "https://evil.example"})
        rebound = httpx2.post(url, json=CALL, headers={"host": "evil.example"})

    statuses = [each.status_code for each in (large, binary, packed, foreign, rebound)]
    assert (statuses, bodies, file.read_bytes()) == ([413, 415, 415, 403, 403], [], b"")


def test_a_page_of_this_machine_may_use_the_recorder(tmp_path: Path) -> None:
    origin = "http://localhost:5173"
    with record(tmp_path, lambda _: Answer(RESULT, headers={**JSON, "access-control-allow-origin": "x"})) as (
        url,
        file,
    ):
        preflight = httpx2.options(
            url,
            headers={
                "origin": origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "content-type,x-api-key",
            },
        )
        response = httpx2.post(url, json=CALL, headers={"origin": origin})
        assert len(exchanges_of(file)) == 1

    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
    assert response.headers.get_list("access-control-allow-origin") == [origin]


def test_requests_go_to_the_url_of_the_upstream_or_to_paths_next_to_its_json_rpc(tmp_path: Path) -> None:
    def handle(handler: BaseHTTPRequestHandler, _: bytes) -> Answer:
        return Answer(f'"no such path: {handler.path}"'.encode(), headers=JSON)

    file = tmp_path / "recording.jsonl"
    with open_stub(handle) as upstream, run_recorder(f"{upstream}/below/v2/first-key?apiKey=other-key", file) as url:
        texts = [httpx2.post(url + target, json=CALL).text for target in ("", "/?chainId=1", "/chain/1")]

    assert [text.split()[-1].rstrip('"') for text in texts] == [
        "/below/v2/first-key?apiKey=other-key",
        "/below/v2/first-key?apiKey=other-key&chainId=1",
        "/below/chain/1?apiKey=other-key",
    ]
    assert [each["request"]["path"] for each in exchanges_of(file)] == ["/", "/", "/chain/1"]
    assert "-key" not in file.read_text()


def test_a_written_exchange_is_complete_before_its_response(tmp_path: Path) -> None:
    with record(tmp_path, lambda _: Answer(RESULT, headers=JSON)) as (url, file):
        for count in range(1, 4):
            httpx2.post(url, json=CALL)
            assert file.read_bytes().count(b"\n") == count
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    empty = tmp_path / "empty"
    empty.touch(0o644)
    with open_recording_file(empty):
        assert stat.S_IMODE(empty.stat().st_mode) == 0o600


def test_a_file_that_is_no_new_one_is_not_overwritten(tmp_path: Path) -> None:
    full, link, folder = tmp_path / "full", tmp_path / "link", tmp_path / "folder"
    full.write_text("a")
    link.symlink_to(full)
    folder.mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path in (full, link, folder, tmp_path / "pipe", tmp_path / "no" / "file"):
        with pytest.raises(SettingError, match=str(path)), open_recording_file(path):
            pass
    assert full.read_text() == "a"
    with open_recording_file(tmp_path / "new"), pytest.raises(SettingError, match="another process"):  # noqa: SIM117
        with open_recording_file(tmp_path / "new"):
            pass


def test_an_exchange_that_cannot_be_written_is_an_error_and_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []

    def answer(body: bytes) -> Answer:
        bodies.append(body)
        return Answer(RESULT, headers=JSON)

    monkeypatch.setattr(recording_file, "MAX_RECORDING_BYTES", 500)
    with record(tmp_path, answer) as (url, file):
        responses = [httpx2.post(url, json=CALL) for _ in range(3)]

    assert [each.status_code for each in responses] == [200, 500, 500]
    assert responses[2].json()["error"]["data"]["reason"] == "recording_failed"
    assert (len(bodies), len(exchanges_of(file))) == (2, 1)


def test_a_line_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file, limits = tmp_path / "recording.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_recording_file(file) as opened:
        opened.append(b"first\n")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                opened.append(b"second\n")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert file.read_bytes() == b"first\n"
        opened.append(b"third\n")
    assert file.read_bytes() == b"first\nthird\n"


GOOD = (
    '{"format":1,"number":1,"atMilliseconds":1,"request":{"verb":"GET","path":"/","query":{}},'
    '"response":{"status":200,"headers":{}}}\n'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a recording .* got an empty file"),
        (GOOD + "{\n" + GOOD, "line 2: expected an exchange as a JSON object, got text that is not JSON$"),
        (GOOD + '{"format":1,"num', "line 2: .* interrupted here: remove this line"),
        ("\n" + GOOD, "line 1: .* not JSON$"),
        (GOOD + "[]\n", "line 2: expected an exchange as a JSON object, got another JSON value"),
        (GOOD.replace('"verb":"GET",', ""), r"line 1: exchange\.request\.verb: "),
        (GOOD.replace('"format":1', '"format":2'), r"line 1: exchange\.format: "),
        (GOOD.replace('"status":200', '"status":"ok"'), r"line 1: exchange\.response\.status: "),
        (GOOD + "\xff", "line 2: .* not JSON"),
    ],
)
def test_a_malformed_recording_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "recording.jsonl"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingError, match=message):
        read_recording(file)
    file.write_text(GOOD)
    assert len(read_recording(file).exchanges) == 1

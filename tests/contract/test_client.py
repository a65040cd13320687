"""The JSON-RPC client: deadlines, retries of reads only, batches, and errors without the upstream's URL or text."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import Any

import pytest

from tests.contract.upstream import FAST, KEY, URL, BrokenResponse, NoResponse, Upstream, UpstreamError, answer_in_turn
from wallet_rpc.adapters.client import ErrorObject, JsonRpcClient
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.errors import LimitExceeded, OutcomeUnknown, Rejected, Unavailable

HASTY = ClientLimits(deadline_seconds=0.1, backoff_seconds=0.001)


def test_a_client_has_default_limits() -> None:
    assert JsonRpcClient(HttpClient(), URL, part="node")._limits == ClientLimits()


async def test_a_call_sends_its_params_and_returns_the_result() -> None:
    upstream = Upstream({"echo": lambda *params: list(params)})

    assert await upstream.client().read("echo", ["0x1", {"to": None}]) == ["0x1", {"to": None}]
    assert await upstream.client().write("echo", []) == []


async def test_a_null_result_is_a_response() -> None:
    assert await Upstream({"find": None}).client().read("find", []) is None


async def test_a_truncated_response_leaves_a_writes_outcome_unknown() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(break_off, "127.0.0.1") as server, HttpClient() as http:
        port = server.sockets[0].getsockname()[1]
        client = JsonRpcClient(http, f"http://127.0.0.1:{port}/{KEY}", part="bundler", limits=FAST)
        with pytest.raises(Unavailable) as error_info:
            await client.write("send", [])

    assert error_info.value.reason == OutcomeUnknown.default_reason


@pytest.mark.parametrize("host", ["a:99999", "a:b", "a\x01", "xn--"])
async def test_a_write_to_an_invalid_url_is_not_sent(host: str) -> None:
    async with HttpClient() as http:
        client = JsonRpcClient(http, f"http://{host}/{KEY}", part="bundler", limits=HASTY)
        for call in (client.read, client.write):
            with pytest.raises(Unavailable, match=r"^the bundler does not answer$") as error_info:
                await call("send", [])
            assert error_info.value.reason == Unavailable.default_reason


@pytest.mark.parametrize(
    "trouble",
    [
        BrokenResponse(502, b"bad gateway"),
        BrokenResponse(429, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slow down"}}'),
        BrokenResponse(200, b"<html>"),
        BrokenResponse(200, b""),
        BrokenResponse(200, b"null"),
        BrokenResponse(200, b"[]"),
        BrokenResponse(200, b'{"jsonrpc":"2.0","id":1}'),
        BrokenResponse(200, b'{"jsonrpc":"2.0","id":"another","result":1}'),
        BrokenResponse(200, b'{"jsonrpc":"2.0","id":1,"error":"text"}'),
        BrokenResponse(302, b""),
    ],
)
class TestTrouble:
    """Responses that are not JSON-RPC."""

    async def test_a_read_is_retried(self, trouble: BrokenResponse) -> None:
        upstream = Upstream({"find": answer_in_turn(trouble, trouble, 7)})

        assert await upstream.client().read("find", []) == 7
        assert len(upstream.posts) == 3

    async def test_a_read_fails_after_three_attempts(self, trouble: BrokenResponse) -> None:
        upstream = Upstream({"find": answer_in_turn(trouble)})

        with pytest.raises(Unavailable, match=r"^the node does not answer$") as error_info:
            await upstream.client().read("find", [])

        assert len(upstream.posts) == 3
        assert error_info.value.data == {"reason": "unavailable", "retryable": True, "part": "node"}

    async def test_a_write_is_sent_once_and_its_outcome_is_unknown(self, trouble: BrokenResponse) -> None:
        upstream = Upstream({"send": answer_in_turn(trouble)})

        with pytest.raises(Unavailable) as error_info:
            await upstream.client().write("send", [])

        assert len(upstream.posts) == 1
        assert error_info.value.reason == OutcomeUnknown.default_reason


async def test_a_call_to_a_hanging_server_ends_at_the_deadline() -> None:
    upstream = Upstream({"find": answer_in_turn(NoResponse()), "send": answer_in_turn(NoResponse())})
    client = upstream.client(HASTY)

    async with asyncio.timeout(ClientLimits().deadline_seconds / 2):
        with pytest.raises(Unavailable, match="does not answer") as read:
            await client.read("find", [])
        with pytest.raises(Unavailable) as written:
            await client.write("send", [])

    assert upstream.posts.count(["send"]) == 1
    assert (read.value.reason, written.value.reason) == ("unavailable", OutcomeUnknown.default_reason)


async def test_a_server_that_is_not_there_is_unavailable_and_a_write_did_not_happen() -> None:
    async with HttpClient() as http:
        client = JsonRpcClient(http, f"http://127.0.0.1:1/{KEY}", part="bundler", limits=FAST)
        with pytest.raises(Unavailable) as read:
            await client.read("find", [])
        with pytest.raises(Unavailable) as written:
            await client.write("send", [])

    assert read.value.reason == written.value.reason == "unavailable"


@pytest.mark.parametrize(
    "answer", ["x" * 5000, [0] * 300, [{}] * 150, [[]] * 150], ids=["bytes", "numbers", "objects", "arrays"]
)
async def test_a_response_that_is_too_large_is_rejected_and_not_retried(answer: Any) -> None:
    upstream = Upstream({"find": answer, "send": answer})
    client = upstream.client(ClientLimits(answer_bytes=1000, answer_values=250, backoff_seconds=0.001))

    for unbatched in (False, True):
        with pytest.raises(LimitExceeded, match="at most 1000 bytes and 250 values") as error_info:
            await client.read("find", [], unbatched=unbatched)
        assert error_info.value.reason == "answer_too_large"
    with pytest.raises(OutcomeUnknown):
        await client.write("send", [])
    assert upstream.posts == [["find"], ["find"], ["send"]]


async def test_a_batch_with_too_large_a_response_is_repeated_call_by_call() -> None:
    upstream = Upstream({"find": [0] * 200, "more": [0] * 300, "all": 1})
    client = upstream.client(ClientLimits(answer_values=250, backoff_seconds=0.001))

    found = await asyncio.gather(*(client.read(name, []) for name in ("find", "more", "all")), return_exceptions=True)

    assert (found[0], found[2]) == ([0] * 200, 1)
    assert isinstance(found[1], LimitExceeded)
    await asyncio.gather(client.read("all", []), client.read("all", []))
    assert upstream.posts == [["find", "more", "all"], ["find"], ["more"], ["all"], ["all", "all"]]


async def test_an_error_response_is_not_retried_and_is_mapped_by_the_caller() -> None:
    upstream = Upstream({"send": answer_in_turn(UpstreamError(-32000, "no", "0x01"))})
    seen: list[ErrorObject] = []

    def reject(error: ErrorObject) -> Rejected:
        seen.append(error)
        return Rejected("refused")

    for call in (upstream.client().read, upstream.client().write):
        with pytest.raises(Rejected):
            await call("send", [], map_error=reject)

    assert seen == [ErrorObject(-32000, "no", "0x01")] * 2
    assert len(upstream.posts) == 2


async def test_no_error_contains_the_url_or_the_key() -> None:
    leaky = f"cannot reach {URL}: key {KEY} is over its limit"
    answers = {
        "refuse": answer_in_turn(UpstreamError(-32000, leaky, leaky)),
        "break": answer_in_turn(BrokenResponse(500, leaky.encode())),
    }
    client = Upstream(answers).client()

    for method in answers:
        for call in (client.read, client.write):
            with pytest.raises(Unavailable) as error_info:
                await call(method, [])
            assert KEY not in f"{error_info.value}{error_info.value.data}"
            assert KEY not in "".join(traceback.format_exception(error_info.value))


async def test_no_log_line_contains_the_url_or_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await Upstream({"find": 1}).client().read("find", [])
    async with HttpClient() as http:
        with pytest.raises(Unavailable):
            await JsonRpcClient(http, f"http://127.0.0.1:1/{KEY}", part="node", limits=FAST).read("find", [])

    assert KEY not in caplog.text


async def test_a_malformed_chain_id_is_an_error() -> None:
    with pytest.raises(Unavailable, match="the node returned a malformed response"):
        await Upstream({"eth_chainId": "one"}).client().check_chain(1)


async def test_a_server_of_another_chain_is_an_error() -> None:
    client = Upstream({"eth_chainId": "0x2"}).client()

    with pytest.raises(Unavailable, match=r"^the node serves chain 2, expected chain 1$") as error_info:
        await client.check_chain(1)

    assert error_info.value.reason == "wrong_chain"


async def test_a_server_of_the_right_chain_passes() -> None:
    upstream = Upstream({"eth_chainId": "0x66eee"})
    await upstream.client().check_chain(0x66EEE)
    assert upstream.methods == ["eth_chainId"]

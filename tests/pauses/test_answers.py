"""No response of a node or bundler blocks the event loop for a tenth of a second, whatever it contains."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

import pytest

from tests.pauses.watch import Watch, assert_short
from tests.support.http_stub import Answer, serve_stub
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.upstream_proxy import UpstreamProxy
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.outcome import encode_result
from wallet_rpc.operations import get_calls_status
from wallet_rpc.operations.get_calls_status import CallsStatus, StatusData, StatusDetails
from wallet_rpc.primitives import Data, Hash32
from wallet_rpc.services.witnesses import build_receipt

pytestmark = pytest.mark.usefixtures("collector")
MAX_RESPONSE_BYTES = 4 << 20
WORD = "0x" + "22" * 32
LOG = {"address": "0x" + "11" * 20, "topics": [WORD] * 3, "data": WORD, "blockNumber": "0x1", "logIndex": "0x1"}
RECEIPT = {
    "success": True,
    "actualGasUsed": "0x1",
    "receipt": {"transactionHash": WORD, "blockHash": WORD, "blockNumber": "0x1"},
    "logs": [LOG] * 10_000,
}
RESULTS: Mapping[str, Callable[[], str]] = {
    "logs": lambda: json.dumps([LOG] * 12_000),
    "more logs than are read": lambda: json.dumps([LOG] * 20_000),
    "arrays": lambda: f"[{'[],' * (MAX_RESPONSE_BYTES // 3)}0]",
    "numbers": lambda: f"[{'1,' * 149_000}1]",
    "keys": lambda: json.dumps(dict.fromkeys(map(str, range(149_000)), 0)),
    "hex": lambda: f'"0x{"ab" * (MAX_RESPONSE_BYTES // 2)}"',
}
MESSAGE_PIECES = ("a.", "http://x ", "+-")


async def _forward_chain_request(upstream: Rpc) -> None:
    dispatcher = JsonRpcDispatcher[None](
        (), lambda: None, fallback=UpstreamProxy(upstream, upstream, ["http://host/secret-key"]).forward
    )
    answer = await dispatcher.dispatch(b'{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[{}]}')
    assert answer.text is not None


async def _read_receipt(upstream: Rpc) -> None:
    """Read the receipt of a call with thousands of logs from the bundler, and encode its status for the caller."""
    found = await HttpBundler(upstream).receipt(Hash32(bytes(32)))
    assert found is not None
    receipt = build_receipt(found, succeeded=True)
    details = StatusDetails(data=StatusData(hash=Hash32(bytes(32))))
    status = CallsStatus(id=Data(b"\1"), chain_id=1, status=200, receipts=(receipt,), details=details)
    assert (await encode_result(get_calls_status.OPERATION, status)).count(b'"topics"') == 10_000


def longest_pause(request: Callable[[Rpc], Awaitable[None]], answer_text: str) -> float:
    """Return the longest pause while an upstream's response is read and forwarded, in seconds of processor time."""
    watch = Watch()

    def answer(body: bytes) -> Answer:
        return Answer(f'{{"jsonrpc":"2.0","id":{json.loads(body)["id"]},{answer_text}}}'.encode())

    async def work(url: str) -> None:
        async with HttpClient() as http:
            watch.restart()
            await request(build_rpc(http, [url], part="node"))

    with serve_stub(answer) as url, asyncio.Runner(loop_factory=watch.loop) as runner:
        runner.run(work(url))
    return watch.longest_seconds


@pytest.mark.parametrize("name", RESULTS)
def test_a_large_result_blocks_the_loop_only_briefly(name: str) -> None:
    assert_short(lambda: longest_pause(_forward_chain_request, f'"result":{RESULTS[name]()}'))


@pytest.mark.parametrize("piece", MESSAGE_PIECES)
def test_a_long_error_message_blocks_the_loop_only_briefly(piece: str) -> None:
    error = {"code": 3, "message": piece * (240_000 // len(piece)), "data": [piece * 100] * 500}
    assert_short(lambda: longest_pause(_forward_chain_request, f'"error":{json.dumps(error)}'))


def test_a_call_with_thousands_of_logs_blocks_the_loop_only_briefly() -> None:
    assert_short(lambda: longest_pause(_read_receipt, f'"result":{json.dumps(RECEIPT)}'))

"""Faults of requests over a WebSocket."""

from __future__ import annotations

import asyncio
import json
from functools import partial

from websockets.asyncio.client import connect

from tests.support.constants import LONGEST_SECONDS
from tests.support.keys import new_key
from tests.support.web_socket import SocketClient, open_socket


def _is_closed(socket: SocketClient) -> bool:
    return socket.close_code is not None


async def test_an_error_and_a_late_answer_keep_the_connection(url: str) -> None:
    async with open_socket(url) as socket:
        await socket.result("wallet_test_failNext", {"method": "eth_chainId", "code": -32000, "message": "no"})
        await socket.result("wallet_test_delayNext", {"method": "eth_blockNumber", "milliseconds": 300})
        late = asyncio.create_task(socket.ask("eth_blockNumber"))
        failed = await socket.ask("eth_chainId")

        assert failed["error"] == {"code": -32000, "message": "no"}
        assert not late.done()
        assert (await late)["result"]


async def test_a_repeated_request_is_answered_twice(url: str) -> None:
    async with connect(url.replace("http", "ws", 1)) as connection, asyncio.timeout(LONGEST_SECONDS):

        async def receive() -> int:
            reply = json.loads(await connection.recv())
            assert reply["id"] == 5
            return int(reply["result"], 16)

        for method, *params in (("wallet_test_repeatNext", {"method": "evm_snapshot"}), ("evm_snapshot",)):
            await connection.send(json.dumps({"jsonrpc": "2.0", "id": 5, "method": method, "params": params}))
            if params:
                await connection.recv()
        first, second = await receive(), await receive()

    assert second == first + 1


async def test_a_cut_connection_ends_without_a_close_frame(url: str) -> None:
    account = new_key().address
    for fault in ({"executes": True}, {"executes": False}):
        async with open_socket(url) as socket:
            await socket.result("wallet_test_cutNext", {"method": "anvil_setBalance", **fault})
            balance = hex(1 + fault["executes"])
            body = {"jsonrpc": "2.0", "id": 99, "method": "anvil_setBalance", "params": [account, balance]}
            await socket.connection.send(json.dumps(body))
            await socket.wait_for(partial(_is_closed, socket))

            assert (socket.close_code, 99 in socket.replies) == (1006, False)
    async with open_socket(url) as socket:
        assert await socket.result("eth_getBalance", account, "latest") == "0x2"


async def test_a_request_that_times_out_ends_its_connection_and_no_other(url: str) -> None:
    async with open_socket(url) as other, open_socket(url) as socket:
        await socket.result("wallet_test_timeOutNext", {"method": "eth_chainId", "milliseconds": 100})
        await socket.connection.send(json.dumps({"jsonrpc": "2.0", "id": 99, "method": "eth_chainId"}))
        await socket.wait_for(partial(_is_closed, socket))

        assert socket.close_code == 1006
        assert await other.result("eth_chainId")

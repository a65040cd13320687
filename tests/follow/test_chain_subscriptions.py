"""`eth_subscribe` at the URLs of a development server: where it works, its bounds, and slow readers."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.support.constants import CHAINS, LONGEST_SECONDS, TOKEN
from tests.support.keys import new_key
from tests.support.web_socket import SocketClient, open_socket
from wallet_rpc.edge import chain_subscriptions
from wallet_rpc.edge.subscriptions import SUBSCRIPTIONS

FIRST, SECOND = CHAINS


async def mine(url: str, chain: int, blocks: int = 1) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_mine", "params": [hex(blocks)]}
    async with httpx2.AsyncClient(timeout=60) as http:
        answer = (await http.post(f"{url}/chain/{chain}", json=body)).json()
    assert answer["result"] is None


def results(client: SocketClient, subscription: str) -> list[Any]:
    return [each["result"] for each in client.notifications if each["subscription"] == subscription]


@pytest.mark.parametrize(
    ("path", "chain"),
    [("/", FIRST), (f"/?chainId={SECOND}", SECOND), (f"/chain/{SECOND}", SECOND), ("/v2/key", FIRST)],
)
async def test_new_heads_of_the_chain_that_the_url_selects_are_sent(url: str, path: str, chain: int) -> None:
    async with open_socket(url + path) as client, open_socket(f"{url}/chain/{chain}") as other:
        name, same = [await each.result("eth_subscribe", "newHeads") for each in (client, other)]
        await mine(url, chain, 2)
        await client.wait_for(lambda: len(results(client, name)) >= 2)
        await other.wait_for(lambda: len(results(other, same)) >= 2)
        heads = results(client, name)
        assert heads[1]["parentHash"] == heads[0]["hash"]
        block = await client.result("eth_getBlockByHash", heads[1]["hash"], False)
        assert heads[1] == block
        assert await client.result("eth_unsubscribe", name) is True
        assert await client.result("eth_unsubscribe", name) is False
        count = len(client.notifications)
        await mine(url, chain)
        await other.wait_for(lambda: len(results(other, same)) >= 3)
        await client.result("eth_chainId")
        assert len(client.notifications) == count, "an ended subscription sends nothing"


async def test_an_id_is_answered_before_its_first_notification(url: str) -> None:
    batch: list[dict[str, Any]] = [{"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}]
    for number in range(2, 42):  # which take a while, so that blocks are mined before the batch is answered
        owner = {"signerAddress": new_key().address}
        batch += [{"jsonrpc": "2.0", "id": number, "method": "wallet_requestAccount", "params": [owner]}]
    async with connect(url.replace("http", "ws")) as plain:
        await plain.send(json.dumps(batch))
        receiving = asyncio.create_task(plain.recv())
        async with asyncio.timeout(LONGEST_SECONDS):
            while not receiving.done():
                await mine(url, FIRST)
            answer = json.loads(await receiving)
            assert [each["id"] for each in answer] == list(range(1, 42))
            await mine(url, FIRST)
            first = json.loads(await plain.recv())
        assert first["method"] == "eth_subscription"
        assert first["params"]["subscription"] == answer[0]["result"]


@pytest.mark.parametrize("path", ["/", f"/chain/{FIRST}"])
@pytest.mark.parametrize("method", ["eth_subscribe", r"eth_subscrib\u0065", "eth_unsubscribe"])
def test_a_subscription_needs_a_websocket(url: str, path: str, method: str) -> None:
    entry = f'{{"jsonrpc":"2.0","id":7,"method":"{method}","params":["newHeads"]}}'
    chain_id = '{"jsonrpc":"2.0","id":8,"method":"eth_chainId"}'
    for body in (entry, f"[{chain_id},{entry}]"):
        answer = httpx2.post(url + path, content=body, headers={"content-type": "application/json"}).json()
        answers = {each["id"]: each for each in (answer if isinstance(answer, list) else [answer])}
        assert answers[7]["error"]["data"]["reason"] == "websocket_required"
        assert len(answers) == 1 or answers[8]["result"] == hex(FIRST)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ([], "params"),
        (["newHeads", {}, 1], "params"),
        ({"kind": "newHeads"}, "params"),
        (["lost"], "params.kind"),
        (["logs", {"address": "0x12"}], "params.options.address"),
    ],
    ids=str,
)
async def test_an_invalid_subscription_is_rejected(url: str, params: Any, field: str) -> None:
    async with open_socket(f"{url}/chain/{FIRST}") as client:
        body = {"jsonrpc": "2.0", "id": "x", "method": "eth_subscribe", "params": params}
        await client.connection.send(json.dumps(body))
        await client.wait_for(lambda: "x" in client.replies)
        error = client.replies["x"]["error"]
        assert (error["code"], error["data"]["field"]) == (-32602, field)


async def test_both_kinds_of_subscription_share_one_limit(url: str) -> None:
    async with open_socket(url) as client:
        names = [await client.result("wallet_subscribe", "calls") for _ in range(SUBSCRIPTIONS - 2)]
        names += [await client.result("eth_subscribe", "logs", {"address": TOKEN})]
        names += [await client.result("eth_subscribe", "newPendingTransactions")]
        assert len(set(names)) == SUBSCRIPTIONS
        for method, kind in (("eth_subscribe", "newHeads"), ("wallet_subscribe", "calls")):
            error = (await client.ask(method, kind))["error"]
            assert (error["code"], error["data"]["reason"]) == (-32005, "too_many_subscriptions")
        assert await client.result("eth_unsubscribe", names[-1]) is True
        await client.result("eth_subscribe", "newHeads")


async def test_a_client_that_reads_too_slowly_is_disconnected(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_subscriptions, "WAITING_BYTES", 1 << 20)
    async with connect(f"{url.replace('http', 'ws')}/chain/{FIRST}", max_queue=1) as slow, open_socket(url) as other:
        name = await other.result("eth_subscribe", "newHeads")
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
        for _ in range(SUBSCRIPTIONS):
            await slow.send(json.dumps(body))
        for _ in range(SUBSCRIPTIONS):
            await slow.recv()
        await mine(url, FIRST, 500)
        with suppress(ConnectionClosedError):
            async with asyncio.timeout(LONGEST_SECONDS):
                async for _ in slow:
                    pass
        assert slow.close_code == 1008
        await other.wait_for(lambda: len(results(other, name)) == 500)

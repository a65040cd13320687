"""`wallet_subscribe` and all other methods over WebSockets, with the authentication and the limits of HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.e2e.process import Server
from tests.follow.conftest import Shop
from tests.support.calls import transfer
from tests.support.constants import CHAINS, ROOT
from tests.support.wallet import Wallet
from tests.support.web_socket import open_socket
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import derive_key_id
from wallet_rpc.edge.subscriptions import SUBSCRIPTIONS

LIFE = ["call.submitted", "call.pending", "call.confirmed"]


@pytest.fixture
def wallet(replicas: tuple[Server, Server], shop: Shop) -> Wallet:
    return Wallet(shop.client(replicas[0])).fund()


async def test_calls_and_sessions_are_followed_and_resumed_on_the_other_replica(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet
) -> None:
    one, two = replicas
    async with open_socket(f"{one.url}/v2/{shop.key}") as client:
        calls, sessions = [await client.result("wallet_subscribe", each) for each in ("calls", "sessions")]
        grant = await asyncio.to_thread(wallet.grant, ROOT)
        await asyncio.to_thread(wallet.act, grant, transfer(1))
        await client.wait_for(lambda: client.types(calls) == LIFE and len(client.types(sessions)) == 3)
        assert client.types(sessions) == ["session.created", "session.activated", "session.installed"]
        # the first session event: of different subscriptions, a later event may arrive first
        last = client.results(sessions)[0]["id"]
        assert await client.result("wallet_unsubscribe", calls) is True
        assert await client.result("wallet_unsubscribe", calls) is False
        await asyncio.to_thread(wallet.act, grant, transfer(1))
        await asyncio.to_thread(wallet.create_session, ROOT)
        await client.wait_for(lambda: client.types(sessions)[3:] == ["session.created"])
        assert client.types(calls) == LIFE, "an ended subscription sends nothing"

    of_session = {"sessionId": grant.session_id, "lastEventId": last}
    async with open_socket(f"{two.url}/", shop.headers) as client:
        resumed = await client.result("wallet_subscribe", "calls", of_session)
        await client.wait_for(lambda: client.types(resumed) == [*LIFE, *LIFE])
        gone = await client.result("wallet_subscribe", "sessions", {"lastEventId": "9999999999999-0"})
        await client.wait_for(lambda: client.errors(gone) == ["event_id_unknown"])


async def test_every_method_is_answered_at_the_url_of_the_chain(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet
) -> None:
    async with open_socket(f"{replicas[0].url}/chain/{CHAINS[0]}", shop.headers) as client:
        assert await client.result("eth_chainId") == hex(CHAINS[0])
        requested = await client.result("wallet_requestAccount", {"signerAddress": wallet.owner.address})
        assert requested["accountAddress"] == wallet.account
        assert (await client.ask("wallet_lost"))["error"]["code"] == -32601
        await client.connection.send("{")
        await client.wait_for(lambda: None in client.replies)
        assert client.replies[None]["error"]["code"] == -32700
        assert (await client.ask("wallet_subscribe", "blocks"))["error"]["code"] == -32602
        sessions = await client.result("wallet_subscribe", "sessions")
        await asyncio.to_thread(wallet.create_session, ROOT)
        await client.wait_for(lambda: client.types(sessions) == ["session.created"])
    batch = [{"jsonrpc": "2.0", "id": number, "method": "eth_chainId", "params": []} for number in range(3)]
    async with connect(f"{replicas[0].url.replace('http', 'ws')}/v2", additional_headers=shop.headers) as plain:
        await plain.send(json.dumps(batch).encode())
        answer = json.loads(await asyncio.wait_for(plain.recv(), 30))
        assert [each["id"] for each in answer] == [0, 1, 2]


async def test_the_chain_of_dev_has_none_of_the_methods_of_the_wallet(node: str) -> None:
    wallet_url = node.partition("/chain/")[0] + f"/?chainId={CHAINS[0]}"
    async with open_socket(wallet_url) as client:
        assert await client.result("wallet_subscribe", "calls")
        assert await client.result("eth_chainId") == hex(CHAINS[0])
    async with open_socket(node) as client:
        assert await client.result("eth_chainId") == hex(CHAINS[0])
        assert (await client.ask("wallet_subscribe", "calls"))["error"]["data"]["reason"] == "method_not_found"
    body = {"jsonrpc": "2.0", "id": 1, "method": "wallet_listSessions", "params": []}
    assert httpx2.post(node, json=body, timeout=30).json()["error"]["data"]["reason"] == "method_not_found"


def test_a_subscription_needs_a_websocket(wallet: Wallet) -> None:
    for method, param in (("wallet_subscribe", "calls"), ("wallet_unsubscribe", "0x01")):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [param]}
        assert wallet.client.post(body)["error"]["data"]["reason"] == "websocket_required"


async def test_a_server_without_chains_of_its_own_says_what_to_do_instead_of_following_one(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet
) -> None:
    async with open_socket(f"{replicas[0].url}/v2", shop.headers) as client:
        for method, param in (("eth_subscribe", "newHeads"), ("eth_unsubscribe", "0x01")):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [param]}
            for error in ((await client.ask(method, param))["error"], wallet.client.post(body)["error"]):
                assert (error["code"], error["data"]["reason"]) == (-32601, "no_chain_notifications")


async def test_a_handshake_is_authenticated(replicas: tuple[Server, Server], shop: Shop) -> None:
    for path, headers, status in (("/v2", {}, 401), ("/v2/wrk_unknown", {}, 401), ("/lost", shop.headers, 404)):
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(replicas[0].url + path, headers):
                pass
        response = refused.value.response
        assert (response.status_code, json.loads(response.body or b"")["id"]) == (status, None)


async def test_a_revoked_key_is_disconnected_at_its_next_message(
    replicas: tuple[Server, Server], shop: Shop, redis: RedisServer
) -> None:
    async with open_socket(f"{replicas[0].url}/v2", shop.headers) as client:
        assert await client.result("eth_chainId") == hex(CHAINS[0])
        async with RedisStore.open(redis.url) as store:
            await store.directory.revoke_key(derive_key_id(shop.key), at=1)
        await client.connection.send('{"jsonrpc":"2.0","id":9,"method":"eth_chainId"}')
        await client.wait_for(lambda: client.close_code is not None)
        assert client.close_code == 1008
        assert client.replies[None]["error"]["data"]["reason"] == "api_key_revoked"


async def test_messages_and_subscriptions_are_limited(replicas: tuple[Server, Server], shop: Shop) -> None:
    async with open_socket(f"{replicas[0].url}/v2", shop.headers) as client:
        for _ in range(SUBSCRIPTIONS):
            await client.result("wallet_subscribe", "calls")
        error = (await client.ask("wallet_subscribe", "calls"))["error"]
        assert (error["code"], error["data"]["reason"]) == (-32005, "too_many_subscriptions")
        await client.connection.send("x" * (1 << 20))
        await client.wait_for(lambda: None in client.replies)
        await client.connection.send("x" * ((1 << 20) + 1))
        await client.wait_for(lambda: client.close_code is not None)
        assert client.close_code == 1009


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"x-long: " + b"x" * 9000], b"431"),
        ([b"x-long: " + b"x" * 40_000], b"431"),
        ([b"x-%d: x" % number for number in range(200)], b"431"),
        ([b"origin: https://evil.example"], b"403"),
        ([b"sec-websocket-version: 12"], b"400"),
    ],
    ids=["long line", "long head", "many lines", "other origin", "other version"],
)
def test_a_handshake_beyond_a_limit_is_refused(url: str, lines: list[bytes], status: bytes) -> None:
    """The server of this address accepts pages of one origin only."""
    address = urlsplit(url)
    head = [b"GET / HTTP/1.1", b"host: 127.0.0.1", b"connection: upgrade", b"upgrade: websocket", *lines]
    head += [b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="]
    head += [] if b"sec-websocket-version: 12" in lines else [b"sec-websocket-version: 13"]
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as client:
        client.sendall(b"\r\n".join([*head, b"", b""]))
        received = b""
        while part := client.recv(65536):
            received += part
    assert received.split(b" ")[1] == status


async def test_a_server_that_ends_finishes_running_requests_and_closes(
    start: Callable[..., Server], shop: Shop
) -> None:
    with start() as server:
        async with open_socket(f"{server.url}/v2", shop.headers) as client:
            subscription = await client.result("wallet_subscribe", "calls")
            asking = asyncio.create_task(client.ask("wallet_requestAccount", {"signerAddress": "0x" + "11" * 20}))
            await asyncio.sleep(0)
            await client.connection.ping()
            server.process.send_signal(signal.SIGTERM)
            await client.wait_for(lambda: client.close_code is not None)
            assert client.close_code == 1012
            assert "result" in await asking
            assert client.types(subscription) == []
        assert await asyncio.to_thread(server.process.wait, 10) == 0


async def test_the_log_has_no_key(start: Callable[..., Server], shop: Shop) -> None:
    with start(LOG_LEVEL="debug") as server:
        async with open_socket(f"{server.url}/v2/{shop.key}") as client:
            await client.result("eth_chainId")
        assert httpx2.get(f"{server.url}/health").status_code == 200
        assert server.stop() == 0
        assert shop.key not in server.output()

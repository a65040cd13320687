"""A server on each kind of Redis: what it refuses at the start, logs, and reports as not ready."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from tests.contract.redis_processes import HOST, RedisProcess
from tests.contract.waiting import until
from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import Node
from tests.support.constants import FRIEND, ROOT
from tests.support.wallet import AsyncWallet
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.server import open_server


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with serve_rpc(Node().dispatcher.answer) as url:
        chain = ChainSetting(chain_id=31337, node_urls=(url,), bundler_urls=(url,))
        yield Settings(chains=(chain,), open=True, allow_volatile=True)


async def _get_ready(http: httpx2.AsyncClient) -> tuple[int, str]:
    response = await http.get("http://server/ready")
    return response.status_code, response.json()["parts"]["redis"]


async def _is_ready(http: httpx2.AsyncClient, expected: tuple[int, str]) -> bool:
    return await _get_ready(http) == expected


async def test_a_server_on_a_redis_that_rejects_writes_is_not_ready(settings: Settings) -> None:
    with RedisProcess() as redis:
        chosen = replace(settings, redis_url=f"redis://{HOST}:{redis.port}")
        async with open_server(chosen) as app, httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
            assert await _get_ready(http) == (200, "ok")
            redis.ask("REPLICAOF", HOST, 1)
            await until(partial(_is_ready, http, (503, "unavailable")))
            redis.ask("REPLICAOF", "NO", "ONE")
            await until(partial(_is_ready, http, (200, "ok")))


async def test_a_server_on_a_cluster_is_ready_and_logs_each_master(settings: Settings, cluster_url: str) -> None:
    chosen = replace(settings, redis_url=cluster_url, redis_replicas=1)
    with capture_logs() as logs:
        async with open_server(chosen) as app, httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
            assert await _get_ready(http) == (200, "ok")

    of_redis = [each for each in logs if each["event"].startswith("redis")]
    assert [each["event"] for each in of_redis] == ["redis", "redis_may_lose_writes", "redis_may_reject_writes"] * 3
    assert of_redis[0] == {
        "event": "redis",
        "log_level": "info",
        "software": of_redis[0]["software"],
        "mode": "cluster",
        "replicas": 0,
        "persistence": "none",
        "eviction": "noeviction",
        "crash_of_its_host": "all data is lost, also when only Redis itself ends",
    }
    assert [each["log_level"] for each in of_redis[1:3]] == ["warning"] * 2
    assert of_redis[2]["why"] == "0 replicas are connected, and WALLET_RPC_REDIS_REPLICAS is 1"


@dataclass
class AppTransport:
    """An `AsyncTransport` to a server in this process."""

    http: httpx2.AsyncClient

    async def rpc(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = (await self.http.post("http://127.0.0.1/", json=body)).json()
        assert "result" in answer, answer
        return answer["result"]


async def test_a_session_is_used_on_a_cluster(settings: Settings, cluster_url: str) -> None:
    """Every kind of record that a call needs is in another slot."""
    node = Node()
    with serve_rpc(node.dispatcher.answer) as url:
        chain = ChainSetting(chain_id=31337, node_urls=(url,), bundler_urls=(url,))
        chosen = replace(settings, redis_url=cluster_url, chains=(chain,))
        await _use_session(chosen, node)


async def _use_session(chosen: Settings, node: Node) -> None:
    async with (
        open_server(chosen) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app, client=("127.0.0.1", 1)), timeout=60) as http,
    ):
        wallet = AsyncWallet(AppTransport(http))
        await wallet.request_account()
        node.rpc("anvil_setBalance", wallet.account, hex(10**18))
        grant = await wallet.grant(ROOT, expirySec=0)
        prepared = await wallet.prepare({"to": FRIEND}, sponsored=False, permissions=grant.permissions)
        call_id = await wallet.send(prepared, grant.key, grant.permissions)
        assert await wallet.send(prepared, grant.key, grant.permissions) == call_id
        assert await wallet.status(call_id) == 200


async def test_a_start_on_the_wrong_url_names_the_setting_and_the_right_url(
    settings: Settings, cluster_url: str
) -> None:
    chosen = replace(settings, redis_url="redis://" + cluster_url.rpartition(",")[2])
    with pytest.raises(SettingError) as error_info:
        async with open_server(chosen):
            pass
    assert str(error_info.value) == (
        "WALLET_RPC_REDIS_URL: the store runs in cluster mode, expected standalone: use a redis+cluster:// URL"
    )

"""`serve` on a Redis that loses records: it does not start, unless the operator accepts the loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from redis import Redis
from structlog.testing import capture_logs

from tests.contract.redis_processes import HOST, RedisProcess, run_sentinels
from tests.contract.sample import a_call
from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import Node
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.server import open_server

AOF = ("--appendonly", "yes")
NOTHING_ON_DISK = "WALLET_RPC_REDIS_URL: Redis stores nothing on disk, so its end loses all records: set appendonly yes"
EVICTS = "Redis deletes records when it uses 1073741824 bytes (maxmemory-policy {}): set maxmemory-policy noeviction"
REMEDY = "; or accept the loss with WALLET_RPC_ALLOW_VOLATILE=yes"


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with serve_rpc(Node().dispatcher.answer) as url:
        yield Settings(chains=(ChainSetting(chain_id=31337, node_urls=(url,), bundler_urls=(url,)),), open=True)


async def start_error(settings: Settings, url: str) -> str | None:
    """Return the error of the start on a Redis; None when the server starts."""
    try:
        async with open_server(replace(settings, redis_url=url)):
            return None
    except SettingError as error:
        return str(error)


def url_of(server: RedisProcess) -> str:
    return f"redis://{HOST}:{server.port}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), NOTHING_ON_DISK + REMEDY),
        ((*AOF, "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"), EVICTS.format("allkeys-lru") + REMEDY),
        ((*AOF, "--maxmemory", "1gb", "--maxmemory-policy", "volatile-ttl"), EVICTS.format("volatile-ttl") + REMEDY),
        (("--maxmemory", "1gb", "--maxmemory-policy", "allkeys-random"), "; Redis deletes records when"),
        (AOF, None),
        ((*AOF, "--maxmemory", "1gb"), None),
        ((*AOF, "--maxmemory-policy", "allkeys-lru"), "Redis deletes records once a maxmemory is set"),
        ((*AOF, "--maxmemory-policy", "volatile-lfu"), "(maxmemory-policy volatile-lfu): set maxmemory-policy noev"),
        (("--save", "60", "1"), None),
    ],
    ids=lambda options: " ".join(options) if isinstance(options, tuple) else "",
)
async def test_a_redis_that_loses_records_stops_the_start(
    settings: Settings, options: tuple[str, ...], expected: str | None
) -> None:
    with RedisProcess(*options) as server:
        error = await start_error(settings, url_of(server))

    assert expected in str(error) if expected else error is None


async def test_the_loss_can_be_accepted_and_is_logged_as_a_warning(settings: Settings) -> None:
    with RedisProcess() as server, capture_logs() as logs:
        assert await start_error(replace(settings, allow_volatile=True), url_of(server)) is None

    (warning,) = [each for each in logs if each["event"] == "redis_may_lose_writes"]
    assert warning["log_level"] == "warning"
    assert "stores nothing on disk" in warning["why"]


@contextmanager
def durable(port: str) -> Iterator[None]:
    """Give a running Redis an append-only file for the block."""
    with Redis(host=HOST, port=int(port)) as client:
        client.config_set("appendonly", "yes")
        yield
        client.config_set("appendonly", "no")


async def test_one_volatile_master_of_a_cluster_stops_the_start(settings: Settings, cluster_url: str) -> None:
    first, second, third = (node.rpartition(":")[2] for node in cluster_url.removeprefix("redis+cluster://").split(","))
    with durable(first), durable(second):
        assert await start_error(settings, cluster_url) == NOTHING_ON_DISK + REMEDY
        with durable(third):
            assert await start_error(settings, cluster_url) is None


async def test_a_volatile_master_of_sentinels_stops_the_start(settings: Settings) -> None:
    with run_sentinels(replicas=0, count=1) as found:
        assert await start_error(settings, found.url) == NOTHING_ON_DISK + REMEDY


@pytest.mark.parametrize("rule", ["-info", "-config", "-@dangerous"])
async def test_what_redis_does_not_show_is_reported_and_not_refused(settings: Settings, rule: str) -> None:
    with RedisProcess() as server:
        server.ask("ACL SETUSER", "limited", "on", ">hunter2", "~*", "&*", "+@all", rule)
        url = f"redis://limited:hunter2@{HOST}:{server.port}"
        with capture_logs() as logs:
            assert await start_error(settings, url) is None
        async with RedisStore.open(url) as store:
            (facts,) = await store.verify()
            assert await store.calls.get(a_call().chain_id, a_call().hash) is None

    (warning,) = [each for each in logs if each["event"] == "redis_may_lose_writes"]
    assert warning["why"].startswith("unknown persistence")
    assert facts.persistence == "unknown"
    assert (facts.eviction == "unknown") == (rule != "-config") == ("maxmemory-policy: Redis" in warning["why"])

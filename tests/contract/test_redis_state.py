"""Start and readiness checks of a real Redis: URLs, writes that it rejects, and facts about its durability."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.contract.redis_processes import HOST, RedisProcess, wait_until
from tests.contract.sample import a_session
from tests.contract.waiting import is_answered
from wallet_rpc.adapters.redis_facts import Persistence, RedisFacts, read_facts
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.errors import Unavailable

PASSWORD = "hunter2"
HOSTS = "a:1,b"


@pytest.fixture
def server() -> Iterator[RedisProcess]:
    """Start a Redis for a test that disturbs it."""
    with RedisProcess() as process:
        yield process


def _url(server: RedisProcess) -> str:
    return f"redis://{HOST}:{server.port}"


def _fill_memory(server: RedisProcess) -> None:
    server.ask("CONFIG SET", "maxmemory", "1")


def _free_memory(server: RedisProcess) -> None:
    server.ask("CONFIG SET", "maxmemory", "0")


def _break_snapshots(server: RedisProcess) -> None:
    """Let a snapshot fail, after which Redis rejects writes (MISCONF)."""
    server.ask("CONFIG SET", "save", "3600 1")
    shutil.rmtree(server.folder)
    server.ask("BGSAVE")
    wait_until(lambda: server.ask("INFO", "persistence")["rdb_last_bgsave_status"] == "err")


def _repair_snapshots(server: RedisProcess) -> None:
    server.ask("CONFIG SET", "save", "")


def _demote(server: RedisProcess) -> None:
    server.ask("REPLICAOF", HOST, 1)


def _promote(server: RedisProcess) -> None:
    server.ask("REPLICAOF", "NO", "ONE")


DISTURBANCES: dict[str, tuple[Callable[[RedisProcess], None], Callable[[RedisProcess], None]]] = {
    "full": (_fill_memory, _free_memory),
    "no snapshots": (_break_snapshots, _repair_snapshots),
    "a replica": (_demote, _promote),
}


@pytest.mark.parametrize(("break_it", "repair"), DISTURBANCES.values(), ids=DISTURBANCES)
async def test_a_redis_that_answers_and_rejects_writes_is_unavailable(
    server: RedisProcess, break_it: Callable[[RedisProcess], None], repair: Callable[[RedisProcess], None]
) -> None:
    async with RedisStore.open(_url(server)) as store:
        await store.verify()
        break_it(server)

        assert server.ask("EXISTS", "key") == 0
        for check in (store.check_writable, store.verify):
            with pytest.raises(Unavailable, match=r"^the store rejects a write: ") as error_info:
                await check()
            assert error_info.value.reason == "store_rejects_writes"
        with pytest.raises(Unavailable, match=r"^the store does not answer$"):
            await store.sessions.activate(a_session(), forget_at=None)
        repair(server)

        assert await is_answered(store)


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@host",
        f"redis://:x@{PASSWORD}:port",
        "redis://host:99999999",
        "",
        f"redis+clusters://:{PASSWORD}@{HOSTS}",
        f"unix+cluster://:{PASSWORD}@{HOSTS}",
        f"redis+cluster://:{PASSWORD}@{HOSTS}/1",
        f"redis+cluster://:{PASSWORD}@{HOSTS}/service",
        f"redis+cluster://:{PASSWORD}@{HOSTS},",
        f"redis+cluster://:{PASSWORD}@",
        f"rediss+cluster://:{PASSWORD}@{HOSTS}?wrong={PASSWORD}",
        f"redis://:{PASSWORD}@{HOSTS}:port",
        f"redis+sentinel://:{PASSWORD}@{HOSTS}",
        f"redis+sentinel://:{PASSWORD}@{HOSTS}/",
        f"redis+sentinel://:{PASSWORD}@{HOSTS}/service/x",
        f"redis+sentinel://:{PASSWORD}@{HOSTS}/service/0/1",
        f"redis+sentinel://:{PASSWORD}@{HOSTS}:port/service",
        f"rediss+sentinel://:{PASSWORD}@{HOSTS}/service?wrong={PASSWORD}",
    ],
)
def test_an_invalid_redis_url_is_rejected_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="URL starting with redis://, rediss:// or unix://") as error_info:
        RedisStore.open(url)
    assert PASSWORD not in str(error_info.value)
    assert error_info.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (f"redis://{HOSTS}", "Cluster"),
        (f"rediss://user:{PASSWORD}@{HOSTS}/0", "Cluster"),
        (f"redis+cluster://:{PASSWORD}@{HOSTS}/", "Cluster"),
        (f"rediss+cluster://{HOSTS}?ssl_cert_reqs=none", "Cluster"),
        (f"redis+sentinel://:{PASSWORD}@{HOSTS}/service/3", "SingleMaster"),
        (f"rediss+sentinel://:{PASSWORD}@a/service?sentinel_password={PASSWORD}&ssl_ca_certs=/ca.pem", "SingleMaster"),
        ("redis://a:1/2", "SingleMaster"),
    ],
)
def test_a_valid_redis_url_names_its_topology(url: str, kind: str) -> None:
    assert type(RedisStore.open(url)._link._topology).__name__ == kind


@pytest.mark.parametrize(
    ("options", "persistence", "warnings"),
    [
        (("--appendonly", "yes", "--appendfsync", "always"), Persistence.ALWAYS, 0),
        (("--appendonly", "yes"), Persistence.EVERYSEC, 0),
        (("--appendonly", "yes", "--appendfsync", "no"), Persistence.NO, 0),
        (("--save", "60", "1"), Persistence.SNAPSHOTS, 1),
        (("--maxmemory-policy", "allkeys-lru"), Persistence.NONE, 2),
        (("--maxmemory-policy", "volatile-ttl", "--maxmemory", "100mb"), Persistence.NONE, 2),
        (("--appendonly", "yes", "--rename-command", "CONFIG", ""), Persistence.AOF, 0),
        (("--rename-command", "CONFIG", ""), Persistence.UNKNOWN, 1),
    ],
)
async def test_the_facts_are_those_of_the_server_and_what_it_hides_is_unknown(
    options: tuple[str, ...], persistence: Persistence, warnings: int
) -> None:
    with RedisProcess(*options) as server:
        link = Link.open(_url(server), prefix="facts", deadline_seconds=2, connections=1)
        (facts,) = await read_facts(link)
        await link.close()

    assert facts == RedisFacts(
        version=facts.version,
        software=facts.software,
        role="master",
        replicas=0,
        persistence=persistence,
        eviction=options[1] if options[0] == "--maxmemory-policy" else "noeviction",
        mode="standalone",
        max_memory=100 << 20 if "100mb" in options else 0,
    )
    assert re.fullmatch(r"(redis|valkey) \d+\.\d+\.\d+", facts.software)
    assert len(facts.warnings) == warnings
    assert ("unknown" in persistence.guarantee) == (persistence in {Persistence.AOF, Persistence.UNKNOWN})

"""Storage for tests of the contract: most of them run on a single Redis and on a cluster."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.redis_processes import run_cluster
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore

_ON_BOTH = {
    f"tests.contract.test_{name}"
    for name in (
        "accounts",
        "calls",
        "outbox",
        "audit",
        "directory",
        "event_feed",
        "events",
        "groups",
        "limits",
        "sessions",
        "store",
        "unsigned_sessions",
    )
}
"""Modules whose tests run on both, unless they read Redis themselves; `test_redis_cluster.py` runs all scripts."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of storage on a single Redis and on a cluster."""
    names = metafunc.fixturenames
    if metafunc.module.__name__ in _ON_BOTH and "redis_url" in names and "redis_server" not in names:
        metafunc.parametrize("redis_url", ["single", "cluster"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    """Start one cluster of three masters per test process."""
    with run_cluster() as cluster:
        yield cluster.url


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of the Redis that a test of storage uses."""
    if getattr(request, "param", "single") == "cluster":
        return str(request.getfixturevalue("cluster_url"))
    return str(request.getfixturevalue("redis_server").url)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    """Open an empty store, with a key prefix of its own."""
    async with RedisStore.open(redis_url, prefix=f"test-{uuid.uuid4().hex}") as empty_store:
        yield empty_store


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """Start a Redis for a test that disturbs it."""
    async with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def link(own: RedisServer) -> AsyncIterator[Link]:
    """Open a link to a Redis that the test may disturb."""
    opened = Link.open(own.url, prefix="test", deadline_seconds=1, connections=4)
    yield opened
    await opened.close()

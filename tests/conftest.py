"""Shared fixtures: the event loop, a private Redis server, an empty store in it, and a complete wallet server."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
import structlog
from httpx2._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import HealthCheck, settings

from tests.e2e.server import run_dev_server
from tests.e2e.stacks import DOLLAR, DOLLAR_RATE
from tests.pauses.watch import Watch
from tests.support.constants import CHAINS, LONGEST_SECONDS
from tests.support.workers import ByParts, long_first
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.dev_server import DevOptions

settings.register_profile(
    "unhurried",  # properties test results, not speed: they must pass on a busy machine too
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],  # one server serves many examples
)
settings.load_profile("unhurried")

# The 5 seconds of httpx2 are too short for a request to a busy machine. It has no public way to change them.
vars(DEFAULT_TIMEOUT_CONFIG).update(httpx2.Timeout(LONGEST_SECONDS).as_dict())

# Servers in the process of a test write their log beside the output of the commands that it runs.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))

# Tests use plain HTTP on the loopback interface. Loading CA certificates for each client took a sixth of their time.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = os.path.dirname(__file__)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByParts:
    """Distribute tests over workers in the order of their collection."""
    config.option.loadscopereorder = False
    return ByParts(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long modules first."""
    long_first(items)


def pytest_collection_finish() -> None:
    """Collect garbage rarely and never scan imported objects: collections took a tenth of the test time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Start one Redis server per test process; it and its data are removed at the end."""
    server = RedisServer(None)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """Open an empty store, with a key prefix of its own in the shared Redis."""
    async with RedisStore.open(redis_server.url, prefix=f"test-{uuid.uuid4().hex}") as empty_store:
        yield empty_store


@pytest.fixture(scope="session")
def watch() -> Watch:
    """Measure the pauses of the event loop of the server at `url`."""
    return Watch()


@pytest.fixture(scope="session")
def url(watch: Watch) -> Iterator[str]:
    """Start one server per test process, with two chains; every test creates its own accounts."""
    with run_dev_server(
        DevOptions(chains=CHAINS, ephemeral=True, token_rates={DOLLAR: DOLLAR_RATE}), watch=watch
    ) as server_url:
        yield server_url

"""Fixtures: the stacks, a client of the test's stack, and a new wallet for every test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.commanding import Cli
from tests.e2e.stacks import Stack
from tests.golden.scenarios import DEPLOYMENTS
from tests.stack.running import real_stack as running_real
from tests.support.constants import CHAINS
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain.genesis import load_deployments, load_genesis


@pytest.fixture(scope="session")
def dev_stack(url: str) -> Stack:
    endpoints = {chain: f"{url}/chain/{chain}" for chain in CHAINS}
    return Stack(name="dev", url=url, nodes=endpoints, bundlers=endpoints, paymasters=endpoints)


@pytest.fixture(scope="session")
def real_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the real stack once per test process, for the first test that needs it."""
    with running_real(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="session")
def published_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start a real stack with the published account, factory and modules.

    Contracts without a published record are wallet-rpc's own.
    """
    if not DEPLOYMENTS.is_file():
        pytest.skip("the published deployment records are not on this machine")
    genesis = {**load_genesis(), **load_deployments(DEPLOYMENTS)}
    with running_real(tmp_path_factory.mktemp("stack"), name="published", genesis=genesis) as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    """Return the embedded stack, or the one that the test's mark names."""
    found: Stack = request.getfixturevalue(f"{getattr(request, 'param', 'dev')}_stack")
    only = request.node.get_closest_marker("dev_only")
    if only is not None and not found.is_embedded:
        pytest.skip(only.args[0])
    return found


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    made = Client(stack.url, stack.nodes[CHAINS[0]], holds_operations=not stack.is_embedded)
    yield made
    made.http.close()


@pytest.fixture
def wallet(client: Client) -> Wallet:
    """Return a new, funded wallet."""
    return Wallet(client).fund()


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """Start an empty Redis server for the module."""
    server = RedisServer(None)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def cli(own_redis: RedisServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(own_redis.url, capsys, monkeypatch)

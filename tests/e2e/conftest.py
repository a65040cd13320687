"""A client of the one server, and a wallet of its own for every test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.client import Client, Wallet
from tests.e2e.commanding import Cli
from tests.e2e.stacks import CHAINS, Stack
from tests.golden.scenarios import DEPLOYMENTS
from tests.stack.running import real_stack as running_real
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain.genesis import load_deployments, load_genesis


@pytest.fixture(scope="session")
def dev_stack(url: str) -> Stack:
    doors = {chain: f"{url}/chain/{chain}" for chain in CHAINS}
    return Stack(name="dev", url=url, nodes=doors, bundlers=doors, paymasters=doors)


@pytest.fixture(scope="session")
def real_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started by the first test of a process that needs it; the others find it there."""
    with running_real(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture(scope="session")
def published_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The real parts with the published account, factory and modules; those without a record are ours."""
    if not DEPLOYMENTS.is_file():
        pytest.skip("the published deployment records are not on this machine")
    genesis = {**load_genesis(), **load_deployments(DEPLOYMENTS)}
    with running_real(tmp_path_factory.mktemp("stack"), name="published", genesis=genesis) as stack:
        yield stack


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    """The embedded one, or what the test's mark says."""
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
    """An account nobody has used yet, with money."""
    return Wallet(client).fund()


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A module's own, empty at first."""
    server = RedisServer(None)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def cli(own_redis: RedisServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(own_redis.url, capsys, monkeypatch)

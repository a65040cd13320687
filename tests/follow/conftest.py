"""Fixtures: two replicas of `serve` on one Redis, and organisations with keys."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.process import Server
from tests.support.api_keys import issue_api_key
from tests.support.constants import CHAINS
from tests.support.rpc_client import Client
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Organization, OrganizationId

KEPT_EVENTS = 40
"""Number of events that the logs of these servers keep."""


@dataclass
class Shop:
    """An organisation with one key."""

    organization: OrganizationId
    key: str
    node: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    def client(self, server: Server) -> Client:
        found = server.client(f"/v2/{self.key}")
        found.node = self.node
        return found


@pytest.fixture(scope="module")
def node(url: str) -> str:
    return f"{url}/chain/{CHAINS[0]}"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    server = RedisServer(None)
    asyncio.run(server.start())
    add_shop(server, "")  # without any key, a server does not start
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def start(redis: RedisServer, node: str, tmp_path: Path) -> Callable[..., Server]:
    """Return a function that builds a replica, to be started by `with`."""

    def build(name: str = "other", **settings: str) -> Server:
        return build_replica(redis, node, tmp_path / name, **settings)

    return build


def build_replica(redis: RedisServer, node: str, folder: Path, **settings: str) -> Server:
    folder.mkdir()
    chosen = {
        "CHAINS": f"{CHAINS[0]}={node},{node},{node}",
        "REDIS_URL": redis.url,
        "TOKEN_SECRETS": "a secret of the tests: 32 bytes or more",
        "EVENT_LOG": f"{KEPT_EVENTS},7",
        "PRIVATE_WEBHOOKS": "yes",
    }
    return Server("serve", folder=folder, **{**chosen, **settings})


@pytest.fixture(scope="module")
def replicas(
    redis: RedisServer, node: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("replicas")
    with build_replica(redis, node, folder / "one") as one, build_replica(redis, node, folder / "two") as two:
        yield one, two


@pytest.fixture
def shop(redis: RedisServer, node: str) -> Shop:
    return add_shop(redis, node)


def add_shop(redis: RedisServer, node: str) -> Shop:
    organization = OrganizationId(f"org_{secrets.token_hex(10)}")
    key, record = issue_api_key(organization=organization)

    async def add() -> None:
        async with RedisStore.open(redis.url) as store:
            await store.directory.add_organization(Organization(id=organization, name="shop", created_at=0))
            await store.directory.add_key(record)

    asyncio.run(add())
    return Shop(organization, key, node)

"""Fixtures: a webhook, a paymaster service, and a test environment with its policies; a module may override them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.policies.hook import Hook, serve_hook
from tests.policies.service import Service, serve_paymaster
from tests.policies.world import World, open_world
from wallet_rpc.adapters.redis_store import RedisStore


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with serve_hook() as served:
        yield served


@pytest.fixture
def service() -> Iterator[Service]:
    with serve_paymaster() as served:
        yield served


@pytest.fixture
async def world(store: RedisStore, service: Service) -> AsyncIterator[World]:
    async with open_world(store, service_url=service.url) as opened:
        yield opened

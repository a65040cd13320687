"""Fixtures: a paymaster service, and a test environment whose policies it backs; a module may override the latter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.policies.service import Service, serve_paymaster
from tests.policies.world import World, open_world
from wallet_rpc.adapters.redis_store import RedisStore


@pytest.fixture
def service() -> Iterator[Service]:
    with serve_paymaster() as served:
        yield served


@pytest.fixture
async def world(store: RedisStore, service: Service) -> AsyncIterator[World]:
    async with open_world(store, service_url=service.url) as opened:
        yield opened

"""Fixtures: a client with its own organisation for every test, on the chains of one server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet, a_caller
from tests.support.clocks import ShiftedClock
from tests.support.constants import CHAINS
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemEntropy
from wallet_rpc.chain_clients import build_chain_clients
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.ports import Ports


@pytest.fixture
async def client(url: str, store: RedisStore) -> AsyncIterator[OrgClient]:
    organization = OrganizationId(f"org_{secrets.token_hex(10)}")
    async with HttpClient() as upstreams, httpx2.AsyncClient() as http:
        chain_clients = [
            build_chain_clients(
                ChainSetting(chain_id=chain, node_urls=(at,), bundler_urls=(at,), paymaster_url=at), upstreams
            )
            for chain, at in ((chain, f"{url}/chain/{chain}") for chain in CHAINS)
        ]
        ports = Ports(
            chains={each.ports.chain_id: each.ports for each in chain_clients},
            store=store.for_organization(organization),
            clock=ShiftedClock(),
            entropy=SystemEntropy(),
            caller=a_caller(organization),
        )
        yield OrgClient(ports, store, url, http)


@pytest.fixture
async def wallet(client: OrgClient) -> OrgWallet:
    """Return a wallet that granted one session key on both chains."""
    return await OrgWallet(client).open()

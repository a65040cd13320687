"""Fixtures: a server with two chains of its own, whose clocks the tests move, and new wallets on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clock.travel import Traveller
from tests.e2e.server import run_dev_server
from tests.org_sessions import conftest
from tests.support.constants import CHAINS
from tests.support.policies import write_policies
from tests.support.rpc_client import Client
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions

client = conftest.client
SPONSORING = "77777777-2222-4333-8444-555555555555"
"""A policy that is enforced by the server, whose signatures are valid for ten minutes."""


@pytest.fixture(scope="package")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Start the server; the tests restore the time of its chains."""
    file: Path = write_policies(tmp_path_factory.mktemp("policies"), {"id": SPONSORING, "sponsorship_seconds": 600})
    options = DevOptions(chains=CHAINS, ephemeral=True)
    with run_dev_server(options, settings=Settings(policies=file)) as url:
        client = Client(url)
        yield client
        client.http.close()


@pytest.fixture
def traveller(moving: Client) -> Iterator[Traveller]:
    """Return a new wallet on the first chain, which is restored at the end, with its time."""
    snapshot = moving.chain("evm_snapshot")
    yield Traveller(moving).fund()
    assert moving.chain("evm_revert", snapshot)


@pytest.fixture
def neighbour(moving: Client) -> Traveller:
    """Return a new wallet on the second chain, whose time is the wall clock's."""
    return Traveller(moving, chain_id=hex(CHAINS[1]))

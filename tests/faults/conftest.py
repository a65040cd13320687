"""Clients of the shared development server, on which every test ends without a fault."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.client import WalletClient, types


@pytest.fixture(autouse=True)
def _no_faults(url: str) -> Iterator[None]:
    yield
    with WalletClient(url) as wallet:
        wallet.test_clear_faults(types.ClearFaults())


@pytest.fixture
def wallet_client(url: str) -> Iterator[WalletClient]:
    with WalletClient(url) as client:
        yield client


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with httpx2.Client(timeout=30) as http:
        yield Client(url, http=http)


@pytest.fixture
def wallet(client: Client) -> Wallet:
    return Wallet(client).fund(tokens=0)

"""One server a test process, with two chains; every test makes accounts of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.client import Client, Wallet
from tests.e2e.server import running
from wallet_rpc.dev import DevOptions


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running(DevOptions(chains=(31337, 421614), ephemeral=True)) as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    made = Client(url)
    yield made
    made.http.close()


@pytest.fixture
def wallet(client: Client) -> Wallet:
    """An account nobody has used yet, with money."""
    return Wallet(client).fund()

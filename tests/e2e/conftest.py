"""A client of the one server, and a wallet of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.client import Client, Wallet


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    made = Client(url)
    yield made
    made.http.close()


@pytest.fixture
def wallet(client: Client) -> Wallet:
    """An account nobody has used yet, with money."""
    return Wallet(client).fund()

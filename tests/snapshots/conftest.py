"""A server of one chain for the tests of snapshots, and a wallet on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account

from wallet_rpc.client import Address, Owner, WalletClient
from wallet_rpc.testing import WalletServer

FRIEND = Address.parse("0x00000000000000000000000000000000f00dcafe")
TRANSFERS: tuple[dict[str, Any], ...] = (
    {"type": "native-token-transfer", "data": {"allowance": hex(100)}},
    {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}},
)


@pytest.fixture(scope="session")
def server() -> Iterator[WalletServer]:
    with WalletServer() as running:
        yield running


@pytest.fixture
def wallet(server: WalletServer) -> Iterator[WalletClient]:
    with WalletClient(server.url, api_key=server.api_key) as client:
        client.request("anvil_reset")
        yield client


@pytest.fixture
def owner(wallet: WalletClient) -> Owner:
    return fund(wallet)


def fund(wallet: WalletClient, **chain: int) -> Owner:
    """Return an owner with an account that holds 100 ETH."""
    opened = wallet.open_account(Account.create(), **chain)
    for address in (str(opened.account), opened.key.address):
        wallet.request("anvil_setBalance", address, hex(10**20), **chain)
    return opened

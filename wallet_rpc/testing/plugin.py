"""Fixtures for pytest, which loads this module by its entry point.

Every pytest of the environment imports it, also where no test uses a wallet server. Therefore, the fixtures import what
they need when they are used.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from wallet_rpc.client import Owner, WalletClient
    from wallet_rpc.testing.server import WalletServer

FUNDED_WEI = 100 * 10**18
"""Balance of `funded_owner`'s account and of its key, in wei."""
_PAUSE_SECONDS, _POLL_SECONDS = 75.0, 0.05
"""A time above the longest pause of Redis, and the time between two attempts in it."""
_LOG_START = pytest.StashKey[int]()
"""Size of the server's log before a test, and, for the whole run, at the end of the last test."""


@pytest.fixture(scope="session")
def wallet_server() -> Iterator[WalletServer]:
    """Start a wallet server for the session; with xdist, one for each worker.

    A fixture of this name in a `conftest.py` replaces it, for a server with other options.
    """
    from wallet_rpc.testing.server import WalletServer  # noqa: PLC0415  # pytest loads this module in every project

    with WalletServer() as server:
        yield server


@pytest.fixture(scope="session")
def _wallet_client(wallet_server: WalletServer) -> Iterator[WalletClient]:
    """Keep one connection for what is done before and after each test."""
    from wallet_rpc.client import WalletClient  # noqa: PLC0415  # pytest loads this module in every project

    with WalletClient(wallet_server.url, api_key=wallet_server.api_key) as client:
        yield client


@pytest.fixture
def wallet(wallet_server: WalletServer, _wallet_client: WalletClient) -> Iterator[WalletClient]:
    """Return a client of the server; after the test, every chain is as it was before, and no fault is left.

    The client is the test's own, so that a test may close it.
    """
    from wallet_rpc.client import WalletClient  # noqa: PLC0415  # pytest loads this module in every project

    snapshots = {chain: _wallet_client.request("evm_snapshot", chain_id=chain) for chain in wallet_server.chain_ids}
    with WalletClient(wallet_server.url, api_key=wallet_server.api_key) as client:
        yield client
    _end_faults(_wallet_client)
    lost = [
        chain
        for chain, snapshot in snapshots.items()
        if not _wallet_client.request("evm_revert", snapshot, chain_id=chain)
    ]
    for chain in lost:
        _wallet_client.request("anvil_reset", chain_id=chain)
    if lost:
        wallet_server.set_balances()
        pytest.fail(
            f"chain {', '.join(map(str, lost))} has lost the snapshot of before this test: the test called evm_revert "
            "with an earlier one, anvil_reset, anvil_loadState, or wallet_test_reorg with earlier blocks; the chain "
            "was reset for the next test"
        )


def _end_faults(wallet: WalletClient) -> None:
    """Remove all faults, once a Redis that the test has paused answers again."""
    from wallet_rpc.client import RpcError  # noqa: PLC0415  # pytest loads this module in every project

    deadline = time.monotonic() + _PAUSE_SECONDS
    while True:
        try:
            wallet.request("wallet_test_clearFaults", {})
        except RpcError as error:
            if not error.is_retryable or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


@pytest.fixture
def funded_owner(request: pytest.FixtureRequest, wallet: WalletClient) -> Owner:
    """Return an owner whose account holds 100 ETH, with a key that is the same in every run of the test."""
    owner = wallet.open_account(_derive_key(request.node, "owner"))
    for address in (str(owner.account), owner.key.address):
        wallet.request("anvil_setBalance", address, hex(FUNDED_WEI))
    return owner


@pytest.fixture
def session_key(request: pytest.FixtureRequest) -> LocalAccount:
    """Return a key for sessions, which is the same in every run of the test."""
    return _derive_key(request.node, "session")


def _derive_key(test: pytest.Item, purpose: str) -> LocalAccount:
    from eth_account import Account  # noqa: PLC0415  # pytest loads this module in every project

    key: LocalAccount = Account.from_key(sha256(f"{purpose} of {test.nodeid}".encode()).digest())
    return key


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Note where the log of a test's server begins."""
    server = _server_of(item)
    if server is not None:
        item.stash[_LOG_START] = server.log_bytes


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the lines that the server wrote during a test to the report of its failure."""
    report = yield
    server = _server_of(item)
    if server is None:
        return report
    if report.failed:
        start = item.stash.get(_LOG_START, item.config.stash.get(_LOG_START, 0))
        report.sections.append(("Log of the wallet server", server.read_log(start)))
    if report.when == "teardown":
        item.config.stash[_LOG_START] = server.log_bytes
    return report


def _server_of(item: pytest.Item) -> WalletServer | None:
    """Return the server of a test; None also for a project's own fixture with another kind of server."""
    found = getattr(item, "funcargs", {}).get("wallet_server")
    if found is None:
        return None
    from wallet_rpc.testing.server import WalletServer  # noqa: PLC0415  # pytest loads this module in every project

    return found if isinstance(found, WalletServer) else None

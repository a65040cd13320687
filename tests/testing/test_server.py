"""`WalletServer`: options, properties, log and end."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from runpy import run_path

import httpx2
import pytest

from tests.contract.waiting import until
from tests.e2e.pages import ROOT, blocks
from tests.e2e.process import run_command
from tests.support.constants import FRIEND, TOKEN
from tests.support.keys import new_key
from wallet_rpc.client import AsyncWalletClient, types
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.testing import DevAccount, ServerNotStarted, WalletServer

pytestmark = pytest.mark.anyio


async def test_a_server_has_the_chains_and_balances_of_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLET_RPC_WORKERS", "2")  # `dev` would not start
    settings = {"WALLET_RPC_LOG": "json", "WALLET_RPC_DEV_CLOCK": "wall"}
    server = WalletServer(chain_id=5, extra_chains=[6], balances={FRIEND: 7}, settings=settings)
    async with server, AsyncWalletClient(server.url, api_key=server.api_key) as client:
        assert (server.chain_id, server.chain_ids) == (5, (5, 6))
        assert server.chain_urls == {5: f"{server.url}/chain/5", 6: f"{server.url}/chain/6"}
        assert server.accounts[0] == DevAccount(ACCOUNTS[0].address.hex0x(), f"0x{ACCOUNTS[0].key.hex()}")
        assert server.test_token == str(TOKEN)
        for chain_id in server.chain_ids:
            assert await client.request("eth_chainId", chain_id=chain_id) == hex(chain_id)
            assert await client.request("eth_getBalance", FRIEND, "latest", chain_id=chain_id) == "0x7"
        await client.request("evm_increaseTime", 7200)
        await client.request("evm_mine")
        owner = await client.open_account(new_key())
        ended = await client.grant(owner, new_key(), {"type": "root"}, expires_at=int(time.time()) + 3600)
        session = await client.get_session(types.GetSession(session_id=ended.session_id))
        assert session.state == "pending", "ended on the chain alone"
        with pytest.raises(RuntimeError, match="runs already"):
            server.start()
        url = server.url

    assert '"method":"anvil_setBalance"' in server.log
    assert "log-" not in server.log
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, timeout=10)


async def test_a_grant_of_a_seeded_run_ends_by_its_clock_so_that_each_run_has_the_same() -> None:
    async with WalletServer(arguments=["--seed", "7"]) as server, AsyncWalletClient(server.url) as client:
        owner = await client.open_account(new_key())
        grant = await client.grant(owner, new_key(), {"type": "root"})

    assert grant.expires_at == datetime(2026, 1, 1, 1, tzinfo=UTC).timestamp() + 1  # an hour after the next block


async def test_a_cancelled_start_leaves_no_server() -> None:
    server = WalletServer()
    starting = asyncio.create_task(server.__aenter__())

    async def has_process() -> bool:
        return server._process is not None

    await until(has_process)
    process = server._process
    assert process is not None
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert process.returncode is not None


INTERRUPTED = """
import os, signal, time
from wallet_rpc.client import WalletClient
from wallet_rpc.testing import WalletServer

os.setsid()  # the interrupt is for this program and its children
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
with WalletServer() as server, WalletClient(server.url) as client:
    try:
        os.killpg(0, signal.SIGINT)  # as a terminal does
        while True:  # a pause would not end by a signal that another thread has received
            time.sleep(0.01)
    except KeyboardInterrupt:
        print(client.request("eth_chainId"), "server_stopping" in server.log)
"""


def test_an_interrupt_of_the_tests_leaves_the_server_to_their_fixtures() -> None:
    done = run_command(sys.executable, "-c", INTERRUPTED, folder=ROOT)
    assert (done.stdout, done.returncode) == ("0x7a69 False\n", 0), done.stderr


def test_a_server_that_cannot_start_shows_its_output() -> None:
    server = WalletServer(arguments=["--no-such-option"])
    with pytest.raises(ServerNotStarted, match=r"dev .* ended with 2; its output:\n(.|\n)*unrecognized arguments"):
        server.start()

    with pytest.raises(RuntimeError, match="has not been started"):
        print(server.url)
    assert "unrecognized arguments" in server.log


def test_the_program_of_the_page_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "walk.py"
    program.write_text(blocks((ROOT / "specs/testing.md").read_text("utf-8"), "python")[2])
    run_path(str(program))

    assert capsys.readouterr().out == "200\n"

"""A server that is killed in the middle of a revert: after its restart, chain and wallet have the same state."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2
import pytest
from eth_account import Account

from tests.e2e.process import Server
from tests.snapshots.conftest import FRIEND, TRANSFERS, fund
from wallet_rpc.client import Call, Grant, RpcError, WalletClient


def _start_killed(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], out: Path, err: Path
) -> subprocess.Popen[bytes]:
    with out.open("w") as output, err.open("w") as errors:
        return subprocess.Popen(  # noqa: S603  # wallet-rpc, with arguments that the tests state
            [sys.executable, "-m", "tests.snapshots.killed_server", *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )


class KilledServer(Server):
    """Server that kills itself; its first argument is the point."""

    _start = staticmethod(_start_killed)


def revert_until_killed(server: Server, grant: Grant | None) -> tuple[Grant, str]:
    """Take a snapshot, send a call, and revert, which kills the server; return the session and the call's id."""
    with WalletClient(server.url) as wallet:
        if grant is None:
            grant = wallet.grant(fund(wallet), Account.create(), *TRANSFERS)
        snapshot = wallet.request("evm_snapshot")
        call_id = wallet.send(grant, Call(to=FRIEND, value=60))
        assert wallet.wait(call_id).status == 200
        body = {"jsonrpc": "2.0", "id": 1, "method": "evm_revert", "params": [snapshot]}
        with pytest.raises(httpx2.HTTPError):
            httpx2.post(server.url, json=body)
    server.process.wait(10)
    return grant, str(call_id)


def assert_reverted(server: Server, call_id: str) -> None:
    with WalletClient(server.url) as wallet:
        assert wallet.request("eth_getBalance", str(FRIEND), "latest") == "0x0"
        with pytest.raises(RpcError, match="no call has the id"):
            wallet.request("wallet_getCallsStatus", call_id)


def test_chain_and_wallet_agree_after_a_kill_in_the_middle_of_a_revert(tmp_path: Path) -> None:
    with KilledServer("wallet", "dev", folder=tmp_path) as server:
        grant, call_id = revert_until_killed(server, None)
    with KilledServer("chain", "dev", folder=tmp_path) as server:
        assert_reverted(server, call_id)
        _, call_id = revert_until_killed(server, grant)
    with Server("dev", folder=tmp_path) as server:
        assert_reverted(server, call_id)
        with WalletClient(server.url) as wallet:
            snapshot = wallet.request("evm_snapshot")
            assert wallet.wait(wallet.send(grant, Call(to=FRIEND, value=100))).status == 200
            assert wallet.request("evm_revert", snapshot) is True
        assert_reverted(server, call_id)
        assert server.stop() == 0

"""Starts of `wallet-rpc serve --workers` that are refused: one message, and the exit status of a wrong setting."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.e2e.process import run_wallet_rpc
from wallet_rpc.adapters.redis_server import RedisServer


def test_an_error_at_the_start_is_printed_once(own_redis: RedisServer, tmp_path: Path) -> None:
    wrong = run_wallet_rpc("serve", "--workers", "3", folder=tmp_path, REDIS_URL=own_redis.url, OPEN="yes")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        in_use = run_wallet_rpc("serve", "--workers", "3", folder=tmp_path, PORT=str(port))

    assert (wrong.returncode, wrong.stderr) == (
        2,
        "wallet-rpc: WALLET_RPC_CHAINS: required by serve, but not set\n",
    )
    assert in_use.returncode == 2
    assert in_use.stderr == (
        f"wallet-rpc: WALLET_RPC_PORT: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )


@pytest.mark.parametrize("settings", [{}, {"WORKERS": "2"}])
def test_dev_runs_in_one_process(settings: dict[str, str], tmp_path: Path) -> None:
    arguments = () if settings else ("--workers", "2")

    refused = run_wallet_rpc("dev", *arguments, folder=tmp_path, **settings)

    assert refused.returncode == 2
    assert "WALLET_RPC_WORKERS: dev owns its chains and its Redis, so it runs in one process, got 2" in refused.stderr


def test_an_unusable_number_of_workers_is_named(tmp_path: Path) -> None:
    refused = run_wallet_rpc("serve", "--workers", "0", folder=tmp_path)

    assert refused.returncode == 2
    assert "WALLET_RPC_WORKERS: expected a number from 1 to 64" in refused.stderr

"""Start, stop and crash of a server: it shuts down cleanly, and killed processes are restarted with their state."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.process import Server, is_running, run_wallet_rpc, until
from tests.support.calls import transfer
from tests.support.constants import FRIEND
from tests.support.rpc_client import RpcError
from tests.support.wallet import Grant, Wallet

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc")

MAY_PAY: tuple[dict[str, Any], ...] = (
    {"type": "native-token-transfer", "data": {"allowance": hex(10**16)}},
    {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}},
)
FRIEND_PAYMENT = {"to": FRIEND, "value": hex(10**15)}


def until_gone(*process_ids: int) -> None:
    until(lambda: not any(map(is_running, process_ids)), f"{process_ids} gone")


def sockets(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_socket()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_server_and_all_its_processes(tmp_path: Path, number: signal.Signals) -> None:
    with Server("dev", folder=tmp_path, METRICS_PORT="0") as server:
        parts = server.parts()
        (metrics,) = re.findall(r"^Metrics: +(\S+)$", server.output(), re.MULTILINE)
        assert "wallet_rpc_build_info" in httpx2.get(metrics).text

        status = server.stop(number)

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(metrics)
    assert status == 0
    assert set(parts) == {"redis", "chain"}
    assert not any(map(is_running, parts.values()))
    assert sockets(tmp_path) == []
    with pytest.raises(httpx2.ConnectError):
        server.ready()
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    server = Server("dev", folder=tmp_path)
    until(lambda: "chain" in server.parts() or server.process.poll() is not None, "the chain starts")
    parts = server.parts()

    status = server.stop(number)

    assert status == 0
    until_gone(*parts.values())
    assert "Traceback" not in server.output()


def test_a_sent_call_survives_a_shutdown(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as server:
        wallet = Wallet(server.client()).fund()
        prepared = wallet.prepare(transfer(1))
        wallet.send(prepared, wallet.owner)
        server.stop()
    with Server("dev", folder=tmp_path) as server:
        assert server.client().token_balance(wallet.account) == 999


def observable_state(wallet: Wallet, call_id: str) -> dict[str, Any]:
    """Return the observable state of the chain and of the wallet."""
    rpc = wallet.client.rpc
    receipt = wallet.status(call_id)["receipts"][0]
    return {
        "account": rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})["accountAddress"],
        "status": wallet.status(call_id),
        "receipt": rpc("eth_getTransactionReceipt", receipt["transactionHash"]),
        "head": rpc("eth_getBlockByNumber", "latest", True),
        "balances": [wallet.client.balance(holder) for holder in (wallet.account, FRIEND)],
        "tokens": wallet.client.token_balance(wallet.account),
        "code": rpc("eth_getCode", wallet.account, "latest"),
        "counts": [rpc("eth_getTransactionCount", each, "latest") for each in rpc("eth_accounts")],
        "nonce": wallet.client.nonce(wallet.account, 0),
    }


def create_history(server: Server) -> tuple[Wallet, Grant, str]:
    """Return a wallet whose session has paid once, a second session that is signed but unused, and the call's id."""
    wallet = Wallet(server.client()).fund()
    used = wallet.grant(*MAY_PAY)
    paid = wallet.act(used, FRIEND_PAYMENT)
    assert paid["status"] == 200
    return wallet, wallet.grant(*MAY_PAY), paid["id"]


def test_the_state_survives_kill_9(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as server:
        wallet, unused, call_id = create_history(server)
        before = observable_state(wallet, call_id)
        parts = server.parts()
        server.kill()
    until_gone(*parts.values())

    with Server("dev", folder=tmp_path) as server:
        wallet.client = server.client()

        assert observable_state(wallet, call_id) == before
        assert wallet.act(unused, FRIEND_PAYMENT)["status"] == 200
        assert server.stop() == 0


def test_a_restart_does_not_wait_for_a_long_call_of_the_killed_server(tmp_path: Path) -> None:
    looping = "0x" + "ab" * 20
    with ThreadPoolExecutor(1) as pool, Server("dev", folder=tmp_path) as first:
        first.post("/", "anvil_setCode", looping, "0x5b600056")
        call = pool.submit(first.post, "/", "eth_call", {"to": looping, "gas": hex(30_000_000)}, "latest")
        while not call.running():
            time.sleep(0.01)
        time.sleep(0.3)  # the call is running by now, and takes seconds
        first.kill()
        with pytest.raises(httpx2.HTTPError):
            call.result()

        with Server("dev", folder=tmp_path) as second:
            assert second.client().rpc("eth_getCode", looping, "latest") == "0x5b600056"


def point(link: Path, folder: Path) -> None:
    """Point a symbolic link to a folder, atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name("fresh")
    fresh.symlink_to(folder)
    fresh.replace(link)


def test_a_killed_chain_process_is_restarted(tmp_path: Path) -> None:
    usable, unusable = tmp_path / "usable", tmp_path / "unusable"
    link = tmp_path / "data" / "chain-31337"
    link.parent.mkdir()
    point(link, usable)
    with Server("dev", folder=tmp_path) as server:
        wallet, unused, call_id = create_history(server)
        before = observable_state(wallet, call_id)
        dead = server.parts()["chain"]

        point(link, unusable)  # no new process can open the chain until the test points back
        (unusable / "chain.sqlite").write_text("something else")
        os.kill(dead, signal.SIGKILL)
        until(lambda: "chain 31337: " in server.output(), "an attempt")
        answers = [server.post(path, "eth_blockNumber") for path in ("/", "/chain/31337")]
        until(lambda: server.ready()[0] == 503, "chain reported as unavailable")  # probes run every second
        ready = server.ready()
        point(link, usable)

        assert f"chain 31337: {link}/chain.sqlite is not the database of a chain" in server.output()
        assert ready == (503, {"redis": "ok", "chain 31337": "unavailable"})
        for answer in answers:
            assert answer["error"]["message"] == "the development chain has stopped"
            assert answer["error"]["data"]["retryable"] is True
        server.until_ready()
        assert server.parts()["chain"] != dead
        assert observable_state(wallet, call_id) == before
        assert wallet.act(unused, FRIEND_PAYMENT)["status"] == 200
        assert "chain 31337 ended; restarting it with all stored state" in server.output()
        assert server.stop() == 0
        assert "Traceback" not in server.output()


def test_an_unresponsive_redis_is_named_and_a_killed_one_is_restarted(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as server:
        wallet, unused, call_id = create_history(server)
        before = observable_state(wallet, call_id)
        dead = server.parts()["redis"]

        os.kill(dead, signal.SIGSTOP)
        until(lambda: server.ready()[0] == 503, "Redis reported as unavailable")  # probes run every second
        ready = server.ready()
        with pytest.raises(RpcError) as error_info:
            wallet.create_session(*MAY_PAY)
        os.kill(dead, signal.SIGKILL)
        until(lambda: server.parts().get("redis", dead) != dead, "a new Redis")
        server.until_ready()

        assert ready[0] == 503
        assert ready[1].pop("redis") in {"timeout", "unavailable"}
        assert ready[1] == {"chain 31337": "ok"}
        assert error_info.value.message == "the store does not answer"
        assert error_info.value.data["retryable"] is True
        assert observable_state(wallet, call_id) == before
        assert wallet.act(unused, FRIEND_PAYMENT)["status"] == 200
        assert server.stop() == 0
        assert "Traceback" not in server.output()


def test_an_ephemeral_server_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with Server("dev", "--ephemeral", folder=tmp_path) as server:
        Wallet(server.client()).fund()
        assert server.stop() == 0

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["stderr", "stdout", "tmp"]


def test_a_second_server_on_one_folder_names_the_first(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as first:
        second = run_wallet_rpc("dev", folder=tmp_path)
        with_other_redis = run_wallet_rpc("dev", folder=tmp_path, REDIS_URL=f"unix://{tmp_path}/data/redis/redis.sock")

        assert second.returncode == with_other_redis.returncode == 2
        assert f"WALLET_RPC_DATA_DIR: another wallet-rpc (process {first.process.pid}) uses" in second.stderr
        assert f"{tmp_path}/data/chain-31337 is in use" in with_other_redis.stderr
        assert "Traceback" not in second.stderr + with_other_redis.stderr
        assert first.ready()[0] == 200


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as first:
        port = first.url.rpartition(":")[2]

        second = run_wallet_rpc("dev", folder=tmp_path, PORT=port)

    assert second.returncode == 2
    assert second.stderr == (
        f"wallet-rpc: WALLET_RPC_PORT: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )

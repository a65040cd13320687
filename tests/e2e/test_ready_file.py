"""Programs that start a server: the ready file, and the server's end with its parent."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.pages import ROOT
from tests.e2e.process import (
    Server,
    environment,
    is_running,
    parent_and_state,
    run_wallet_rpc,
    until,
)
from tests.support.constants import LONGEST_SECONDS
from tests.support.processes import run_watched
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.cli.parent import require_parent
from wallet_rpc.config.settings import SettingError


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """Start `dev` with a JSON log and the file of an earlier run, and yield its ready file."""
    folder = tmp_path_factory.mktemp("ready")
    file = folder / "ready.json"
    file.write_text("of an earlier run")
    chains = ("--chain", "31337", "--chain", "421614")
    with Server("dev", "--ephemeral", *chains, "--ready-file", str(file), folder=folder, LOG="json") as server:
        yield server, file
        assert server.stop() == 0
        assert not file.exists()


def test_the_ready_file_has_what_a_client_needs(dev: tuple[Server, Path]) -> None:
    server, file = dev
    found = read(file)

    assert (found["url"], found["pid"], found["chainIds"]) == (server.url, server.process.pid, [31337, 421614])
    for chain_id, url in found["chains"].items():
        assert int(rpc(url, "eth_chainId"), 16) == int(chain_id)
    owner = found["accounts"][0]
    assert owner["privateKey"] == "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert rpc(found["url"], "eth_accounts") == [one["address"] for one in found["accounts"]]
    assert len(rpc(found["url"], "eth_getCode", found["testToken"], "latest")) > 2
    token = {"walletAddress": owner["address"]}
    created = httpx2.post(f"{found['url']}/v1/sessions", json=token, headers={"x-api-key": found["apiKey"]})
    assert created.status_code == 200


def test_only_the_owner_can_read_the_ready_file_and_nothing_else_is_left(dev: tuple[Server, Path]) -> None:
    _, file = dev
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir() if file.name in each.name] == [file.name]


def rpc(url: str, method: str, *params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return httpx2.post(url, json=body, timeout=LONGEST_SECONDS).json()["result"]


def test_a_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to("/dev/stdout")
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "no" / "folder", link, pipe):
        process = run_wallet_rpc("dev", "--ephemeral", "--ready-file", str(path), folder=tmp_path)
        assert process.returncode == 2
        assert process.stderr.startswith(f"wallet-rpc: --ready-file: cannot write {path}: ")
    assert link.is_symlink()
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


def test_serve_writes_its_url_without_keys_and_leaves_the_file_of_another_server(
    tmp_path: Path, dev: tuple[Server, Path], redis_server: RedisServer
) -> None:
    file, node = tmp_path / "ready.json", read(dev[1])["chains"]["31337"]
    settings = {"REDIS_URL": redis_server.url, "CHAINS": f"31337={node},{node}", "OPEN": "yes"}
    for workers in ("1", "2"):
        arguments = ("serve", "--workers", workers, "--ready-file", str(file))
        with Server(*arguments, folder=tmp_path, **settings) as server:
            until(file.exists, "the ready file")
            found = read(file)
            assert found == {**found, "url": server.url, "chainIds": [31337], "pid": server.process.pid}
            assert found.keys() == {"url", "pid", "version", "chainIds"}
            if workers == "2":
                os.replace(dev[1], file)
            server.stop()
            assert file.exists() == (workers == "2")
    os.replace(file, dev[1])


def test_dev_ends_with_a_killed_parent_but_not_with_the_thread_that_started_it(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    arguments = ("dev", "--exit-with-parent", "--ready-file", str(file))
    starter = [sys.executable, "-m", "tests.e2e.starter", *arguments]
    variables = environment(tmp_path, {}) | {"PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("w") as log, run_watched(starter, stdout=log, stderr=log, env=variables) as parent:
        until(lambda: file.exists() or parent.poll() is not None, "the ready file")
        server = read(file)["pid"]
        assert (parent_and_state(server) or (0, ""))[0] == parent.pid
        children = children_of(server)
        parent.kill()
        parent.wait()
        try:
            until(lambda: not any(map(is_running, [server, *children])), "the end of the server")
        finally:
            if is_running(server):
                os.kill(server, signal.SIGKILL)

    assert len(children) == 2, "the chain and Redis"
    assert not file.exists()


def children_of(process: int) -> list[int]:
    processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [one for one in processes if (parent_and_state(one) or (0, ""))[0] == process]


def test_dev_does_not_start_without_the_parent_that_started_it() -> None:
    require_parent(os.getppid())
    with pytest.raises(SettingError, match="the parent process has ended already"):
        require_parent(os.getpid())


def test_dev_ends_with_a_killed_process_that_is_not_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    with run_watched(["sleep", "1000"], stdout=subprocess.DEVNULL, stderr=sys.stderr) as program:
        arguments = ("dev", "--ephemeral", "--exit-with", str(program.pid), "--ready-file", str(file))
        with Server(*arguments, folder=tmp_path) as server:
            until(file.exists, "the ready file")
            program.kill()
            program.wait()
            assert server.process.wait(LONGEST_SECONDS) == 0
            assert "server_stopped" in server.output()
    assert not file.exists()
    ended = ("dev", "--exit-with", str(program.pid))
    done = run_wallet_rpc(*ended, folder=tmp_path)
    assert done.returncode == 2
    assert f"--exit-with: expected the id of a process that runs, got {program.pid}" in done.stderr

"""`wallet-rpc record` and `replay` as processes: exit status, output, ready file and end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.e2e.prefork import Forked
from tests.e2e.process import environment, run_wallet_rpc, until
from tests.support.constants import LONGEST_SECONDS
from tests.support.http_stub import Answer, serve_stub
from wallet_rpc.cli.recording import run_replay_command
from wallet_rpc.config.settings import SettingError, Settings

LINE = (
    b'{"format":1,"number":1,"atMilliseconds":1,"request":{"verb":"GET","path":"/","query":{}},'
    b'"response":{"status":200,"headers":{}}}\n'
)
CALL = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}


@contextmanager
def run_command(*arguments: str, folder: Path) -> Iterator[tuple[str, Forked]]:
    """Run a command until the end of the block, and yield its URL and its process."""
    ready = folder / "ready.json"
    process = Forked(
        [*arguments, "--port", "0", "--ready-file", str(ready)],
        folder=folder,
        environment=environment(folder, {}),
        out=folder / "out",
        err=folder / "err",
    )
    try:
        until(lambda: ready.exists() or process.poll() is not None, "the ready file")
        assert process.poll() is None, (folder / "err").read_text()
        found = json.loads(ready.read_text())
        assert found["pid"] == process.pid
        yield found["url"], process
        assert not ready.exists()
    finally:
        process.kill()
        process.wait(LONGEST_SECONDS)


def end(process: Forked) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(LONGEST_SECONDS)


def test_a_strict_replay_fails_if_anything_differed(tmp_path: Path) -> None:
    answer = Answer(b'{"jsonrpc":"2.0","id":1,"result":"0x1"}', headers={"content-type": "application/json"})
    with (
        serve_stub(lambda _: answer) as upstream,
        run_command("record", "--upstream", upstream, "recording.jsonl", folder=tmp_path) as (url, process),
    ):
        assert httpx2.post(url, json=CALL).json()["result"] == "0x1"
        assert end(process) == 0
    assert "1 exchange is in recording.jsonl" in (tmp_path / "out").read_text()

    for methods, options, status in (
        (["eth_chainId"], ["--strict"], 0),
        ([], ["--strict"], 1),
        (["eth_chainId", "eth_gasPrice"], ["--strict"], 1),
        (["eth_gasPrice"], [], 0),
    ):
        with run_command("replay", "recording.jsonl", *options, folder=tmp_path) as (url, process):
            for method in methods:
                httpx2.post(url, json={**CALL, "method": method})
            assert end(process) == status
        lines = (tmp_path / "out").read_text().splitlines()
        assert ("not sent: eth_chainId, line 1" in lines) == ("eth_chainId" not in methods)
        assert any(line.startswith("not recorded: eth_gasPrice: ") for line in lines) == ("eth_gasPrice" in methods)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("record", "--upstream", "ftp://key@host/", "new"), "--upstream: expected a URL starting with http://"),
        (("record", "--upstream", "http://127.0.0.1:9", "full"), "full: expected a new file"),
        (("replay", "full"), "full: line 1: expected an exchange"),
        (("replay", "absent"), "absent: cannot read the recording: No such file"),
        (("replay", "full", "--port", "x"), "WALLET_RPC_PORT: "),
    ],
)
def test_a_command_that_cannot_start_says_why(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "full").write_text("text")
    done = run_wallet_rpc(*arguments, folder=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith(f"wallet-rpc: {message}")
    assert "key@" not in done.stderr


def test_a_command_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "recording.jsonl").write_bytes(LINE)
    options = Namespace(file=tmp_path / "recording.jsonl", exact=False, strict=False, exit_with_parent=True)
    command = run_replay_command(options, Settings(), parent=os.getpid(), print_line=print)

    with pytest.raises(SettingError, match="the parent process has ended already"):
        asyncio.run(command)
    ended = ["replay", "recording.jsonl", "--exit-with-parent"]
    with run_command(*ended, folder=tmp_path) as (url, process):  # its parent runs
        assert httpx2.get(url).status_code == 200
        assert end(process) == 0

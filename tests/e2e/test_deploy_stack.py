"""`make stack`: the services of compose.yaml, with the same commands, as processes that serve a wallet."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.e2e.pages import ROOT
from tests.e2e.process import is_running, parent_and_state, run_command, until
from tests.stack.__main__ import CHAIN_ID, StackFailed, run
from tests.stack.composition import DEPLOY, Service, run_service
from tests.support.constants import FRIEND, LONGEST_SECONDS
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.devchain.build import find_node_js


def descendants(process_id: int) -> set[int]:
    """Return the ids of all processes that a process has started, directly or not."""
    parents = {
        int(entry.name): (parent_and_state(int(entry.name)) or (0, ""))[0]
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit()
    }
    found: set[int] = set()
    level = {process_id}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found |= level
    return found


@contextmanager
def started(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Start the stack on free ports, and yield it with its output once it has printed its URLs."""
    output = folder / "output"
    with output.open("w") as printed:
        process = subprocess.Popen(  # the command of `make stack`
            [sys.executable, "-m", "tests.stack", "--any-port"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        while "Ctrl-C ends" not in output.read_text():  # each service has a deadline of its own
            assert process.poll() is None, output.read_text()
            time.sleep(0.05)
        yield process, output
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(LONGEST_SECONDS)
        finally:
            process.kill()


def test_the_stack_serves_a_sponsored_call_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with started(tmp_path) as (process, output):
        printed = output.read_text()
        children = descendants(process.pid)
        urls = dict(re.findall(r"^(\S[\w ]+): +(http://\S+)", printed, re.MULTILINE))
        (key,) = re.findall(r"^API key: +(wrk_\S+)", printed, re.MULTILINE)
        services = ["redis", "anvil", "contracts", "alto", "wallet-rpc"]
        assert re.findall(r"^(\S+): (?:ready|done) after", printed, re.MULTILINE) == services
        assert len(children) >= 4

        with httpx2.Client(timeout=30, headers={"x-api-key": key}) as http:
            client = Client(urls["Wallet API"], urls["Node"], holds_operations=True, http=http)
            wallet = Wallet(client, chain_id=hex(CHAIN_ID))
            before = client.balance(FRIEND)
            client.chain("anvil_setBalance", wallet.account, "0x5")
            status = wallet.act(None, {"to": FRIEND, "value": "0x5"})

            assert status["status"] == 200
            assert client.balance(FRIEND) == before + 5
            assert [health_check_status(each) for each in (urls["Wallet API"], "http://127.0.0.1:1")] == [0, 1]
            assert (
                'wallet_rpc_requests_total{code="",method="wallet_sendPreparedCalls"' in http.get(urls["Metrics"]).text
            )
            assert [is_healthy(urls["Node"]), is_healthy(urls["Bundler"]), is_healthy("http://127.0.0.1:1")] == [
                True,
                True,
                False,
            ]
            client.node = urls["Bundler"]
            assert client.chain("eth_chainId") == hex(CHAIN_ID)

    assert process.returncode == 0
    assert output.read_text().endswith("All services have ended.\n")
    assert [child for child in children if is_running(child)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def is_healthy(url: str) -> bool:
    """Run the health check of anvil and Alto in compose.yaml."""
    node, port = find_node_js().node, url.rpartition(":")[2]
    return run_command(str(node), str(DEPLOY / "devnet" / "healthy.mjs"), port, folder=ROOT).returncode == 0


def health_check_status(url: str) -> int:
    """Run the health check of the image as a container's, and return its exit status."""
    instruction = re.search(r"^HEALTHCHECK .*\\\n +CMD (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert instruction is not None
    _, *arguments = json.loads(instruction[1])
    environment = {**os.environ, "WALLET_RPC_PORT": url.rpartition(":")[2]}
    return run_command(sys.executable, *arguments, folder=ROOT, environment=environment).returncode


def test_a_service_ends_with_a_killed_stack(tmp_path: Path) -> None:
    service = Service("sleep", ["/bin/sleep", "600"], {}, is_job=False)
    starter = os.fork()
    if starter == 0:  # the stack, which is killed before its block ends
        with run_service(service, tmp_path) as process:
            (tmp_path / "id").write_text(str(process.pid))
            signal.pause()
    until(lambda: (tmp_path / "id").is_file() and (tmp_path / "id").read_text() != "", "a running service")
    child = int((tmp_path / "id").read_text())
    until(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n", "the service's program")

    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)

    until(lambda: not is_running(child), "an ended service")


def test_a_service_that_ends_is_named_with_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.stack.composition.anvil_program", lambda: Path("/bin/false"))

    with pytest.raises(StackFailed, match=r"^anvil ended with status 1: it printed nothing$"):
        run(any_port=True)

"""The chain in its own process, and its data folder after processes are killed."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.devchain.sample import ALICE, SINK, Node
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.process import ChainFailed, ChainProcess, spawn_workers
from wallet_rpc.devchain.sqlite_store import FILE_NAME, SqliteStore, UnusableFolder
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.errors import MethodNotFound, Unavailable

pytestmark = pytest.mark.anyio
SINK_TEXT, ALICE_TEXT = SINK.hex0x(), ALICE.address.hex0x()


def entry(method: str, *params: Any, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


async def rpc(chain: ChainProcess, method: str, *params: Any) -> Any:
    return (await chain.request(entry(method, *params)))["result"]


async def send(chain: ChainProcess, value: int) -> Any:
    return await rpc(
        chain, "eth_sendTransaction", {"from": ALICE_TEXT, "to": SINK_TEXT, "value": hex(value), "gas": "0x5208"}
    )


async def test_process_answers_requests_batches_and_notifications() -> None:
    chain = await ChainProcess.start(DevChainConfig(chain_id=5))
    try:
        assert await rpc(chain, "eth_chainId") == "0x5"
        batch = [entry("eth_chainId", number=1), entry("eth_blockNumber", number=2)]
        assert [answer["result"] for answer in await chain.request(batch)] == ["0x5", "0x0"]
        assert await chain.request({"jsonrpc": "2.0", "method": "evm_mine"}) is None
        assert json.loads(await chain.answer(b"{") or b"")["error"]["code"] == -32700
    finally:
        await chain.stop()
    with pytest.raises(Unavailable, match="has stopped"):
        await chain.request(entry("eth_chainId"))


async def test_a_request_for_an_unknown_method_is_rejected_without_asking_the_chain() -> None:
    chain = await ChainSupervisor.start(DevChainConfig())
    try:
        assert (await chain.forward(entry("eth_blockNumber")))["result"] == "0x0"
        os.kill(chain.process_id, signal.SIGSTOP)
        with pytest.raises(MethodNotFound, match="eth_unknown"):
            await chain.forward(entry("eth_unknown"))
    finally:
        os.kill(chain.process_id, signal.SIGCONT)
        await chain.stop()


async def test_many_requests_in_flight_are_run_in_order() -> None:
    chain = await ChainProcess.start(DevChainConfig())
    try:
        requests = [rpc(chain, "eth_blockNumber") if even % 2 else send(chain, 1) for even in range(40)]
        answers = await asyncio.gather(*requests)
        assert answers[1::2] == [hex(number) for number in range(1, 21)]
    finally:
        await chain.stop()


async def test_two_chains_live_side_by_side() -> None:
    one, other = await asyncio.gather(
        ChainProcess.start(DevChainConfig(chain_id=1)), ChainProcess.start(DevChainConfig(chain_id=2))
    )
    try:
        await send(one, 5)
        assert await rpc(one, "eth_getBalance", SINK_TEXT) == "0x5"
        assert await rpc(other, "eth_getBalance", SINK_TEXT) == "0x0"
        assert (await rpc(one, "eth_chainId"), await rpc(other, "eth_chainId")) == ("0x1", "0x2")
    finally:
        await asyncio.gather(one.stop(), other.stop())


async def test_restarted_chain_is_as_it_was(tmp_path: Path) -> None:
    config = DevChainConfig(folder=tmp_path)
    chain = await ChainProcess.start(config)
    identity = await send(chain, 5)
    await rpc(chain, "anvil_setCode", SINK_TEXT, "0x6001")
    await rpc(chain, "evm_increaseTime", 1000)
    snapshot = await rpc(chain, "evm_snapshot")
    await send(chain, 6)
    reads: list[tuple[str, list[Any]]] = [
        ("eth_getBlockByNumber", ["latest", True]),
        ("eth_getBlockByNumber", ["0x1", True]),
        ("eth_getTransactionReceipt", [identity]),
        ("eth_getBalance", [SINK_TEXT]),
        ("eth_getBalance", [SINK_TEXT, "0x0"]),
        ("eth_getCode", [SINK_TEXT]),
        ("eth_getTransactionCount", [ALICE_TEXT]),
    ]
    before = [await rpc(chain, method, *params) for method, params in reads]
    await chain.stop()
    chain = await ChainProcess.start(config)
    try:
        assert 995 <= chain.now() - time.time() <= 1000, "the time is known before the first request"
        assert [await rpc(chain, method, *params) for method, params in reads] == before
        assert await rpc(chain, "evm_revert", snapshot) is True
        assert await rpc(chain, "eth_getBalance", SINK_TEXT) == "0x5"
        await rpc(chain, "evm_mine")
        mined = await rpc(chain, "eth_getBlockByNumber", "latest", False)
        assert int(mined["timestamp"], 16) >= int(time.time()) + 990
    finally:
        await chain.stop()
    again = Node(config)
    assert again.rpc("eth_blockNumber") == "0x2"
    again.dev.chain.close()


async def test_killed_worker_loses_no_answered_block_and_no_reply(tmp_path: Path) -> None:
    config = DevChainConfig(folder=tmp_path)
    chain = await ChainProcess.start(config)
    answered = []
    enough = asyncio.Event()

    async def one(value: int) -> None:
        answered.append(await send(chain, value))
        if len(answered) == 20:
            enough.set()

    tasks = [asyncio.create_task(one(1)) for _ in range(300)]
    await enough.wait()
    os.kill(chain.pid, signal.SIGKILL)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    lost = [end for end in ended if end is not None]
    assert all(isinstance(end, Unavailable) for end in lost)
    assert len(lost) + len(answered) == 300
    assert len(lost) > 0
    await chain.stop()
    again = Node(config)
    height = int(again.rpc("eth_blockNumber"), 16)
    assert height >= len(answered)
    assert all(again.receipt(identity) is not None for identity in answered)
    assert int(again.rpc("eth_getBalance", SINK_TEXT), 16) == height
    assert int(again.rpc("eth_getTransactionCount", ALICE_TEXT), 16) == height
    again.send(to=SINK_TEXT, value=1)
    again.dev.chain.close()


def largest_file(folder: Path) -> int:
    return max(file.stat().st_size for file in folder.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot limit the files of another process")
async def test_incident_in_the_process_is_one_line_of_json_without_the_request(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chain = await ChainProcess.start(DevChainConfig(folder=tmp_path, json_log=True))
    try:
        longest = largest_file(tmp_path)
        resource.prlimit(chain.pid, resource.RLIMIT_FSIZE, (longest, longest))  # like a full disk
        answer = await chain.request(entry("anvil_setCode", SINK_TEXT, "0x" + "5ec2e7" * longest))
    finally:
        await chain.stop()
    line = json.loads(capfd.readouterr().err)
    assert line["incident"] == answer["error"]["data"]["incident"]
    assert line["method"] == "anvil_setCode"
    assert "sqlite3.OperationalError" in line["exception"]
    assert "5ec2e7" not in json.dumps(line)
    assert SINK_TEXT[2:] not in json.dumps(line)


def has_ended(process: int) -> bool:
    """Return True when the process is gone, or a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def test_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio\nfrom pathlib import Path\n"
        "from wallet_rpc.devchain.config import DevChainConfig\nfrom wallet_rpc.devchain.process import ChainProcess\n"
        "async def run():\n"
        f"    chain = await ChainProcess.start(DevChainConfig(folder=Path({str(tmp_path)!r})))\n"
        "    print(chain.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(run())\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as started:  # noqa: S603 - a constant script
        assert started.stdout is not None
        worker = int(started.stdout.readline())
        assert not has_ended(worker)
        started.kill()
    until = time.monotonic() + 20
    while not has_ended(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert has_ended(worker)


async def test_folder_of_another_chain_is_refused(tmp_path: Path) -> None:
    Node(DevChainConfig(folder=tmp_path)).dev.chain.close()
    with pytest.raises(ChainFailed, match="contains another chain"):
        await ChainProcess.start(DevChainConfig(chain_id=7, folder=tmp_path))


async def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    first = Node(DevChainConfig(folder=tmp_path))
    with pytest.raises(UnusableFolder, match="in use"):
        SqliteStore(tmp_path, "chain 31337")
    first.dev.chain.close()


async def test_file_that_is_no_chain_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(UnusableFolder, match="not the database of a chain"):
        SqliteStore(tmp_path, "chain 31337")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (".", "cannot make .*/chain: File exists"),
        (f"chain/{FILE_NAME}/.", f"cannot use .*/chain/{FILE_NAME}: unable to open database file"),
        (f"chain/{FILE_NAME}-wal/.", f"cannot use .*/chain/{FILE_NAME}: "),
    ],
)
async def test_folder_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, made: str, message: str) -> None:
    folder = tmp_path / "chain"
    if made == ".":
        folder.write_bytes(b"")
    else:
        (tmp_path / made).mkdir(parents=True)
    with pytest.raises(UnusableFolder, match=message):
        SqliteStore(folder, "chain 31337")


async def test_block_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    node = Node(DevChainConfig(folder=tmp_path))
    node.send(to=SINK_TEXT, value=1)
    raw = node.sign(to=SINK_TEXT, value=1)
    store: Any = node.dev.chain._store
    store._database.execute("CREATE TRIGGER fail BEFORE INSERT ON blocks BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(sqlite3.IntegrityError):
        node.dev.chain.send(bytes.fromhex(raw[2:]))
    store._database.execute("DROP TRIGGER fail")
    node.dev.chain.close()
    again = Node(DevChainConfig(folder=tmp_path))
    assert again.rpc("eth_blockNumber") == "0x1"
    assert again.rpc("eth_getBalance", SINK_TEXT) == "0x1"
    again.dev.chain.close()


async def test_snapshot_is_kept_in_the_folder(tmp_path: Path) -> None:
    config = DevChainConfig(folder=tmp_path)
    node = Node(config)
    node.send(to=SINK_TEXT, value=1)
    snapshot = node.rpc("evm_snapshot")
    node.send(to=SINK_TEXT, value=1)
    node.rpc("evm_increaseTime", 500)
    assert node.rpc("evm_snapshot") == "0x2"
    node.dev.chain.close()
    node = Node(config)
    assert node.rpc("eth_getBalance", SINK_TEXT) == "0x2"
    assert node.rpc("evm_revert", snapshot) is True
    assert node.rpc("evm_revert", snapshot) is False
    node.dev.chain.close()
    node = Node(config)
    assert node.rpc("eth_getBalance", SINK_TEXT) == "0x1"
    assert node.rpc("evm_snapshot") == "0x3"
    node.dev.chain.close()


async def test_a_chain_takes_a_process_that_was_started_before_it() -> None:
    async with spawn_workers(1) as (worker,):
        chain = await ChainProcess.start(DevChainConfig(), process=worker)
        assert chain.pid == worker.pid
        assert await rpc(chain, "eth_chainId") == "0x7a69"
        await chain.stop()

    assert worker.returncode == 0


async def test_processes_that_no_chain_takes_are_killed() -> None:
    async with spawn_workers(2) as workers:
        assert [worker.returncode for worker in workers] == [None, None]

    assert [worker.returncode for worker in workers] == [-signal.SIGKILL] * 2

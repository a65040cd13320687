"""The private Redis: durability of a folder's data after any kind of crash, and exclusive ownership of the folder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.contract.sample import ACCOUNT, CHAIN, a_session
from tests.contract.waiting import is_answered, until
from wallet_rpc.adapters import redis_server
from wallet_rpc.adapters.redis_binary import Binary, RedisNotStarted
from wallet_rpc.adapters.redis_server import RedisServer, bind_to_thread
from wallet_rpc.adapters.redis_socket import SOCKET_PATH_BYTES
from wallet_rpc.adapters.redis_store import RedisStore

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def _owner(folder: Path, *mode: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run another process that owns a Redis on `folder` and has written a session; it is killed after the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.contract.own_redis", str(folder), *mode, cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        redis_id = int(await process.stdout.readline())
        yield process, redis_id
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _is_stored(folder: Path) -> bool:
    async with RedisServer(folder) as server, RedisStore.open(server.url) as store:
        return await store.sessions.get(ACCOUNT, CHAIN, a_session().id) == a_session()


async def test_data_survives_a_stop(tmp_path: Path) -> None:
    async with RedisServer(tmp_path) as server, RedisStore.open(server.url) as store:
        await store.sessions.activate(a_session(), forget_at=None)

    assert await _is_stored(tmp_path)


async def test_data_survives_a_kill_of_the_owner(tmp_path: Path) -> None:
    async with _owner(tmp_path) as (process, _):
        process.kill()
        await process.wait()

        assert await _is_stored(tmp_path)


async def test_data_survives_a_kill_of_owner_and_redis(tmp_path: Path) -> None:
    async with _owner(tmp_path) as (process, redis_id):
        process.kill()
        os.kill(redis_id, signal.SIGKILL)
        await process.wait()

        assert await _is_stored(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot bind a process to its parent")
@pytest.mark.parametrize("mode", [(), ("thread",)])
async def test_a_redis_ends_with_its_owner(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with _owner(tmp_path, *mode) as (process, _):
        with (tmp_path / "redis.lock").open() as running:
            with pytest.raises(BlockingIOError):
                fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
            process.kill()
            async with asyncio.timeout(10):
                await asyncio.to_thread(fcntl.flock, running, fcntl.LOCK_EX)


async def test_an_orphaned_redis_is_stopped_and_its_data_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On systems that do not end it with its owner (not Linux), the next start does."""
    monkeypatch.setattr(redis_server, "bind_to_thread", lambda *command: list(command))
    crashed = RedisServer(tmp_path)
    await crashed.start()
    async with RedisStore.open(crashed.url) as store:
        await store.sessions.activate(a_session(), forget_at=None)
    _abandon(crashed)

    assert await _is_stored(tmp_path)
    assert crashed._process is not None
    assert crashed._process.poll() == 0
    await crashed.stop()


def _abandon(server: RedisServer) -> None:
    """Release the folder as a crash does: the lock is free while the process runs."""
    assert server._owned is not None
    assert server._watch is not None
    server._watch.cancel()
    server._owned.close()
    server._owned = None


async def test_an_orphaned_redis_that_hangs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_ENDING_SECONDS", 0.3)
    crashed = RedisServer(tmp_path)
    await crashed.start()
    assert crashed.process_id is not None
    _abandon(crashed)
    os.kill(crashed.process_id, signal.SIGSTOP)

    with pytest.raises(RedisNotStarted, match=r"an earlier run uses .* does not shut down"):
        await RedisServer(tmp_path).start()
    await crashed.stop()


async def test_a_second_owner_of_a_folder_is_rejected_and_the_first_continues(tmp_path: Path) -> None:
    async with RedisServer(tmp_path) as first, RedisStore.open(first.url) as store:
        with pytest.raises(
            RedisNotStarted, match=rf"another wallet-rpc \(process {os.getpid()}\) uses .*{tmp_path.name}"
        ):
            await RedisServer(tmp_path).start()
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.contract.own_redis", str(tmp_path), cwd=ROOT, stderr=subprocess.PIPE
        )
        _, errors = await other.communicate()
        await store.check_writable()

    assert other.returncode == 1
    assert errors.startswith(b"not started: another wallet-rpc")


async def test_a_redis_that_exits_is_restarted(tmp_path: Path) -> None:
    lines: list[str] = []
    async with RedisServer(tmp_path, report=lines.append) as server, RedisStore.open(server.url) as store:
        await store.sessions.activate(a_session(), forget_at=None)
        first = server.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)

        async def is_restarted() -> bool:
            return server.process_id != first and bool(lines)

        await until(is_restarted)
        await until(partial(is_answered, store))

        assert await store.sessions.get(ACCOUNT, CHAIN, a_session().id) == a_session()
    assert lines == ["Redis exited; restarting it"]


async def test_a_failed_restart_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_RETRY_SECONDS", 0.1)
    failed = asyncio.Event()

    def report(line: str) -> None:
        if line.startswith("another redis-server runs on"):
            failed.set()

    async with RedisServer(tmp_path, report=report) as server, RedisStore.open(server.url) as store:
        assert server.process_id is not None
        with (tmp_path / "redis.lock").open() as running:
            os.kill(server.process_id, signal.SIGKILL)
            fcntl.flock(running, fcntl.LOCK_EX)
            async with asyncio.timeout(10):
                await failed.wait()
        await until(partial(is_answered, store))


async def test_other_systems_start_the_redis_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert bind_to_thread("/bin/redis-server", "--port", "0") == ["/bin/redis-server", "--port", "0"]
    assert not await _is_stored(tmp_path)


async def test_a_folder_with_too_long_a_path_gets_a_socket_in_a_private_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60) / 'a "b" c%20ü'
    async with RedisServer(deep) as server, RedisStore.open(server.url) as store:
        await store.sessions.activate(a_session(), forget_at=None)
        socket = server.socket
        assert len(os.fsencode(socket)) <= SOCKET_PATH_BYTES
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700

    assert not socket.parent.exists()
    assert await _is_stored(deep)


async def test_a_copy_of_a_folder_does_not_affect_the_original(tmp_path: Path) -> None:
    """A copy includes the record of the socket's path; the socket in it belongs to the original."""
    original = tmp_path / ("wallet-rpc-" + "d" * 60) / ("e" * 60)
    copy = tmp_path / "copy"
    async with RedisServer(original) as server, RedisStore.open(server.url) as store:
        await store.sessions.activate(a_session(), forget_at=None)
        shutil.copytree(original, copy, ignore=shutil.ignore_patterns("*.sock"))
        assert (copy / "redis.socket").exists()

        assert await _is_stored(copy)
        assert original.exists()
    (copy / "redis.socket").write_text(str(original / "redis.sock"))
    assert await _is_stored(copy)
    assert await _is_stored(original)


async def test_special_characters_in_the_path_are_supported(tmp_path: Path) -> None:
    folder = tmp_path / 'a "b" $c%20ü'
    assert not await _is_stored(folder)
    assert (folder / "redis.log").exists()


async def test_only_the_owner_can_access_the_redis(tmp_path: Path) -> None:
    async with RedisServer(tmp_path / "data") as server:
        async with Redis.from_url(server.url) as redis:
            assert await redis.config_get("port") == {"port": "0"}
        assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


async def test_an_ephemeral_redis_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with RedisServer(None) as server, RedisStore.open(server.url) as store:
        await store.check_writable()
        assert server.socket.exists()

    assert os.listdir(tmp_path) == []


async def test_the_error_for_unreadable_data_has_the_cause(tmp_path: Path) -> None:
    (tmp_path / "appendonly.aof").write_bytes(b"this is no log\r\n" * 20)

    with pytest.raises(RedisNotStarted, match=r"did not start: .*Bad file format.*redis\.log"):
        await RedisServer(tmp_path).start()


async def test_a_redis_that_never_responds_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "bind_to_thread", lambda *_: ["sleep", "60"])
    lines: list[str] = []

    with pytest.raises(RedisNotStarted, match="does not answer after 3 s"):
        await RedisServer(tmp_path, report=lines.append, start_seconds=3).start()

    assert lines == ["waiting for Redis: starting"]


@pytest.mark.parametrize("name", ["owner.lock", "redis.lock", "redis.log", "redis.socket"])
async def test_the_error_for_an_unusable_file_names_it_and_the_folder_is_released(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    with pytest.raises(RedisNotStarted, match=rf"^cannot use {tmp_path}/{name}: Is a directory$"):
        await RedisServer(tmp_path).start()

    (tmp_path / name).rmdir()
    async with RedisServer(tmp_path) as server:
        assert server.process_id is not None


async def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    script = (
        "import asyncio, resource, sys\nfrom pathlib import Path\n"
        "from wallet_rpc.adapters.redis_binary import RedisNotStarted\n"
        "from wallet_rpc.adapters.redis_server import RedisServer\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    asyncio.run(RedisServer(Path(sys.argv[1])).start())\n"
        "except RedisNotStarted as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]

    run = await asyncio.to_thread(partial(subprocess.run, command, capture_output=True, text=True, check=False))

    assert (run.stdout, run.stderr) == (f"cannot use {tmp_path}: File too large\n", "")


async def test_a_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "redis").write_bytes(b"")

    with pytest.raises(RedisNotStarted, match=rf"^cannot use {tmp_path}/redis: File exists$"):
        await RedisServer(tmp_path / "redis").start()


async def test_an_older_redis_does_not_start_on_data_of_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "appendonlydir").mkdir()
    monkeypatch.setattr(redis_server, "find_binary", lambda: Binary("/old/redis-server", (6, 2)))

    with pytest.raises(RedisNotStarted, match="written by Redis 7 or newer"):
        await RedisServer(tmp_path).start()

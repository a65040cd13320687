"""The Redis of a data folder, as short-lived commands use it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.contract.sample import ACCOUNT, CHAIN, a_session
from wallet_rpc.adapters import redis_server
from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_folder import open_folder_redis
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore


async def write(url: str) -> None:
    async with RedisStore.open(url) as store:
        await store.sessions.activate(a_session(), forget_at=None)


async def is_stored(url: str) -> bool:
    async with RedisStore.open(url) as store:
        return await store.sessions.get(ACCOUNT, CHAIN, a_session().id) == a_session()


async def test_an_unused_folder_gets_a_temporary_redis_and_stores_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "redis"
    async with open_folder_redis(folder) as url:
        await write(url)
    assert not [path for path in folder.iterdir() if path.is_socket()]

    async with RedisServer(folder) as server:
        assert await is_stored(server.url)


@pytest.mark.parametrize("subfolder", ["", "d" * 60 + "/" + "e" * 60])
async def test_the_redis_of_a_server_is_used_and_left_running(tmp_path: Path, subfolder: str) -> None:
    folder = tmp_path / subfolder
    async with RedisServer(folder) as server:
        before = server.process_id
        async with open_folder_redis(folder) as url:
            assert url == server.url
            await write(url)

        assert server.process_id == before
        assert await is_stored(server.url)


async def test_concurrent_commands_run_one_after_the_other(tmp_path: Path) -> None:
    inside = 0

    async def command() -> None:
        nonlocal inside
        async with open_folder_redis(tmp_path) as url:
            inside += 1
            assert inside == 1
            await write(url)
            await asyncio.sleep(0.05)
            inside -= 1

    await asyncio.gather(*(command() for _ in range(4)))


async def test_a_starting_server_waits_for_a_running_command(tmp_path: Path) -> None:
    async with open_folder_redis(tmp_path) as url:
        starting = asyncio.create_task(RedisServer(tmp_path).__aenter__())
        await asyncio.sleep(0.2)
        assert not starting.done()
        await write(url)
    server = await starting

    assert await is_stored(server.url)
    await server.stop()


async def test_a_command_waits_for_a_starting_server(tmp_path: Path) -> None:
    starting = asyncio.create_task(RedisServer(tmp_path).__aenter__())
    await asyncio.sleep(0)  # in its first step it locks the folder
    assert (tmp_path / "owner.lock").exists()
    async with open_folder_redis(tmp_path) as url:
        server = await starting
        assert url == server.url
        await write(url)
    await server.stop()


async def test_a_command_waits_for_a_stopping_server(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    await server.start()
    await write(server.url)
    ending = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    async with open_folder_redis(tmp_path) as url:
        assert ending.done()
        assert await is_stored(url)


async def test_the_redis_of_a_crashed_server_is_stopped_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "bind_to_thread", lambda *command: list(command))  # it survives its owner
    crashed = RedisServer(tmp_path)
    await crashed.start()
    await write(crashed.url)
    assert crashed._watch is not None
    assert crashed._owned is not None
    crashed._watch.cancel()
    crashed._owned.close()
    crashed._owned = None

    async with open_folder_redis(tmp_path) as url:
        assert crashed._process is not None
        assert crashed._process.wait(10) == 0
        assert await is_stored(url)
    await crashed.stop()


async def test_a_command_waits_for_a_redis_that_its_owner_restarts(tmp_path: Path) -> None:
    async with RedisServer(tmp_path) as server:
        await write(server.url)
        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGKILL)
        async with open_folder_redis(tmp_path) as url:
            assert await is_stored(url)


async def test_the_error_for_a_hanging_redis_names_its_owner(tmp_path: Path) -> None:
    async with RedisServer(tmp_path) as server:
        assert server.process_id is not None
        os.kill(server.process_id, signal.SIGSTOP)
        try:
            with pytest.raises(RedisNotStarted, match=rf"does not answer; another .* \(process {os.getpid()}\) uses"):
                async with open_folder_redis(tmp_path, start_seconds=0.1):
                    pass
        finally:
            os.kill(server.process_id, signal.SIGCONT)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot bind a process to its parent")
async def test_a_killed_command_leaves_no_redis_behind(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from wallet_rpc.adapters.redis_folder import open_folder_redis\n"
        "async def main():\n"
        "    async with open_folder_redis(Path(sys.argv[1])) as url:\n"
        "        print(url, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert killed.stdout is not None
    await write((await killed.stdout.readline()).decode().strip())
    killed.kill()
    await killed.wait()

    async with open_folder_redis(tmp_path) as url:
        assert await is_stored(url)

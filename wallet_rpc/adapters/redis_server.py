"""Private Redis for `dev`: a child process on a unix socket that writes to disk before each reply.

A file lock gives a folder one owner. A second lock, held by the Redis process while it runs, gives it one Redis. A
start after a crash waits for the previous Redis, or stops it, and never runs two on the same data.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wallet_rpc.adapters import redis_socket
from wallet_rpc.adapters.redis_binary import Binary, RedisNotStarted, find_binary

_BIND_LIFE = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]): os.execv(sys.argv[2], sys.argv[2:])
"""
"""Python code that runs a program and has Linux end it together with the thread that started it.

It sets PR_SET_PDEATHSIG, which is 1."""

_SERVES = " serves"
"""Mark in the lock file, after the owner's process id: other processes may use the owner's Redis."""
_ENDING_SECONDS = 15
_POLL_SECONDS = 0.02
_WATCH_SECONDS = 0.25
_RETRY_SECONDS = 2.0


class FolderInUse(RedisNotStarted):
    """The folder belongs to another process."""


def _ignore(text: str) -> None:
    """Discard a progress message."""


class RedisServer:
    """A redis-server that runs during an `async with` block and is restarted if it exits within it.

    On Linux it also ends with the thread that runs the event loop.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        report: Callable[[str], None] = _ignore,
        start_seconds: float = 60.0,
        is_shared: bool = True,
    ) -> None:
        """Create a server whose data is in `folder` (None: a temporary folder); `report` gets progress lines.

        With `is_shared`, other processes may use this Redis; without it, they wait until it has ended.
        """
        self._is_persistent = folder is not None
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-rpc-")) if folder is None else folder.absolute()
        self._report = report
        self._start_seconds = start_seconds
        self._is_shared = is_shared
        self._owned: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: asyncio.Task[None] | None = None
        self.socket = self._folder / "redis.sock"

    @property
    def url(self) -> str:
        """URL for `RedisStore.open`."""
        return redis_socket.socket_url(self.socket)

    @property
    def process_id(self) -> int | None:
        """Process id of the redis-server; None while it does not run."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the Redis and wait until it responds. Raises: RedisNotStarted with the cause."""
        try:
            with self._wrap_os_errors():
                self._owned = await self._acquire_folder()
                self._write_owner("")
                binary = find_binary()
                self._refuse_downgrade(binary)
                await self._stop_leftover()
                self.socket = redis_socket.choose_socket(self._folder)
                await self._run(binary)
                if self._is_shared:
                    self._write_owner(_SERVES)
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._restart_on_exit(binary))

    async def stop(self) -> None:
        """Stop the Redis, which writes its data to disk, and release the folder."""
        with contextlib.suppress(OSError):  # on a full disk the file is empty, which has the same effect
            self._write_owner("")
        if self._watch is not None:
            self._watch.cancel()
            if not self._watch.done():  # its event loop may have ended first
                await asyncio.wait([self._watch])
            self._watch = None
        if self._process is not None:
            await _terminate(self._process)
            self._process = None
        if self._owned is not None:
            redis_socket.remove_socket(self.socket, self._folder)
            self._owned.close()
            self._owned = None
        if not self._is_persistent:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @contextlib.contextmanager
    def _wrap_os_errors(self) -> Iterator[None]:
        """Turn OSError from file operations into RedisNotStarted with the path and the system's message."""
        try:
            yield
        except OSError as error:
            raise RedisNotStarted(f"cannot use {error.filename or self._folder}: {error.strerror or error}") from error

    async def _acquire_folder(self) -> IO[str]:
        """Lock the folder. An owner without the mark `_SERVES` is starting or short-lived, so wait for it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        deadline = time.monotonic() + self._start_seconds
        with contextlib.ExitStack() as opened:
            lock = opened.enter_context((self._folder / "owner.lock").open("a+"))
            while not _try_lock(lock):
                lock.seek(0)
                owner, serves, _ = lock.read(40).partition(_SERVES)
                if serves or time.monotonic() > deadline:
                    raise FolderInUse(
                        f"another wallet-rpc (process {owner or 'unknown'}) uses {self._folder}; "
                        "stop it, or choose another data folder"
                    )
                await asyncio.sleep(_POLL_SECONDS)
            (self._folder / "redis.log").unlink(missing_ok=True)
            opened.pop_all()
        return lock

    def _write_owner(self, state: str) -> None:
        """Write the owner's process id and state into the lock file, for processes that find it locked."""
        if self._owned is not None:
            os.ftruncate(self._owned.fileno(), 0)
            # Unbuffered, since a buffer that failed would fail again on close.
            os.write(self._owned.fileno(), f"{os.getpid()}{state}".encode())

    def _refuse_downgrade(self, binary: Binary) -> None:
        if (self._folder / "appendonlydir").exists() and binary.version < (7, 0):
            raise RedisNotStarted(
                f"{self._folder} was written by Redis 7 or newer, and {binary.path} is older and would start empty; "
                "put the newer redis-server on PATH"
            )

    async def _stop_leftover(self) -> None:
        """Shut down the Redis of a crashed owner and wait for its end."""
        socket = redis_socket.find_socket(self._folder)
        with (self._folder / "redis.lock").open("a") as running:
            deadline = time.monotonic() + _ENDING_SECONDS
            while not _try_lock(running):
                if time.monotonic() > deadline:
                    raise RedisNotStarted(
                        f"a redis-server of an earlier run uses {self._folder} and does not shut down"
                    )
                await redis_socket.send_command(socket, b"SHUTDOWN")
                await asyncio.sleep(_POLL_SECONDS)
        redis_socket.remove_socket(socket, self._folder)

    async def _run(self, binary: Binary) -> None:
        """Start the process and wait until it responds."""
        with (self._folder / "redis.lock").open("a") as running, (self._folder / "redis.log").open("ab") as log:
            if not _try_lock(running):
                raise RedisNotStarted(f"another redis-server runs on {self._folder}")
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603  # returns at once; the path is known
                bind_to_thread(binary.path, *self._options()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(running.fileno(),),
                start_new_session=True,
            )
        await self._wait_until_ready(self._process)

    def _options(self) -> list[str]:
        on_disk = ["--appendonly", "yes", "--appendfsync", "always"] if self._is_persistent else ["--appendonly", "no"]
        socket = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        size = ["--list-compress-depth", "1"]  # halves the audit logs
        return [*socket, "--dir", str(self._folder), "--save", "", "--databases", "1", *size, *on_disk]

    async def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        started_at = time.monotonic()
        reported_at = started_at
        while process.poll() is None:
            reply = await redis_socket.send_command(self.socket, b"PING")
            if reply == "+PONG":
                return
            now = time.monotonic()
            if now - started_at > self._start_seconds:
                raise RedisNotStarted(
                    f"redis-server does not answer after {self._start_seconds:.0f} s: {self._log_tail()}"
                )
            if now - reported_at > 2:
                reported_at = now
                state = "loading its data" if reply.startswith("-LOADING") else "starting"
                self._report(f"waiting for Redis: {state}")
            await asyncio.sleep(_POLL_SECONDS)
        raise RedisNotStarted(f"redis-server did not start: {self._log_tail()}")

    def _log_tail(self) -> str:
        log = self._folder / "redis.log"
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        warnings = [line for line in lines if " # " in line or "***" in line] or lines
        text = " / ".join(line.strip()[:200] for line in warnings[-3:]) or "its log is empty"
        return f"{text} (see {log})" if self._is_persistent else text

    async def _restart_on_exit(self, binary: Binary) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._process is not None and self._process.poll() is not None:
                self._report("Redis exited; restarting it")
                try:
                    with self._wrap_os_errors():
                        await self._run(binary)
                except RedisNotStarted as error:
                    self._report(str(error))
                    await asyncio.sleep(_RETRY_SECONDS)


def bind_to_thread(*command: str) -> list[str]:
    """Return a command line that runs `command`, whose program is a full path.

    On Linux the program ends with the thread that starts it; on other systems `command` is returned unchanged.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _BIND_LIFE, str(os.getpid()), *command]


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _terminate(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.to_thread(process.wait, _ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

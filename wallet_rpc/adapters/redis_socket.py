"""The unix socket of a folder's Redis: where it is, and a word through it.

The rule: it is in the folder, unless that path is too long for a socket; then it is in a short private folder, whose
place is written down in the data folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

SOCKET_PATH_BYTES = 100
"""The longest path a unix socket gets here; systems allow 104 to 108."""

_RECORD = "redis.socket"


def socket_url(socket: Path) -> str:
    """What `RedisStore.open` takes."""
    return f"unix://{quote(str(socket.absolute()))}"


def find_socket(folder: Path) -> Path:
    """Where the Redis that runs on the folder, or ran there last, has its socket."""
    try:
        return Path((folder / _RECORD).read_text())
    except FileNotFoundError:
        return folder / "redis.sock"


def choose_socket(folder: Path) -> Path:
    """Where a Redis that is to run on the folder puts its socket; drop it in the end."""
    socket = folder / "redis.sock"
    if len(os.fsencode(socket)) > SOCKET_PATH_BYTES:
        shortest = min((tempfile.gettempdir(), "/tmp"), key=len)  # noqa: S108  # a private folder is made in it
        socket = Path(tempfile.mkdtemp(prefix="wallet-rpc-", dir=shortest), "redis.sock")
        (folder / _RECORD).write_text(str(socket))
    return socket


def remove_socket(socket: Path, folder: Path) -> None:
    """Remove the private folder of a socket whose path was too long for the data folder; never one that holds more."""
    if socket.parent != folder:
        with contextlib.suppress(OSError):
            socket.unlink(missing_ok=True)
            socket.parent.rmdir()
        (folder / _RECORD).unlink(missing_ok=True)


async def send_command(socket: Path, command: bytes) -> str:
    """The first line of the Redis's answer; nothing when there is none within two seconds."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(command + b"\r\n")
                return (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
    return ""


async def is_ready(socket: Path) -> bool:
    """Whether a Redis answers there that has read its data."""
    return await send_command(socket, b"PING") == "+PONG"

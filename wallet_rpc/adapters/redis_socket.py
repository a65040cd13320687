"""Unix socket of a data folder's Redis: its path, and single commands over it.

The socket is in the data folder. If that path is too long for a socket, it is in a private folder with a short path. A
file in the data folder then records its path.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

SOCKET_PATH_BYTES = 100
"""Maximum length of a socket's path; operating systems allow 104 to 108."""

_RECORD = "redis.socket"


def socket_url(socket: Path) -> str:
    """Return the URL of a socket for `RedisStore.open`."""
    return f"unix://{quote(str(socket.absolute()))}"


def find_socket(folder: Path) -> Path:
    """Return the path of the socket of the Redis that runs on the folder, or ran on it last."""
    try:
        return Path((folder / _RECORD).read_text())
    except FileNotFoundError:
        return folder / "redis.sock"


def choose_socket(folder: Path) -> Path:
    """Choose the path of the socket for a new Redis on the folder; `remove_socket` cleans up after it."""
    socket = folder / "redis.sock"
    if len(os.fsencode(socket)) > SOCKET_PATH_BYTES:
        shortest = min((tempfile.gettempdir(), "/tmp"), key=len)  # noqa: S108  # only parent of a private folder
        socket = Path(tempfile.mkdtemp(prefix="wallet-rpc-", dir=shortest), "redis.sock")
        (folder / _RECORD).write_text(str(socket))
    return socket


def remove_socket(socket: Path, folder: Path) -> None:
    """Remove the private folder of a socket that is not in the data folder, unless it contains other files."""
    if socket.parent != folder:
        with contextlib.suppress(OSError):
            socket.unlink(missing_ok=True)
            socket.parent.rmdir()
        (folder / _RECORD).unlink(missing_ok=True)


async def send_command(socket: Path, command: bytes) -> str:
    """Send a command and return the first line of the reply; empty without a reply within two seconds."""
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
    """Return True when a Redis responds on the socket and has loaded its data."""
    return await send_command(socket, b"PING") == "+PONG"

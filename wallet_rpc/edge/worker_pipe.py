"""Pipe between a worker process and its parent: the worker reports its start, the parent commands its end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from multiprocessing.connection import Connection

from wallet_rpc.config.settings import SettingError
from wallet_rpc.edge.accepting import WorkerShare
from wallet_rpc.edge.listener import Shutdown

LISTENING, DRAIN, CUT = b"listening", b"drain", b"cut"
"""Messages: a worker sends that it listens, or else the error of its start; the parent sends the other two."""


class ParentPipe:
    """A worker's end of its pipe to the parent."""

    def __init__(self, worker: int, connection: Connection, share: WorkerShare) -> None:
        self.worker = worker
        """Number of this worker, from 1."""
        self.share = share
        self._connection = connection

    def report_ready(self) -> None:
        """Report that this worker listens."""
        self._send(LISTENING)

    def report_error(self, error: SettingError) -> None:
        """Report why this worker cannot start."""
        self._send(str(error).encode())

    def watch(self, shutdown: Shutdown) -> None:
        """Begin and cut the shutdown when the parent says so, and begin it at the parent's end and at SIGTERM.

        A signal never cuts, since an init system may signal the workers next to the parent's command.
        """
        loop = asyncio.get_running_loop()

        def obey() -> None:
            try:
                command = self._connection.recv_bytes()
            except (EOFError, OSError):
                command = DRAIN
                loop.remove_reader(self._connection.fileno())
            if command == CUT:
                shutdown.cut()
            else:
                shutdown.begin()

        loop.add_reader(self._connection.fileno(), obey)
        loop.add_signal_handler(signal.SIGTERM, shutdown.begin)

    def _send(self, message: bytes) -> None:
        with suppress(OSError):  # the parent has ended, which `watch` notices
            self._connection.send_bytes(message)

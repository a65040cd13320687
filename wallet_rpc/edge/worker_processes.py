"""Worker processes of one server: the parent forks them, restarts each that ends, and ends them together.

All workers accept connections from the parent's listening socket, so a connection that none has accepted yet survives
the end of any. The parent runs no event loop and no thread: it can fork at any time, and the workers share the memory
of what it has imported. A worker takes commands from a pipe whose end is the parent's end.
"""

from __future__ import annotations

import gc
import multiprocessing
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.accepting import create_shares
from wallet_rpc.edge.observe import keep_incident, log, log_incident, pending_incidents
from wallet_rpc.edge.worker_pipe import CUT, DRAIN, LISTENING, ParentPipe

_FORK = multiprocessing.get_context("fork")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SETTING_STATUS = 2
"""Exit status of a worker whose start failed with a SettingError."""
MAX_FAILED_STARTS = 5
"""Number of failed starts in a row, while no worker serves, after which the server ends."""
_STABLE_SECONDS = 10.0
"""Life of a worker after which the next one starts at once."""
_FIRST_PAUSE_SECONDS = 0.1
"""Pause before the start after the second early end of a worker; it doubles with each further one."""
_LONGEST_PAUSE_SECONDS = 30.0
LATE_SECONDS = 5.0
"""Time after that of the drain in which a worker must have ended."""


@dataclass(eq=False)
class _Worker:
    """The parent's view of one worker process."""

    number: int
    process: ForkProcess
    connection: Connection
    started_at: float
    is_ready: bool = False
    error: str = ""

    def send(self, command: bytes) -> None:
        """Send a command, unless the worker has ended."""
        with suppress(OSError):
            self.connection.send_bytes(command)

    def receive(self) -> None:
        """Read the messages that have arrived."""
        with suppress(EOFError, OSError):
            while self.connection.poll():
                message = self.connection.recv_bytes()
                if message == LISTENING:
                    self.is_ready = True
                    log.info("worker_ready", worker=self.number, pid=self.process.pid)
                else:
                    self.error = message.decode()


class WorkerProcesses:
    """The parent's loop over its workers."""

    def __init__(  # noqa: PLR0913  # two of them are callbacks, with defaults
        self,
        count: int,
        serve: Callable[[ParentPipe], None],
        listener: socket.socket,
        *,
        drain_seconds: float,
        on_ready: Callable[[], None],
        on_end: Callable[[int], None] = lambda _: None,
        late_seconds: float = LATE_SECONDS,
    ) -> None:
        """Create the loop for `count` workers that run `serve`.

        `on_ready` is called once all of them listen, and `on_end` with the number of each that has ended.
        """
        self._count = count
        self._serve = serve
        self._listener = listener
        self._drain_seconds = drain_seconds
        self._late_seconds = late_seconds
        self._on_ready = on_ready
        self._on_end = on_end
        self._shares = create_shares(count)
        self._workers: dict[int, _Worker] = {}
        self._starts = {1: 0.0}
        """Time of the next start by worker number; the others start once the first is ready."""
        self._early_ends = dict.fromkeys(range(1, count + 1), 0)
        self._failed_starts = 0
        self._has_served = self._was_complete = False
        self._signals, self._signal_sink = socket.socketpair()
        self._kill_at: float | None = None
        """Time at which the remaining workers are killed; None until the server ends."""
        self._failure: _Worker | None = None

    def run(self) -> int:
        """Run the workers until a signal ends them, and return the exit status.

        A start that fails ends the server: the first, or the last of several while no worker serves. Raises:
        SettingError with its cause.
        """
        gc.collect()
        gc.freeze()  # so that a collection in a worker writes to no shared page
        with self._signals, self._signal_sink, self._capture_signals():
            while self._workers or self._starts:
                self._start_next()
                self._wait()
                self._kill_late()
        if self._failure is None:
            return 0
        if self._failure.error:
            raise SettingError(self._failure.error)
        return _exit_status(self._failure.process)

    @contextmanager
    def _capture_signals(self) -> Iterator[None]:
        """Turn signals into bytes of a socket, for `_wait`, and ignore SIGHUP."""

        def note(number: int, _: object) -> None:
            self._signal_sink.send(bytes([number]))

        before = {number: signal.signal(number, note) for number in _SIGNALS}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _start_next(self) -> None:
        now = time.monotonic()
        for number in [number for number, at in self._starts.items() if at <= now]:
            del self._starts[number]
            try:
                self._workers[number] = self._start(number)
            except OSError as error:  # too many files or processes, or too little memory
                pause = self._plan_start(number)
                log.error("worker_not_started", worker=number, why=error.strerror, restart_in_seconds=pause)

    def _start(self, number: int) -> _Worker:
        ours, theirs = _FORK.Pipe()
        process = _FORK.Process(target=self._run_worker, args=(number, ours, theirs), daemon=True)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the worker has its own handlers
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()
        pending_incidents.clear()  # the worker has a copy
        return _Worker(number, process, ours, time.monotonic())

    def _run_worker(self, number: int, ours: Connection, theirs: Connection) -> None:
        """Run a worker in the forked process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles a Ctrl-C
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        for pipe_end in (ours, *(one.connection for one in self._workers.values())):
            pipe_end.close()  # so that only the parent holds them, and every pipe ends with it
        self._signals.close()
        self._signal_sink.close()
        pipe = ParentPipe(number, theirs, self._shares[number - 1])
        try:
            self._serve(pipe)
        except SettingError as error:
            pipe.report_error(error)
            sys.exit(_SETTING_STATUS)
        except Exception as raised:
            log_incident(raised, method="(worker)")
            sys.exit(1)
        finally:
            log_lines.flush()  # multiprocessing ends a process without its exit handlers

    def _wait(self) -> None:
        """Wait for signals, messages and ends of workers, at most until the next start or kill."""
        workers = list(self._workers.values())
        watched: list[Connection | socket.socket | int] = [self._signals, *(one.process.sentinel for one in workers)]
        watched += [one.connection for one in workers if not one.is_ready]
        times = [*self._starts.values(), *([] if self._kill_at is None else [self._kill_at])]
        timeout = max(0.0, min(times) - time.monotonic()) if times else None
        found = wait(watched, timeout)
        if self._signals in found:
            self._handle_signals(self._signals.recv(100))
        for worker in workers:
            if worker.connection in found:
                worker.receive()
                self._note_ready()
            if worker.process.sentinel in found:
                self._note_end(worker)

    def _handle_signals(self, numbers: bytes) -> None:
        if self._kill_at is None:
            self._end(signal.Signals(numbers[0]).name)
            numbers = numbers[1:]
        if numbers:
            for worker in self._workers.values():
                worker.send(CUT)

    def _end(self, reason: str) -> None:
        """Stop listening, and have all workers drain."""
        if self._has_served:
            log.info("server_stopping", reason=reason)
        self._listener.close()
        self._starts.clear()
        self._kill_at = time.monotonic() + self._drain_seconds + self._late_seconds
        for worker in self._workers.values():
            worker.send(DRAIN)

    def _kill_late(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = time.monotonic() + self._late_seconds
            for worker in self._workers.values():
                log.error("worker_killed", worker=worker.number, pid=worker.process.pid)
                worker.process.kill()

    def _note_ready(self) -> None:
        ready = sum(one.is_ready for one in self._workers.values())
        if ready == 0 or self._kill_at is not None:
            return
        self._failed_starts = 0
        if not self._has_served:
            self._has_served = True
            self._starts = dict.fromkeys(range(2, self._count + 1), 0.0)
        if ready == self._count and not self._was_complete:
            self._was_complete = True
            self._on_ready()

    def _note_end(self, worker: _Worker) -> None:
        """Plan the start after a worker's end, or end the server if no worker can start."""
        worker.receive()
        worker.process.join()
        self._shares[worker.number - 1].retire()
        worker.connection.close()
        del self._workers[worker.number]
        self._on_end(worker.number)
        if self._kill_at is not None:
            return
        if not worker.is_ready:
            self._failed_starts += 1
            limit = MAX_FAILED_STARTS if self._has_served else 1
            if self._failed_starts >= limit and not any(one.is_ready for one in self._workers.values()):
                self._failure = worker
                self._end("no worker can start")
                return
        number = worker.number
        if time.monotonic() - worker.started_at >= _STABLE_SECONDS:
            self._early_ends[number] = 0
        facts: dict[str, object] = {"worker": number, "pid": worker.process.pid, "status": _exit_status(worker.process)}
        if not worker.error:
            facts["incident"] = self._keep_incident(worker)
        why = {"why": mask_credentials(worker.error)} if worker.error else {}
        log.warning("worker_ended", **facts, **why, restart_in_seconds=self._plan_start(number))

    @staticmethod
    def _keep_incident(worker: _Worker) -> str:
        """Keep the unexpected end of a worker as an incident, which the next worker stores, and return its number."""
        number = secrets.token_hex(8)
        status = _exit_status(worker.process)
        text = f"worker {worker.number}, process {worker.process.pid}, ended with status {status}"
        keep_incident(number, "WorkerEnded", text, method="(worker)")
        return number

    def _plan_start(self, number: int) -> float:
        """Plan the start of a worker, and return the pause before it in seconds."""
        early = self._early_ends[number]
        pause = 0.0 if early == 0 else min(_FIRST_PAUSE_SECONDS * 2 ** (early - 1), _LONGEST_PAUSE_SECONDS)
        self._early_ends[number] += 1
        self._starts[number] = time.monotonic() + pause
        return pause


def _exit_status(process: ForkProcess) -> int:
    """Return the exit status of a process as a shell reports it; 1 for 0, since a worker ends by command only."""
    code = process.exitcode or 1
    return code if code > 0 else 128 - code

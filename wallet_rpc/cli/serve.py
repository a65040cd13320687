"""`wallet-rpc serve`: the server in this process, or in several worker processes on one listening socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from wallet_rpc import __version__
from wallet_rpc.cli.ready_file import open_ready_file
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.connections import raise_open_file_limit
from wallet_rpc.edge.life_log import log_life
from wallet_rpc.edge.listener import bind_socket, listener_url, serve_until_shutdown
from wallet_rpc.edge.worker_pipe import ParentPipe
from wallet_rpc.edge.worker_processes import WorkerProcesses
from wallet_rpc.server import open_server

if TYPE_CHECKING:  # a server without metrics does not import their library
    from wallet_rpc.metrics.opening import OpenMetrics


def run_serve_command(
    settings: Settings, *, ready_file: Path | None, print_line: Callable[[str], None], seed: str | None = None
) -> int:
    """Serve until a signal, and return the exit status: 0 for success. Raises: SettingError, also with a seed."""
    if seed is not None:
        raise SettingError("--seed: only for dev, since keys, tokens and ids would be predictable; start without it")
    is_json, is_one = settings.log != "human", settings.workers == 1
    log_lines.configure(json=is_json, level=settings.log_level, has_thread=is_one)
    raise_open_file_limit()
    with ExitStack() as stack:
        listener = stack.enter_context(bind_socket(settings))
        write_ready = stack.enter_context(open_ready_file(ready_file))
        metrics = _open_metrics(stack, settings)
        url = listener_url(listener)

        def report_ready() -> None:
            print_line(_format_greeting(settings, url, metrics))
            write_ready(_describe(settings, url, metrics))

        chains = [chain.describe() for chain in settings.chains]
        log_start = stack.enter_context(log_life("serve", settings, chains=chains, url=url, on_ready=report_ready))
        serve = partial(serve_until_shutdown, at=listener, drain_seconds=settings.drain_seconds)
        if is_one:
            own = None if metrics is None else metrics.of_process()
            _run(serve(open_server(settings, own), on_ready=log_start))
            return 0

        def run_worker(parent: ParentPipe) -> None:
            log_lines.configure(json=is_json, level=settings.log_level, worker=parent.worker)
            own = None if metrics is None else metrics.of_process(parent.worker)
            app = open_server(settings, own)
            _run(serve(app, on_ready=parent.report_ready, watch=parent.watch, share=parent.share))

        workers = WorkerProcesses(
            settings.workers,
            run_worker,
            listener,
            drain_seconds=settings.drain_seconds,
            on_ready=log_start,
            on_end=(lambda _: None) if metrics is None else metrics.remove_worker,
        )
        return workers.run()


def _open_metrics(stack: ExitStack, settings: Settings) -> OpenMetrics | None:
    """Open the metrics of the settings; None without any. Raises: SettingError."""
    if settings.metrics_port is None:
        return None
    from wallet_rpc.metrics.opening import open_metrics  # noqa: PLC0415  # imports their library

    return stack.enter_context(open_metrics(settings))


def _run(serving: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


def _describe(settings: Settings, url: str, metrics: OpenMetrics | None) -> Mapping[str, Any]:
    """Build the content of the ready file."""
    chain_ids = [chain.chain_id for chain in settings.chains]
    described = {"url": url, "pid": os.getpid(), "version": __version__, "chainIds": chain_ids}
    return described if metrics is None else {**described, "metricsUrl": metrics.url}


def _format_greeting(settings: Settings, url: str, metrics: OpenMetrics | None) -> str:
    lines = [f"Wallet API:  {url}"]
    if metrics is not None:
        lines.append(f"Metrics:     {metrics.url}")
    if settings.workers > 1:
        lines.append(f"Workers:     {settings.workers}")
    if settings.is_serve_open:
        lines.append(f"Open:        no API key is needed; set {variable('open')}=no to require one")
    return "\n".join(lines)

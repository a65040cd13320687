"""`wallet-rpc dev`: the server with its own chains and Redis, in this process."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from wallet_rpc.cli.parent import choose_watch
from wallet_rpc.cli.ready_file import open_ready_file
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DEFAULT_CHAIN, DevOptions, choose_dev_key, open_dev_server
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.accounts import banner, describe_development
from wallet_rpc.devchain.process import Worker
from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.connections import raise_open_file_limit
from wallet_rpc.edge.life_log import log_life
from wallet_rpc.edge.listener import bind_socket, listener_url, serve_until_shutdown


async def run_dev_command(
    settings: Settings,
    options: argparse.Namespace,
    *,
    parent: int,
    workers: tuple[Worker, ...],
    print_line: Callable[[str], None],
) -> None:
    """Serve until a signal or the parent's end; `workers` are processes for the chains. Raises: SettingError."""
    watch = choose_watch(exits_with_parent=options.exit_with_parent, parent=parent, process=options.exit_with)
    log_lines.configure(json=settings.log == "json", level=settings.log_level)
    raise_open_file_limit()
    dev_options = DevOptions(
        chains=tuple(dict.fromkeys(options.chain or [DEFAULT_CHAIN])),
        ephemeral=options.ephemeral or options.seed is not None,
        fork_url=options.fork_url,
        deployments=options.deployments,
        confirmations=options.confirmations,
        token_rates=dict(options.token or ()),
        key=choose_dev_key(settings, options.seed),
        seed=options.seed,
        workers=workers,
    )
    with ExitStack() as stack:
        listener = stack.enter_context(bind_socket(settings))
        write_ready = stack.enter_context(open_ready_file(options.ready_file))
        url = listener_url(listener)
        greeting, ready = _format_greeting(settings, dev_options, url), _describe(dev_options, url)
        metrics = None
        if settings.metrics_port is not None:
            from wallet_rpc.metrics.opening import open_metrics  # noqa: PLC0415  # only a server with metrics needs it

            opened = stack.enter_context(open_metrics(settings))
            greeting, ready = f"{greeting}\nMetrics:     {opened.url}", {**ready, "metricsUrl": opened.url}
            metrics = opened.of_process()

        def report_ready() -> None:
            print_line(greeting)
            write_ready(ready)

        log_start = stack.enter_context(
            log_life("dev", settings, chains=dev_options.chains, url=url, on_ready=report_ready)
        )
        app_context = open_dev_server(settings, dev_options, report=print_line, metrics=metrics)
        await serve_until_shutdown(
            app_context, listener, drain_seconds=settings.drain_seconds, on_ready=log_start, watch=watch
        )


def _describe(options: DevOptions, url: str) -> Mapping[str, Any]:
    """Build the content of the ready file; all its keys are for development only."""
    return {
        "url": url,
        "pid": os.getpid(),
        "chains": {str(chain_id): f"{url}/chain/{chain_id}" for chain_id in options.chains},
        **describe_development(options.chains, key=options.key),
    }


def _format_greeting(settings: Settings, options: DevOptions, url: str) -> str:
    """Format the text to print when the server is ready, with its API key."""
    lines = [line for chain_id in options.chains[:1] for line in banner(chain_id)]
    lines += ["", f"Wallet API:  {url}"]
    lines += [f"Chain {chain_id}: {url}/chain/{chain_id}" for chain_id in options.chains]
    lines += [f"Gas token:   {token}, {rate} units for 10^18 wei" for token, rate in options.token_rates.items()]
    if options.key is not None:
        kind = "publicly known" if options.key == dev_constants.API_KEY else "valid until this server stops"
        need = "no key is needed" if settings.is_dev_open else "a key is needed"
        lines += [f"API key:     {options.key} (of organisation {OPEN_ORGANIZATION}, {kind}; {need})"]
    if options.seed is not None:
        lines += [f"Warning:     with --seed {options.seed}, ids, keys and tokens are predictable: for tests only"]
    return "\n".join(lines)

"""`wallet-rpc dev`: the server with its own chains and Redis, in this process."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from wallet_rpc import __version__
from wallet_rpc.cli.parent import end_with_parent, require_parent
from wallet_rpc.cli.ready_file import open_ready_file
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DEFAULT_CHAIN, DevOptions, choose_dev_key, format_greeting, open_dev_server
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.connections import raise_open_file_limit
from wallet_rpc.edge.life_log import log_life
from wallet_rpc.edge.listener import Shutdown, bind_socket, end_on_signals, listener_url, serve_until_shutdown


async def run_dev_command(
    settings: Settings, options: argparse.Namespace, *, parent: int, print_line: Callable[[str], None]
) -> None:
    """Serve until a signal, or with the option until the end of the parent. Raises: SettingError."""
    watch: Callable[[Shutdown], None] = end_on_signals
    if options.exit_with_parent:
        require_parent(parent)
        watch = end_with_parent(parent)
    log_lines.configure(json=settings.log == "json", level=settings.log_level)
    raise_open_file_limit()
    dev_options = DevOptions(
        chains=tuple(dict.fromkeys(options.chain or [DEFAULT_CHAIN])),
        ephemeral=options.ephemeral,
        fork_url=options.fork_url,
        deployments=options.deployments,
        token_rates=dict(options.token or ()),
        key=choose_dev_key(settings),
    )
    with ExitStack() as stack:
        listener = stack.enter_context(bind_socket(settings))
        write_ready = stack.enter_context(open_ready_file(options.ready_file))
        url = listener_url(listener)
        greeting, ready = format_greeting(settings, dev_options, url), _describe(dev_options, url)
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
        "version": __version__,
        "chainIds": list(options.chains),
        "chains": {str(chain_id): f"{url}/chain/{chain_id}" for chain_id in options.chains},
        "apiKey": options.key,
        "accounts": [{"address": one.address.hex0x(), "privateKey": f"0x{one.key.hex()}"} for one in ACCOUNTS],
        "testToken": TEST_TOKEN.hex0x(),
    }

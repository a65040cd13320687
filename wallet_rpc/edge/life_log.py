"""Log of a server's life: its start, with version and settings, and its end with the reason."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from wallet_rpc import __version__
from wallet_rpc.config.settings import SettingError, Settings, describe_settings
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.observe import log, log_incident


@contextmanager
def log_life(
    command: str, settings: Settings, *, chains: Sequence[Any], url: str, on_ready: Callable[[], None]
) -> Iterator[Callable[[], None]]:
    """Log the end of the server that the block runs, and its start when the yielded function is called.

    That function then calls `on_ready`. The log has no start of a server that cannot start, whose error is printed.
    Raises: SystemExit after an unexpected error, which is an incident.
    """
    began = time.monotonic()
    started = False

    def log_start() -> None:
        nonlocal started
        started = True
        log.info(
            "server_started",
            command=command,
            version=__version__,
            python=platform.python_version(),
            pid=os.getpid(),
            url=url,
            workers=settings.workers,
            chains=chains,
            settings=describe_settings(settings),
            seconds=round(time.monotonic() - began, 2),
        )
        on_ready()

    try:
        yield log_start
    except SettingError:
        raise
    except Exception as raised:
        log_incident(raised, method=f"({command})")
        raise SystemExit(1) from raised
    finally:
        if started:
            log.info("server_stopped", pid=os.getpid(), seconds=round(time.monotonic() - began, 2))
            with suppress(OSError, ValueError):  # the log is closed or full
                log_lines.flush()

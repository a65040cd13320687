"""End of a server with its parent process, or with another one, also when that is killed.

Linux can signal the end of a parent (PR_SET_PDEATHSIG), but it watches the thread that started the process: a server
that a short-lived thread started would end at once. So the id of the parent is polled, on every system. A program that
starts the server through another, such as uvx, which may outlive it, has its own id watched.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

from wallet_rpc.config.settings import SettingError
from wallet_rpc.edge.listener import Shutdown, end_on_signals

_POLL_SECONDS = 0.2
_INIT = 1
"""Id of the process that adopts those whose parent has ended."""


def require_parent(parent: int) -> None:
    """Check that the parent runs, whose id was read when the command began.

    Raises: SettingError when it has ended already, so that another process, such as init, has adopted this one.
    """
    if os.getppid() != parent or (parent == _INIT and not _is_of_session(_INIT)):
        raise SettingError("--exit-with-parent: the parent process has ended already, so the server ends too")


def _is_of_session(process: int) -> bool:
    """Return True when this process is of the session of another, as a child of a container's first process is."""
    try:
        return os.getsid(process) == os.getsid(0)
    except OSError:
        return False


def choose_watch(*, exits_with_parent: bool, parent: int, process: int | None = None) -> Callable[[Shutdown], None]:
    """Return the function that begins the shutdown: at a signal, or also at the end of the parent or of a process.

    Raises: SettingError when one of them has ended already.
    """
    conditions: list[Callable[[], bool]] = []
    if exits_with_parent:
        require_parent(parent)
        conditions.append(lambda: os.getppid() == parent)
    if process is not None:
        if not is_running(process):
            raise SettingError(f"--exit-with: expected the id of a process that runs, got {process}")
        conditions.append(lambda: is_running(process))
    return end_without(conditions) if conditions else end_on_signals


def is_running(process: int) -> bool:
    """Return True if there is a process with this id."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # of another user
    except (OSError, OverflowError):
        return False
    return True


def end_without(conditions: Sequence[Callable[[], bool]]) -> Callable[[Shutdown], None]:
    """Return a function that begins the shutdown at a signal or once a condition is false."""

    def watch(shutdown: Shutdown) -> None:
        end_on_signals(shutdown)
        loop = asyncio.get_running_loop()

        def check() -> None:
            if all(holds() for holds in conditions):
                loop.call_later(_POLL_SECONDS, check)
            elif not shutdown.is_begun:
                shutdown.begin()

        loop.call_soon(check)

    return watch

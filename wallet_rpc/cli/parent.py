"""End of a server with its parent process, also when that is killed.

Linux can signal the end of a parent (PR_SET_PDEATHSIG), but it watches the thread that started the process: a server
that a short-lived thread started would end at once. So the id of the parent is polled, on every system.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

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


def end_with_parent(parent: int) -> Callable[[Shutdown], None]:
    """Return a function that begins the shutdown at a signal or once the process has another parent than `parent`."""

    def watch(shutdown: Shutdown) -> None:
        end_on_signals(shutdown)
        loop = asyncio.get_running_loop()

        def check() -> None:
            if os.getppid() == parent:
                loop.call_later(_POLL_SECONDS, check)
            elif not shutdown.is_begun:
                shutdown.begin()

        loop.call_soon(check)

    return watch

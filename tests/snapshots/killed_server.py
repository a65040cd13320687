"""Program that runs `wallet-rpc` and kills itself in the middle of a revert: `killed_server POINT ARGUMENT…`.

The points are `chain`, before the chain is reverted, and `wallet`, after that and before the wallet's state is.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from wallet_rpc.__main__ import main
from wallet_rpc.adapters.redis_undo import UndoLog

Method = Callable[..., Awaitable[Any]]


def kill_after(method: Method) -> Method:
    async def run(*arguments: Any, **options: Any) -> NoReturn:
        await method(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed")

    return run


async def kill_now(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    point = sys.argv.pop(1)
    log: Any = UndoLog
    if point == "chain":
        log.begin_request = kill_after(log.begin_request)
    else:
        log.revert = kill_now
    sys.exit(main())

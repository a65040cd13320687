"""Rolling upgrade: replicas of the earlier version are replaced by today's, one after the other, under load."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos.failures import run_freely
from tests.chaos.old_version import check_out
from tests.chaos.parts import Part, wallet_part
from tests.chaos.stacks import Stack, open_alto_stack, serve_settings
from tests.chaos.switch import Action

_STOP_SECONDS = 15.0
"""Time that a server has to shut down after SIGTERM, as an orchestrator gives it."""
_ROUNDS_BETWEEN = 3
"""Rounds before the first replacement, between the two, and after the second."""
ROUNDS = 3 * _ROUNDS_BETWEEN


@asynccontextmanager
async def open_upgrade_stack(folder: Path) -> AsyncIterator[Stack]:
    """Start the stack with two replicas of the earlier version. Raises: NoSuchCommit."""
    old = await asyncio.to_thread(check_out)
    async with open_alto_stack(folder, wallet=old.part) as stack:
        stack.name = "upgrade"
        yield stack


def replace_replica(stack: Stack, chosen_by: random.Random) -> tuple[Action, Action]:
    """Stop the next old replica by SIGTERM and start today's version at its port, each third round."""
    stack.turns += 1
    number, rest = divmod(stack.turns, _ROUNDS_BETWEEN)
    if rest or number > len(stack.urls):
        return run_freely()(stack, chosen_by)
    name = f"server-{number}"

    async def begin() -> None:
        await _stop(stack.parts[name])

    async def end() -> None:
        port = int(stack.urls[number - 1].rpartition(":")[2])
        part = wallet_part(f"new-{name}", "serve", port=port, folder=stack.folder, **serve_settings(stack))
        stack.parts[name] = part
        await part.restart()

    return begin, end


async def _stop(part: Part) -> None:
    """Send SIGTERM, and SIGKILL if the replica has not ended in time."""
    assert part.process is not None
    part.send(signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while part.process.poll() is None:
        if time.monotonic() > deadline:
            part.kill()
        await asyncio.sleep(0.05)

"""Failures: the ways in which a part breaks, and recovers."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tests.chaos.parts import Part
from tests.chaos.stacks import Stack
from tests.chaos.switch import Action, Behaviour
from tests.e2e.process import parent_and_state

Failure: TypeAlias = Callable[[Stack, random.Random], tuple[Action, Action]]
"""Chooses a part, and returns the action that breaks it and the one that ends the failure."""


def kill(name: str) -> Failure:
    """Send SIGKILL to a part, and start it again."""

    def choose(stack: Stack, chosen_by: random.Random) -> tuple[Action, Action]:
        part = _part(stack, name, chosen_by)

        async def begin() -> None:
            part.kill()

        return begin, part.restart

    return choose


def kill_child(word: str) -> Failure:
    """Send SIGKILL to the process of `dev` that has this word in its command line; `dev` starts it again."""

    def choose(stack: Stack, _: random.Random) -> tuple[Action, Action]:
        part = stack.parts["dev"]

        async def begin() -> None:
            for child in _children(part, word):
                os.kill(child, signal.SIGKILL)
                part.kills += 1

        return begin, part.wait_until_up

    return choose


def stop(name: str) -> Failure:
    """Freeze a part by SIGSTOP, and continue it by SIGCONT."""

    def choose(stack: Stack, chosen_by: random.Random) -> tuple[Action, Action]:
        part = _part(stack, name, chosen_by)

        async def begin() -> None:
            part.send(signal.SIGSTOP)

        async def end() -> None:
            part.send(signal.SIGCONT)

        return begin, end

    return choose


def behave(proxy: str, behaviour: Behaviour) -> Failure:
    """Change the behaviour of a proxy, and restore it."""

    def choose(stack: Stack, _: random.Random) -> tuple[Action, Action]:
        switch = stack.switches[proxy]

        async def begin() -> None:
            switch.set(behaviour)

        async def end() -> None:
            switch.set(Behaviour.PASS)

        return begin, end

    return choose


def reorganize(depth: int) -> Failure:
    """Replace the newest blocks by empty ones, fewer than make a call final."""

    def choose(stack: Stack, _: random.Random) -> tuple[Action, Action]:
        async def begin() -> None:
            await stack.ask("anvil_reorg", depth, [])

        return begin, _do_nothing

    return choose


def restart_later(name: str, *, blocks: int) -> Failure:
    """Send SIGKILL to a part, and start it again when the chain has grown by that many blocks."""

    def choose(stack: Stack, _: random.Random) -> tuple[Action, Action]:
        part = stack.parts[name]

        async def begin() -> None:
            part.kill()

        async def end() -> None:
            await stack.ask("anvil_mine", hex(blocks))
            await part.restart()

        return begin, end

    return choose


def run_freely() -> Failure:
    """Break nothing."""

    def choose(_: Stack, __: random.Random) -> tuple[Action, Action]:
        return _do_nothing, _do_nothing

    return choose


async def _do_nothing() -> None:
    return


def _part(stack: Stack, name: str, chosen_by: random.Random) -> Part:
    return chosen_by.choice(stack.servers) if name == "server" else stack.parts[name]


def _children(part: Part, word: str) -> list[int]:
    assert part.process is not None
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent_and_state(int(entry.name)) or (0, ""))[0] == part.process.pid:
            line = (entry / "cmdline").read_bytes() if (entry / "cmdline").exists() else b""
            found += [int(entry.name)] if word.encode() in line else []
    return found

"""The command line in this process, on its own Redis: output and exit status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from wallet_rpc.__main__ import main
from wallet_rpc.adapters.redis_store import RedisStore

T = TypeVar("T")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z"


@dataclass
class Cli:
    """The command line, on its own Redis."""

    redis_url: str
    capture: pytest.CaptureFixture[str]
    environ: pytest.MonkeyPatch
    stderr: str = field(default="", init=False)
    """Standard error of the last command."""

    def __post_init__(self) -> None:
        self.environ.setenv("WALLET_RPC_REDIS_URL", self.redis_url)

    def status(self, *arguments: str) -> tuple[int, str]:
        """Run a command, and return its exit status and standard output."""
        try:
            status = main(arguments)
        except SystemExit as system_exit:  # argparse
            status = int(str(system_exit.code))
        printed, self.stderr = self.capture.readouterr()
        return status, printed

    def text(self, *arguments: str) -> str:
        """Run a command that must succeed, and return its standard output."""
        status, printed = self.status(*arguments)
        assert (status, self.stderr) == (0, "")
        return printed

    def json(self, *arguments: str) -> dict[str, Any]:
        printed = self.text(*arguments, "--json")
        assert printed.count("\n") == 1
        value: dict[str, Any] = json.loads(printed)
        return value

    def organization(self, name: str = "Example shop") -> str:
        return str(self.json("org", "create", name)["orgId"])

    def run_on_store(self, work: Callable[[RedisStore], Awaitable[T]]) -> T:
        """Run `work` on the store behind the command line."""

        async def run_work() -> T:
            async with RedisStore.open(self.redis_url) as store:
                return await work(store)

        return asyncio.run(run_work())

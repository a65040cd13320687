"""The command line in this process, on a Redis of its own: what it prints, and how it ends."""

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
    """The command line, on a Redis of its own."""

    redis_url: str
    capture: pytest.CaptureFixture[str]
    environ: pytest.MonkeyPatch
    said: str = field(default="", init=False)
    """On standard error, by the last command."""

    def __post_init__(self) -> None:
        self.environ.setenv("WALLET_RPC_REDIS_URL", self.redis_url)

    def status(self, *arguments: str) -> tuple[int, str]:
        """Of a command, and what it prints."""
        try:
            status = main(arguments)
        except SystemExit as ended:  # argparse
            status = int(str(ended.code))
        printed, self.said = self.capture.readouterr()
        return status, printed

    def text(self, *arguments: str) -> str:
        """What a command prints that does what it is asked."""
        status, printed = self.status(*arguments)
        assert (status, self.said) == (0, "")
        return printed

    def json(self, *arguments: str) -> dict[str, Any]:
        printed = self.text(*arguments, "--json")
        assert printed.count("\n") == 1
        value: dict[str, Any] = json.loads(printed)
        return value

    def organization(self, name: str = "Example shop") -> str:
        return str(self.json("org", "create", name)["orgId"])

    def run_on_store(self, work: Callable[[RedisStore], Awaitable[T]]) -> T:
        """Do something to what is kept."""

        async def run_work() -> T:
            async with RedisStore.open(self.redis_url) as store:
                return await work(store)

        return asyncio.run(run_work())

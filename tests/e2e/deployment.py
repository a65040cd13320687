"""A deployment that an operator may have, behind the settings of `serve`: a Redis, a chain, keys and policies."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.redis_processes import HOST, PASSWORD, RedisProcess
from tests.devchain.sample import Node
from tests.support.policies import write_policies
from wallet_rpc.config.settings import SettingError, load
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.server import open_server

KEY_IN_URL = "a1b2c3d4e5f6"
RELAYER_KEY = "0x" + ACCOUNTS[-1].key.hex()
SECRETS = (PASSWORD, KEY_IN_URL, RELAYER_KEY[2:], dev_constants.PAYMASTER_KEY.hex(), "s" * 32)
DEAD = f"http://127.0.0.1:1/{KEY_IN_URL}"


@dataclass
class Deployment:
    """A healthy deployment that tests disturb."""

    redis: RedisProcess
    node: Node
    url: str
    folder: Path

    def chains(self, **changes: Any) -> str:
        """Write the file of chains with some keys changed, or removed by None, and return its path."""
        table = {"id": 31337, "node": f"{self.url}/{KEY_IN_URL}", "bundler": self.url, "paymaster": self.url}
        table |= {"verifying_paymaster": dev_constants.PAYMASTER.hex0x(), **changes}
        file = self.folder / "chains.toml"
        lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
        file.write_text("\n".join(["[[chain]]", *lines]))
        return str(file)

    def settings(self, **changes: str | None) -> dict[str, str]:
        """Return the environment with some settings changed, or removed by None."""
        policies = write_policies(self.folder, {"id": "3061cc5f-1f96-48a9-ab45-41faad2dd23b"})
        chosen: dict[str, str | None] = {
            "PORT": "0",
            "REDIS_URL": f"redis://:{PASSWORD}@{HOST}:{self.redis.port}",
            "CHAINS": "" if "CHAINS" in changes else self.chains(),
            "POLICIES": str(policies),
            "PAYMASTER_KEY": "0x" + dev_constants.PAYMASTER_KEY.hex(),
            "RELAYER_KEY": RELAYER_KEY,
            "TOKEN_SECRETS": "s" * 32,
            **changes,
        }
        return {f"WALLET_RPC_{name}": text for name, text in chosen.items() if text is not None}


def start_error(environ: dict[str, str]) -> str:
    """Return the error of `serve` with an environment; empty when it starts."""

    async def start() -> None:
        async with open_server(load(environ)):
            pass

    try:
        asyncio.run(start())
    except SettingError as error:
        return str(error)
    return ""

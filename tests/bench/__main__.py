"""`make bench`: rate of session creation, and of complete session operations on the embedded chain.

Each number is measured on a real server in its own process, over real HTTP, with a real Redis. This is not a test:
nothing fails for being slow.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.load import Connection, measure
from tests.support.constants import FRIEND, ROOT, TOKEN
from tests.support.wallet import AsyncWallet, Grant
from wallet_rpc.devchain import dev_constants

CONNECTIONS = 16
SESSIONS = 6000
OPERATIONS = 200
ACCOUNTS = 8
PERMISSIONS: dict[str, list[dict[str, Any]]] = {
    "root": [ROOT],
    "five permissions": [
        {"type": "native-token-transfer", "data": {"allowance": "0xde0b6b3a7640000"}},
        {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}},
        {"type": "gas-limit", "data": {"limit": "0xde0b6b3a7640000"}},
        {"type": "contract-access", "data": {"address": FRIEND}},
        {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}},
    ],
}


@contextmanager
def server(*options: str) -> Iterator[str]:
    """Run a `wallet-rpc dev` process, discard its log, and yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"PORT": "0", "DATA_DIR": str(Path(folder) / "data"), "UNSIGNED_SESSIONS": "1000000"}
        environ = {**os.environ, **{f"WALLET_RPC_{name}": value for name, value in settings.items()}}
        command = [sys.executable, "-m", "wallet_rpc", "dev", *options]
        with subprocess.Popen(  # noqa: S603  # wallet-rpc itself
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            found = None
            while found is None:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError("the server did not start")
                found = re.match(r"Wallet API:\s+(http://\S+)", line)
            try:
                yield found[1]
            finally:
                process.terminate()


def session_request(account: str, permissions: list[Any]) -> bytes:
    request = {
        "account": account,
        "chainId": "0x7a69",
        "expirySec": int(time.time()) + 3600,
        "key": {"type": "secp256k1", "publicKey": "0x" + secrets.token_hex(20)},
        "permissions": permissions,
    }
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "wallet_createSession", "params": [request]}).encode()


async def create_sessions(url: str, name: str, *, suffix: str = "") -> None:
    """Measure wallet_createSession for accounts that are not deployed yet, as at a user's sign-up."""
    connections = [await Connection.open(url) for _ in range(CONNECTIONS)]
    free = list(connections)

    def job(body: bytes) -> Callable[[], Awaitable[object]]:
        async def run() -> None:
            connection = free.pop()
            answer = await connection.post(body)
            free.append(connection)
            if b'"result"' not in answer:
                raise RuntimeError(answer.decode())

        return run

    for round_name, count in (("warm-up", 500), (name, SESSIONS)):
        bodies = [session_request("0x" + secrets.token_hex(20), PERMISSIONS[name]) for _ in range(count)]
        rate = await measure([job(body) for body in bodies], at_once=CONNECTIONS)
        if round_name != "warm-up":
            print(rate.line(f"createSession, {name}{suffix}"), flush=True)
    for connection in connections:
        connection.close()


class Holder:
    """Account with an installed session, on its own connection."""

    def __init__(self, wallet: AsyncWallet, grant: Grant, connection: Connection) -> None:
        self.wallet = wallet
        self.grant = grant
        self.connection = connection

    @classmethod
    async def make(cls, url: str) -> Holder:
        connection = await Connection.open(url)
        wallet = AsyncWallet(connection)
        await wallet.request_account()
        holder = cls(wallet, await wallet.grant(ROOT), connection)
        await holder.act()
        return holder

    async def act(self) -> None:
        """Prepare, sign and send a call, and check that it is confirmed."""
        prepared = await self.wallet.prepare({"to": FRIEND}, permissions=self.grant.permissions)
        call_id = await self.wallet.send(prepared, self.grant.key, self.grant.permissions)
        status = await self.wallet.status(call_id)
        if status != 200:
            raise RuntimeError(f"status {status}")


async def session_operations(url: str) -> None:
    """Measure complete operations of installed sessions: prepare, sign, send, get status."""
    holders = [await Holder.make(url) for _ in range(ACCOUNTS)]
    for at_once in (1, ACCOUNTS):
        free = holders[:at_once]

        async def act(free: list[Holder] = free) -> None:
            holder = free.pop()
            await holder.act()
            free.append(holder)

        rate = await measure([act] * OPERATIONS, at_once=at_once)
        print(rate.line(f"session operations, {at_once} account(s) at once"), flush=True)
    for holder in holders:
        holder.connection.close()


def main() -> None:
    print(f"{os.cpu_count()} cores, shared by the server, Redis, the chain and the load; {CONNECTIONS} connections")
    for persistence, options in (("stored on disk", ()), ("ephemeral", ("--ephemeral",))):
        print(f"\n{persistence}:")
        with server(*options) as url:
            for name in PERMISSIONS:
                asyncio.run(create_sessions(url, name))
            asyncio.run(create_sessions(f"{url}/v2/{dev_constants.API_KEY}", "root", suffix=", with a key"))
            asyncio.run(session_operations(url))


if __name__ == "__main__":
    main()

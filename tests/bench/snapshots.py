"""Time of snapshots and reverts with many sessions, over HTTP: `python -m tests.bench.snapshots`.

A real server holds the sessions, of 50 accounts. The first revert undoes one session and one call, as after a test.
The second one undoes all sessions.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from eth_account import Account

from wallet_rpc.client import Address, Call, Owner, WalletClient
from wallet_rpc.testing import WalletServer

ROOT: dict[str, Any] = {"type": "root"}
FRIEND = Address.parse("0x00000000000000000000000000000000f00dcafe")
ACCOUNTS = 50
ROUNDS = 15


def run(sessions: int) -> None:
    """Measure, and print a line for each number."""
    with WalletServer() as server, WalletClient(server.url, api_key=server.api_key) as wallet:
        owners = [wallet.open_account(Account.create()) for _ in range(ACCOUNTS)]
        wallet.request("anvil_setBalance", str(owners[0].account), hex(10**20))
        empty = wallet.request("evm_snapshot")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda number: _grant(wallet, owners[number % ACCOUNTS]), range(sessions)))
        print(f"sessions stored: {_count(wallet)}")
        _print(
            "a read, for comparison", [_time(wallet, "eth_getBalance", str(FRIEND), "latest")[0] for _ in range(ROUNDS)]
        )
        _print("snapshot", [_time(wallet, "evm_snapshot")[0] for _ in range(ROUNDS)])
        _print("revert after a session and a call", [_revert_test(wallet, owners[0]) for _ in range(ROUNDS)])
        _print("revert after nothing", [_revert_nothing(wallet) for _ in range(ROUNDS)])
        _print(f"revert of {sessions} sessions", [_time(wallet, "evm_revert", empty)[0]])
        print(f"sessions stored: {_count(wallet)}")


def _grant(wallet: WalletClient, owner: Owner) -> None:
    wallet.grant(owner, Account.create(), ROOT)


def _count(wallet: WalletClient) -> int:
    count, cursor = 0, None
    while True:
        page = wallet.request("wallet_listSessions", {"limit": 100, **({} if cursor is None else {"cursor": cursor})})
        count, cursor = count + len(page["sessions"]), page.get("cursor")
        if cursor is None:
            return count


def _revert_test(wallet: WalletClient, owner: Owner) -> float:
    snapshot = wallet.request("evm_snapshot")
    grant = wallet.grant(owner, Account.create(), ROOT)
    wallet.wait(wallet.send(grant, Call(to=FRIEND)))
    return _time(wallet, "evm_revert", snapshot)[0]


def _revert_nothing(wallet: WalletClient) -> float:
    return _time(wallet, "evm_revert", wallet.request("evm_snapshot"))[0]


def _time(wallet: WalletClient, method: str, *params: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = wallet.request(method, *params)
    assert result
    return time.perf_counter() - started, result


def _print(name: str, seconds: list[float]) -> None:
    values = ", ".join(f"{1000 * each:.1f} ms" for each in (median(seconds), min(seconds), max(seconds)))
    print(f"{name}: median, least, most of {len(seconds)}: {values}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    run(parser.parse_args().sessions)

"""Control of the embedded chain behind a wallet fixture."""

from __future__ import annotations

from typing import Any

from tests.operations.conftest import WalletFixture


async def ask_node(wallet: WalletFixture, method: str, *params: Any) -> Any:
    return await wallet.control(method, *params)


async def pass_blocks(wallet: WalletFixture, count: int) -> None:
    for _ in range(count):
        await ask_node(wallet, "evm_mine")

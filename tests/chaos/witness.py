"""The chain's own account of the calls: EntryPoint's events and the balances of recipients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_utils.crypto import keccak

from tests.chaos.stacks import Stack
from tests.support.constants import ENTRY_POINT

_USER_OPERATION_EVENT = (
    "0x" + keccak(text="UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)").hex()
)
_AT_ONCE = 20


@dataclass(frozen=True)
class IncludedOperation:
    """An operation that is in a block."""

    sender: str
    nonce: int
    success: bool
    block: int


@dataclass
class Witness:
    """Facts of the chain, read from its node without any proxy."""

    stack: Stack
    first_block: int = 0
    operations: dict[str, IncludedOperation] = field(default_factory=dict)
    """By user operation hash."""

    async def start(self) -> None:
        """Remember the newest block; only later ones are read."""
        self.first_block = int(await self.stack.ask("eth_blockNumber"), 16)

    async def read(self) -> None:
        """Read all operations since the start."""
        logs = await self.stack.ask(
            "eth_getLogs",
            {
                "address": ENTRY_POINT,
                "fromBlock": hex(self.first_block),
                "toBlock": "latest",
                "topics": [_USER_OPERATION_EVENT],
            },
        )
        self.operations = {
            log["topics"][1]: IncludedOperation(
                sender="0x" + log["topics"][2][-40:],
                nonce=int(log["data"][2:66], 16),
                success=int(log["data"][66:130], 16) == 1,
                block=int(log["blockNumber"], 16),
            )
            for log in logs
        }

    async def balances(self, addresses: Iterable[str]) -> dict[str, int]:
        """Return the balance of each address, in wei."""
        free = asyncio.Semaphore(_AT_ONCE)

        async def balance(address: str) -> tuple[str, int]:
            async with free:
                return address, int(await self.stack.ask("eth_getBalance", address, "latest"), 16)

        return dict(await asyncio.gather(*map(balance, addresses)))

"""Search for the user operation that used a nonce, in EntryPoint's events.

Only an event that EntryPoint itself emitted for the exact sender and nonce counts. A missing event proves nothing:
nodes keep or search only part of the chain, and an account may use up a nonce without an operation.
"""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.adapters.log_entries import LogEntry
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.user_operation import USER_OPERATION_EVENT
from wallet_rpc.primitives import Address, BlockNumber, Hash32
from wallet_rpc.wire import shape

SPAN_BLOCKS = 2_000
"""Blocks per `eth_getLogs` call; nodes limit this, often to 2,000 or 10,000."""
MAX_SPANS = 10
"""Maximum number of `eth_getLogs` calls of one search, from the latest block backwards; a sponsorship waits for it."""
_NO_PAYMASTER = Address(bytes(20))
"""Paymaster in the event of an operation that its account paid itself. Source: EntryPoint v0.7."""


@shape
class _Event(LogEntry):
    block_number: BlockNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceUse:
    """Operation that used the nonce: its cost in wei, its block, and True if a paymaster paid it."""

    cost: int
    block_number: int
    is_sponsored: bool


async def find_nonce_use(node: Rpc, sender: Address, nonce: int, *, latest: int) -> NonceUse | None:
    """Return the operation of `sender` with this full 256-bit nonce in the last blocks up to `latest`, or None.

    Raises: Unavailable when the node does not respond or returns an error.
    """
    topics = [USER_OPERATION_EVENT, None, Hash32(abi.address(sender))]
    log_filter = {"address": ENTRY_POINT.hex0x(), "topics": [None if one is None else one.hex0x() for one in topics]}
    for last in range(latest, max(latest - MAX_SPANS * SPAN_BLOCKS, -1), -SPAN_BLOCKS):
        newest = "latest" if last == latest else hex(last)  # nodes reject a number above their own latest block
        span = {"fromBlock": hex(max(last - SPAN_BLOCKS + 1, 0)), "toBlock": newest}
        answer = await node.read("eth_getLogs", [{**log_filter, **span}], unbatched=True)
        for event in node.decode_result(tuple[_Event, ...], answer):
            if _matches(event, sender, nonce):
                return NonceUse(
                    cost=int.from_bytes(event.data[64:96]),
                    block_number=event.block_number,
                    is_sponsored=Address(event.topics[3][12:]) != _NO_PAYMASTER,
                )
    return None


def _matches(event: LogEntry, sender: Address, nonce: int) -> bool:
    """Return True for the event of this sender and nonce, since a node may ignore the filter.

    Topics: event signature, operation hash, sender, paymaster. Data: nonce, success, cost, gas; 32 bytes each.
    """
    return (
        event.address == ENTRY_POINT
        and len(event.topics) == 4
        and (event.topics[0], event.topics[2]) == (USER_OPERATION_EVENT, abi.address(sender))
        and len(event.data) == 128
        and int.from_bytes(event.data[:32]) == nonce
    )

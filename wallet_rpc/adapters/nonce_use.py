"""Which user operation used a nonce, as EntryPoint's events tell.

The rule: only an event of EntryPoint itself with this very sender and nonce is an answer. That there is none proves
nothing: nodes keep or search a part of the chain only, and an account may also burn a nonce without an operation.
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
"""How many blocks one question is about; nodes limit it, often to 2,000 or 10,000."""
MAX_SPANS = 10
"""How many questions are asked, from the latest block backwards; a sponsorship waits for them."""
_NO_PAYMASTER = Address(bytes(20))
"""The paymaster in the event of an operation that its account paid itself. Source: EntryPoint v0.7."""


@shape
class _Event(LogEntry):
    block_number: BlockNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceUse:
    """An operation that used the nonce: its cost in wei, its block, and whether a paymaster paid it."""

    cost: int
    block_number: int
    is_sponsored: bool


async def find_nonce_use(node: Rpc, sender: Address, nonce: int, *, latest: int) -> NonceUse | None:
    """The operation of `sender` with this full 256-bit nonce in the last blocks up to `latest`; None when not found.

    Raises: Unavailable when the node does not answer or refuses to.
    """
    topics = [USER_OPERATION_EVENT, None, Hash32(abi.address(sender))]
    wanted = {"address": ENTRY_POINT.hex0x(), "topics": [None if one is None else one.hex0x() for one in topics]}
    for last in range(latest, max(latest - MAX_SPANS * SPAN_BLOCKS, -1), -SPAN_BLOCKS):
        newest = "latest" if last == latest else hex(last)  # nodes refuse a number that is ahead of them
        span = {"fromBlock": hex(max(last - SPAN_BLOCKS + 1, 0)), "toBlock": newest}
        answer = await node.read("eth_getLogs", [{**wanted, **span}], unbatched=True)
        for event in node.decode_result(tuple[_Event, ...], answer):
            if _matches(event, sender, nonce):
                return NonceUse(
                    cost=int.from_bytes(event.data[64:96]),
                    block_number=event.block_number,
                    is_sponsored=Address(event.topics[3][12:]) != _NO_PAYMASTER,
                )
    return None


def _matches(event: LogEntry, sender: Address, nonce: int) -> bool:
    """Whether it is what was asked for; a node that does not know filters is not believed.

    Topics: the event, operation hash, sender, paymaster. Data: nonce, success, cost, gas; 32 bytes each.
    """
    return (
        event.address == ENTRY_POINT
        and len(event.topics) == 4
        and (event.topics[0], event.topics[2]) == (USER_OPERATION_EVENT, abi.address(sender))
        and len(event.data) == 128
        and int.from_bytes(event.data[:32]) == nonce
    )

"""Confirmations of a block: the blocks from it to the latest, both included."""

from __future__ import annotations

from wallet_rpc.ports import Node


async def has_confirmations(node: Node, block_number: int, *, required: int) -> bool:
    """Return True when the block has the required number of confirmations; the first needs no read."""
    return required <= 1 or await node.block_number() - block_number + 1 >= required

"""`wallet_test_reorg`: the newest blocks of a chain are replaced."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams, Rejected, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import BlockNumber, Hash32
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.fault_requests import ChainSelector, choose_chain, controls_of
from wallet_rpc.wire import shape, strict_shape

MAX_REORG_DEPTH = 256
"""Maximum number of blocks that are replaced."""


class ReplacedTransactions(StrEnum):
    """Destination of the transactions of the replaced blocks, and of the user operations in them."""

    MEMPOOL = "mempool"
    """To the mempool, from which the next block includes them."""
    LOST = "lost"
    """Nowhere."""


@strict_shape
class Reorg(ChainSelector):
    """The blocks to replace."""

    depth: Annotated[int, Field(strict=True, ge=1, le=MAX_REORG_DEPTH), BeforeValidator(exact_integer)]
    """Number of blocks to replace, 1 to 256; the chain's first block stays."""
    transactions: ReplacedTransactions = ReplacedTransactions.MEMPOOL
    """`mempool`: transactions and user operations of these blocks wait for the next block; `lost`: they are gone."""


@shape
class ReorgResult:
    """The chain after the reorganisation, and what was in the replaced blocks."""

    head: BlockNumber
    """Number of the newest block, as before."""
    transactions: tuple[Hash32, ...]
    """Hashes of the transactions of the replaced blocks, in their order."""
    operations: tuple[Hash32, ...]
    """Hashes of the user operations of the replaced blocks, in their order."""


async def run(ports: Ports, request: Reorg) -> ReorgResult:
    """Replace the blocks."""
    keeps = request.transactions is ReplacedTransactions.MEMPOOL
    chain_id = choose_chain(ports, request)
    result = await controls_of(ports).control(chain_id, "dev_reorganize", hex(request.depth), keeps)
    if "highest" in result:
        raise InvalidParams(
            field="params.depth",
            expected=f"at most {result['highest']}, the number of blocks after the first one",
            given=request.depth,
            reason="reorg_too_deep",
        )
    return wire.decode(ReorgResult, result, at="result")


OPERATION: Operation[Ports, Reorg, ReorgResult] = Operation(
    "wallet_test_reorg",
    Reorg,
    ReorgResult,
    run,
    "Have the newest blocks of a chain replaced by as many others.",
    (Rejected, UnsupportedChain),
    reasons=("reorg_too_deep",),
    description=(
        "The new blocks are empty and have the times and fees of the old ones. Direct changes such as "
        "`anvil_setBalance` that were made after the last block that stays are undone, and snapshots that were taken "
        "since are gone. The wallet server gets no notice: it finds out as in production."
    ),
)

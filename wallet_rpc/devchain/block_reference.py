"""Which block a request means: a tag, a height, or an object with a height or a hash (EIP-1898)."""

from __future__ import annotations

from typing import TypeAlias

from pydantic_core import PydanticCustomError

from wallet_rpc.devchain.chain import PENDING, Chain
from wallet_rpc.devchain.faults import UnknownBlock
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import BlockNumber, Hash32, quantity, shown
from wallet_rpc.wire import shape


@shape
class BlockIdentifier:
    """A block by height or by hash (EIP-1898)."""

    block_number: BlockNumber | None = None
    block_hash: Hash32 | None = None


BlockReference: TypeAlias = str | BlockIdentifier
"""`latest`, `pending`, `earliest`, `safe`, `finalized`, a hex height, or an identifier."""


def height(chain: Chain, reference: BlockReference | None) -> int | None:
    """The height, `PENDING`, or None for the newest. Raises: UnknownBlock, InvalidParams."""
    match reference:
        case None | "latest" | "safe" | "finalized":
            return None
        case "pending":
            return PENDING
        case "earliest":
            return chain.first_number
        case str():
            return _height(reference)
        case BlockIdentifier(block_number=int() as number):
            return number
        case BlockIdentifier(block_hash=Hash32() as identity):
            found = chain.block_by_hash(identity)
            if found is None:
                raise UnknownBlock
            return found.number
        case _:
            raise InvalidParams("block: expected blockNumber or blockHash", field="params.block")


def mined(chain: Chain, reference: BlockReference) -> Block | None:
    """The block meant, if kept; `pending` is the newest, as nothing is ever pending."""
    number = height(chain, reference)
    return chain.head if number is None or number == PENDING else chain.block(number)


def _height(text: str) -> int:
    try:
        return quantity(text, 64)
    except PydanticCustomError:
        raise InvalidParams(f"block: expected a tag or a hex height, got {shown(text)}", field="params.block") from None

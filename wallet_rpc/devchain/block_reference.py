"""References to blocks: a tag, a height, a hash, or an object with a height or a hash (EIP-1898)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field
from pydantic_core import PydanticCustomError

from wallet_rpc.devchain.chain import PENDING_BLOCK, Blockchain
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import BlockNumber, Hash32, parse_quantity
from wallet_rpc.wire import strict_shape


@strict_shape
class BlockIdentifier:
    """A block by height or by hash (EIP-1898). All blocks here are canonical, so `requireCanonical` has no effect."""

    block_number: BlockNumber | None = None
    block_hash: Hash32 | None = None
    require_canonical: Annotated[bool, Field(strict=True)] | None = None


BlockReference: TypeAlias = str | BlockIdentifier
"""`latest`, `pending`, `earliest`, `safe`, `finalized`, a hex height, a hash, or an identifier."""
BlockTag: TypeAlias = str | Annotated[int, Field(strict=True, ge=0)]
"""A tag or a height, which may be a JSON number."""
_HASH_LENGTH = 66


def resolve_height(chain: Blockchain, reference: BlockReference | None) -> int | None:
    """Resolve a reference to a height, `PENDING_BLOCK` or None (the newest). Raises: UnknownBlock, InvalidParams."""
    match reference:
        case None:
            return None
        case str() if len(reference) == _HASH_LENGTH:
            return _by_hash(chain, reference)
        case str():
            return resolve_tag(chain, reference)
        case BlockIdentifier(block_number=int() as number, block_hash=None):
            return number
        case BlockIdentifier(block_number=None, block_hash=Hash32() as identity):
            return _by_hash(chain, identity)
        case _:
            got = "neither" if reference.block_number is None else "both"
            raise InvalidParams(f"expected blockNumber or blockHash, got {got}", field="params.block")


def resolve_tag(chain: Blockchain, tag: BlockTag, *, at: str = "params.block") -> int | None:
    """Resolve a tag or a height like `resolve_height`, without lookups by hash.

    Raises: InvalidParams, which names the path `at`.
    """
    if isinstance(tag, int):
        return tag
    match tag.lower():
        case "latest" | "safe" | "finalized":
            return None
        case "pending":
            return PENDING_BLOCK
        case "earliest":
            return chain.first_number
    try:
        return parse_quantity(tag, 64)
    except PydanticCustomError:
        raise InvalidParams(field=at, expected="a tag or a hex height", given=tag) from None


def find_block(chain: Blockchain, tag: BlockTag) -> Block | None:
    """Return the block of a tag or height, or None when it is not stored.

    `pending` selects the block that would be mined now.
    """
    number = resolve_tag(chain, tag)
    if number == PENDING_BLOCK:
        return chain.pending_block()
    return chain.head if number is None else chain.block(number)


def _by_hash(chain: Blockchain, identity: str | Hash32) -> int:
    try:
        found = chain.block_by_hash(Hash32.parse(identity))
    except PydanticCustomError:
        raise InvalidParams(field="params.block", expected="a hash", given=identity) from None
    if found is None:
        raise UnknownBlock
    return found.number

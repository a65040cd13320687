"""Encoding of blocks for storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlp import codec  # type: ignore[import-untyped]  # rlp 5 has no py.typed

from wallet_rpc.devchain.evm import EventLog
from wallet_rpc.devchain.ledger import Block, Inclusion, build_block, encode_integer, encode_raw, order_inclusions


def pack_block(block: Block) -> bytes:
    """Encode a block for storage: only the values it was built from, as RLP."""
    facts = [
        encode_integer(block.number),
        block.parent_hash,
        encode_integer(block.timestamp),
        block.state_root,
        encode_integer(block.gas_limit),
        encode_integer(block.base_fee),
    ]
    if any(block.coinbase):
        facts.append(block.coinbase)
    return encode_raw([facts, *(map(_pack_inclusion, block.inclusions) if block.inclusions else [[]])])


def _pack_inclusion(inclusion: Inclusion) -> list[Any]:
    logs = [[log.address, list(log.topics), log.data] for log in inclusion.logs]
    amounts = [
        encode_integer(int(inclusion.success)),
        encode_integer(inclusion.gas_used),
        encode_integer(inclusion.gas_price),
    ]
    return [inclusion.raw, inclusion.hash, inclusion.sender, amounts, b"", logs]


def unpack_block(stored: bytes) -> Block:
    """Decode a block that `pack_block` encoded."""
    decoded: Any = codec.decode(stored)
    facts, *inclusions = decoded
    return build_block(
        number=int.from_bytes(facts[0]),
        parent_hash=facts[1],
        timestamp=int.from_bytes(facts[2]),
        state_root=facts[3],
        gas_limit=int.from_bytes(facts[4]),
        base_fee=int.from_bytes(facts[5]),
        coinbase=facts[6] if len(facts) > 6 else bytes(20),
        inclusions=order_inclusions([_unpack_inclusion(fields) for fields in inclusions if fields]),
    )


def _unpack_inclusion(fields: Sequence[Any]) -> Inclusion:
    raw, identity, sender, amounts, _created, logs = fields
    success, gas_used, gas_price = (int.from_bytes(amount) for amount in amounts)
    return Inclusion(
        raw=raw,
        hash=identity,
        sender=sender,
        success=success == 1,
        gas_used=gas_used,
        gas_price=gas_price,
        logs=tuple(EventLog(address, tuple(topics), data) for address, topics, data in logs),
    )

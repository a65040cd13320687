"""Blocks, their transactions and receipts: records, encodings and hashes.

A block has at most one transaction. Hashes are the real ones (header, transaction and receipt encodings of Prague);
only the state root is the commitment of `ChainState`, not a Merkle root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias

from eth._utils.address import generate_contract_address
from eth.abc import SignedTransactionAPI
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_hash.auto import keccak
from eth_typing import Address
from rlp import codec  # type: ignore[import-untyped]  # rlp 5 has no py.typed

from wallet_rpc.devchain.evm import EventLog


def encode_raw(item: Any) -> bytes:
    """Encode nested lists of byte strings as RLP.

    `rlp.codec` takes three times as long, which is most of the time to mine a block without a transaction.
    """
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _length_prefix(len(item), 0x80) + item
    payload = b"".join([encode_raw(part) for part in item])
    return _length_prefix(len(payload), 0xC0) + payload


@lru_cache(maxsize=1024)
def _length_prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = encode_integer(length)
    return bytes((offset + 55 + len(size),)) + size


EMPTY_ROOT = keccak(encode_raw(b""))
"""The root of a trie without entries."""
NO_UNCLES = keccak(encode_raw([]))
"""The hash of an empty list of uncles."""
NO_REQUESTS = sha256(b"").digest()
"""The hash of an empty list of execution requests (EIP-7685)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """A transaction in a block and its outcome."""

    raw: bytes
    hash: bytes
    sender: bytes
    success: bool
    gas_used: int
    gas_price: int
    """The price paid, in wei per gas."""
    logs: tuple[EventLog, ...]

    @property
    def transaction(self) -> SignedTransactionAPI:
        """The decoded transaction."""
        return decode_transaction(self.raw)

    @property
    def contract_address(self) -> bytes | None:
        """The address of the created contract, even if the creation failed; None for other transactions."""
        signed = self.transaction
        return None if signed.to else bytes(generate_contract_address(Address(self.sender), signed.nonce))

    @property
    def kind(self) -> int:
        """The transaction type; 0 for a legacy one."""
        return self.raw[0] if self.raw[0] < 0x80 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block: its header values and its transaction."""

    number: int
    parent_hash: bytes
    timestamp: int
    state_root: bytes
    gas_limit: int
    base_fee: int
    coinbase: bytes
    inclusion: Inclusion | None
    bloom: bytes
    transactions_root: bytes
    receipts_root: bytes
    hash: bytes
    size: int

    @property
    def gas_used(self) -> int:
        """The gas used by the block's transaction; 0 without a transaction."""
        return 0 if self.inclusion is None else self.inclusion.gas_used


def make_block(
    parent: Block | None,
    *,
    timestamp: int,
    state_root: bytes,
    limits: tuple[int, int],
    inclusion: Inclusion | None,
    number: int = 0,
) -> Block:
    """Build the block after `parent`, or the first one with height `number`; `limits` is (gas limit, base fee)."""
    return build_block(
        number=number if parent is None else parent.number + 1,
        parent_hash=bytes(32) if parent is None else parent.hash,
        timestamp=timestamp,
        state_root=state_root,
        gas_limit=limits[0],
        base_fee=limits[1],
        inclusion=inclusion,
    )


def build_block(**facts: Any) -> Block:
    """Build a block from its given values: adds bloom, roots and hash."""
    inclusion: Inclusion | None = facts["inclusion"]
    bloom, transactions_root, receipts_root, body = bytes(256), EMPTY_ROOT, EMPTY_ROOT, b""
    if inclusion is not None:
        bloom = logs_bloom(inclusion.logs)
        body = inclusion.raw
        transactions_root = single_root(inclusion.raw)
        receipts_root = single_root(encode_receipt(inclusion, bloom))
    coinbase = bytes(20)
    header = encode_raw(
        [
            facts["parent_hash"],
            NO_UNCLES,
            coinbase,
            facts["state_root"],
            transactions_root,
            receipts_root,
            bloom,
            b"",  # difficulty
            encode_integer(facts["number"]),
            encode_integer(facts["gas_limit"]),
            encode_integer(0 if inclusion is None else inclusion.gas_used),
            encode_integer(facts["timestamp"]),
            b"",  # extra data
            bytes(32),  # mix hash
            bytes(8),  # nonce
            encode_integer(facts["base_fee"]),
            EMPTY_ROOT,  # withdrawals
            b"",  # blob gas used
            b"",  # excess blob gas
            bytes(32),  # parent beacon block root
            NO_REQUESTS,
        ]
    )
    return Block(
        **facts,
        coinbase=coinbase,
        bloom=bloom,
        transactions_root=transactions_root,
        receipts_root=receipts_root,
        hash=keccak(header),
        size=len(header) + len(body) + 6,
    )


@lru_cache(maxsize=256)
def decode_transaction(raw: bytes) -> SignedTransactionAPI:
    """Decode a signed transaction of type 0, 1, 2, 3 or 4. Raises the codec's own errors for other bytes."""
    return PragueTransactionBuilder.decode(raw)


def encode_receipt(inclusion: Inclusion, bloom: bytes) -> bytes:
    """Encode the receipt for hashing; typed ones begin with their type (EIP-2718)."""
    encoded = encode_raw(
        [
            b"\x01" if inclusion.success else b"",
            encode_integer(inclusion.gas_used),
            bloom,
            [[log.address, list(log.topics), log.data] for log in inclusion.logs],
        ]
    )
    return encoded if inclusion.kind == 0 else bytes([inclusion.kind]) + encoded


def single_root(value: bytes) -> bytes:
    """Return the root of a Merkle-Patricia trie whose only entry is `value` at index 0."""
    return bytes(keccak(encode_raw([b"\x20\x80", value])))


def logs_bloom(logs: Iterable[EventLog]) -> bytes:
    """Return the 2048-bit filter of addresses and topics (yellow paper, 4.3.1)."""
    bits = 0
    for log in logs:
        for item in (log.address, *log.topics):
            bits |= _bloom_bits(item)
    return bits.to_bytes(256)


BloomConditions: TypeAlias = Sequence[Iterable[bytes]]
"""Alternatives for each of several items: one of each must be an address or a topic of a log."""


def meets_conditions(bloom: int, conditions: BloomConditions) -> bool:
    """Return False when a block with this filter has no log that meets all conditions; True when it may have one."""
    return all(any(bits & bloom == bits for bits in map(_bloom_bits, items)) for items in conditions)


@lru_cache(maxsize=4096)
def _bloom_bits(item: bytes) -> int:
    digest = keccak(item)
    return sum({1 << (int.from_bytes(digest[at : at + 2]) & 2047) for at in (0, 2, 4)})


def encode_integer(number: int) -> bytes:
    """Encode a number big-endian without leading zeros; zero is empty."""
    return number.to_bytes((number.bit_length() + 7) // 8)


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
    inclusion = block.inclusion
    if inclusion is None:
        return encode_raw([facts, []])
    logs = [[log.address, list(log.topics), log.data] for log in inclusion.logs]
    amounts = [
        encode_integer(int(inclusion.success)),
        encode_integer(inclusion.gas_used),
        encode_integer(inclusion.gas_price),
    ]
    return encode_raw([facts, [inclusion.raw, inclusion.hash, inclusion.sender, amounts, b"", logs]])


def unpack_block(stored: bytes) -> Block:
    """Decode a block that `pack_block` encoded."""
    decoded: Any = codec.decode(stored)
    facts, inclusion = decoded
    return build_block(
        number=int.from_bytes(facts[0]),
        parent_hash=facts[1],
        timestamp=int.from_bytes(facts[2]),
        state_root=facts[3],
        gas_limit=int.from_bytes(facts[4]),
        base_fee=int.from_bytes(facts[5]),
        inclusion=_unpack_inclusion(inclusion) if inclusion else None,
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

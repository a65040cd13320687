"""Blocks, their transactions and receipts: records, encodings and hashes.

Hashes are the real ones (header, transaction and receipt encodings of Prague);
only the state root is the commitment of `ChainState`, not a Merkle root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from hashlib import sha256
from operator import or_
from typing import Any

from eth._utils.address import generate_contract_address
from eth.abc import SignedTransactionAPI
from eth.db.trie import make_trie_root_and_nodes
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_hash.auto import keccak
from eth_typing import Address

from wallet_rpc.devchain.bloom import logs_bloom
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
    index: int = 0
    """The position in its block."""
    gas_before: int = 0
    """The gas used by the transactions before it in its block."""
    logs_before: int = 0
    """The number of logs before its own in its block."""

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
    """A block: its header values and its transactions."""

    number: int
    parent_hash: bytes
    timestamp: int
    state_root: bytes
    gas_limit: int
    base_fee: int
    coinbase: bytes
    inclusions: tuple[Inclusion, ...]
    bloom: bytes
    transactions_root: bytes
    receipts_root: bytes
    hash: bytes
    size: int

    @property
    def values(self) -> BlockValues:
        """The header values that were chosen."""
        return BlockValues(
            timestamp=self.timestamp, gas_limit=self.gas_limit, base_fee=self.base_fee, coinbase=self.coinbase
        )

    @property
    def gas_used(self) -> int:
        """The gas used by the block's transactions."""
        return sum(inclusion.gas_used for inclusion in self.inclusions)

    @property
    def has_logs(self) -> bool:
        """True if a transaction of the block has logs."""
        return any(inclusion.logs for inclusion in self.inclusions)

    def find_transaction(self, identity: bytes) -> Inclusion | None:
        """Return the transaction of that hash, or None when the block does not contain it."""
        return next((inclusion for inclusion in self.inclusions if inclusion.hash == identity), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockValues:
    """The header values of a block that are chosen and not computed from its parent and its transactions."""

    timestamp: int
    gas_limit: int
    base_fee: int
    coinbase: bytes = bytes(20)


def make_block(
    parent: Block | None,
    values: BlockValues,
    *,
    state_root: bytes,
    inclusions: Sequence[Inclusion] = (),
    number: int = 0,
) -> Block:
    """Build the block after `parent`, or the first one with height `number`."""
    return build_block(
        number=number if parent is None else parent.number + 1,
        parent_hash=bytes(32) if parent is None else parent.hash,
        timestamp=values.timestamp,
        state_root=state_root,
        gas_limit=values.gas_limit,
        base_fee=values.base_fee,
        coinbase=values.coinbase,
        inclusions=order_inclusions(inclusions),
    )


def order_inclusions(inclusions: Sequence[Inclusion]) -> tuple[Inclusion, ...]:
    """Return the transactions of one block with their positions, and the gas and logs before each."""
    ordered: list[Inclusion] = []
    for inclusion in inclusions:
        if ordered:
            last = ordered[-1]
            gas, logs = last.gas_before + last.gas_used, last.logs_before + len(last.logs)
            ordered.append(replace(inclusion, index=len(ordered), gas_before=gas, logs_before=logs))
        else:
            ordered.append(inclusion)
    return tuple(ordered)


def build_block(**facts: Any) -> Block:
    """Build a block from its given values: adds bloom, roots and hash."""
    inclusions: tuple[Inclusion, ...] = facts["inclusions"]
    blooms = [logs_bloom(inclusion.logs) for inclusion in inclusions]
    bloom = blooms[0] if len(blooms) == 1 else _unite(blooms)
    transactions_root = list_root([inclusion.raw for inclusion in inclusions])
    receipts_root = list_root([encode_receipt(one, of) for one, of in zip(inclusions, blooms, strict=True)])
    header = encode_raw(
        [
            facts["parent_hash"],
            NO_UNCLES,
            facts["coinbase"],
            facts["state_root"],
            transactions_root,
            receipts_root,
            bloom,
            b"",  # difficulty
            encode_integer(facts["number"]),
            encode_integer(facts["gas_limit"]),
            encode_integer(sum(inclusion.gas_used for inclusion in inclusions)),
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
        bloom=bloom,
        transactions_root=transactions_root,
        receipts_root=receipts_root,
        hash=keccak(header),
        size=len(header) + sum(len(inclusion.raw) for inclusion in inclusions) + 6,
    )


def _unite(blooms: Iterable[bytes]) -> bytes:
    return reduce(or_, map(int.from_bytes, blooms), 0).to_bytes(256)


@lru_cache(maxsize=256)
def decode_transaction(raw: bytes) -> SignedTransactionAPI:
    """Decode a signed transaction of type 0, 1, 2, 3 or 4. Raises the codec's own errors for other bytes."""
    return PragueTransactionBuilder.decode(raw)


def encode_receipt(inclusion: Inclusion, bloom: bytes) -> bytes:
    """Encode the receipt for hashing; typed ones begin with their type (EIP-2718)."""
    encoded = encode_raw(
        [
            b"\x01" if inclusion.success else b"",
            encode_integer(inclusion.gas_before + inclusion.gas_used),
            bloom,
            [[log.address, list(log.topics), log.data] for log in inclusion.logs],
        ]
    )
    return encoded if inclusion.kind == 0 else bytes([inclusion.kind]) + encoded


def list_root(values: Sequence[bytes]) -> bytes:
    """Return the root of a Merkle-Patricia trie of `values` by their index."""
    if len(values) == 0:
        return EMPTY_ROOT
    if len(values) == 1:  # at once: most blocks have one transaction
        return bytes(keccak(encode_raw([b"\x20\x80", values[0]])))
    items: Any = [_Encoded(value) for value in values]
    return bytes(make_trie_root_and_nodes(items)[0])


@dataclass(frozen=True, slots=True)
class _Encoded:
    """An item of a trie, for py-evm."""

    value: bytes

    def encode(self) -> bytes:
        return self.value


def encode_integer(number: int) -> bytes:
    """Encode a number big-endian without leading zeros; zero is empty."""
    return number.to_bytes((number.bit_length() + 7) // 8)

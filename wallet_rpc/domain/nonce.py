"""Nonces of user operations: they select the validation that authorizes an operation, and the order of execution.

    nonce (256 bits) = key (192) | sequence (64)
    key   (192 bits) = parallel key (152) | entity id (32) | options (8)
    options: bit 0 = global validation, bit 1 = the signature carries a deferred action

Source: ERC-4337 (key and sequence), Modular Account v2 (the parts of the key).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wallet_rpc.primitives import EntityId

PARALLEL_KEY_BITS = 152
"""Width of the parallel key. Source: Modular Account v2."""
MAX_PARALLEL_KEY = (1 << PARALLEL_KEY_BITS) - 1
"""The largest parallel key; the official SDK raises InvalidNonceKeyError above it."""
OWNER_ENTITY = EntityId(0)
"""The entity id of the owner's (fallback) validation."""
FIRST_SESSION_ENTITY = EntityId(1)
"""The first entity id of a session; 0 is the owner's."""
MAX_ENTITY_ID = EntityId((1 << 32) - 2)
"""The last entity id that a validation can have; 2**32 - 1 means "called directly" to the account contract."""
_GLOBAL = 1
_DEFERRED = 2
_DIRECT_CALL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceKey:
    """The parts of a 192-bit nonce key: parallel key (152 bits), entity id (32 bits), and two options.

    Raises: ValueError when a part does not fit.
    """

    entity_id: int
    is_global: bool = False
    is_deferred: bool = False
    parallel_key: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.parallel_key <= MAX_PARALLEL_KEY:
            raise ValueError(f"expected a parallel key below 2^{PARALLEL_KEY_BITS}, got {self.parallel_key}")
        if not 0 <= self.entity_id < 1 << 32:
            raise ValueError(f"expected an entity id below 2^32, got {self.entity_id}")

    @property
    def key(self) -> int:
        """The 192-bit key: parallel key << 40 | entity id << 8 | options."""
        options = (_DEFERRED if self.is_deferred else 0) | (_GLOBAL if self.is_global else 0)
        return self.parallel_key << 40 | self.entity_id << 8 | options

    def nonce(self, sequence: int) -> int:
        """Return the 256-bit nonce of `sequence` (below 2**64) under this key.

        Raises: ValueError when the sequence does not fit into 64 bits.
        """
        if not 0 <= sequence < 1 << 64:
            raise ValueError(f"expected a nonce sequence below 2^64, got {sequence}")
        return self.key << 64 | sequence

    @classmethod
    def parse(cls, key: int) -> NonceKey:
        """Split a 192-bit key into its parts.

        Raises: ValueError when the key is wider or carries an option other than global and deferred. wallet-rpc issues
        no such key: bit 2 is a direct call, the higher bits have no meaning.
        """
        if not 0 <= key < 1 << 192:
            raise ValueError(f"expected a nonce key below 2^192, got {key}")
        options = key & 0xFF
        if options > _GLOBAL | _DEFERRED:
            raise ValueError(f"expected nonce options global (1) and deferred (2) only, got {options:#04x}")
        return cls(
            parallel_key=key >> 40,
            entity_id=key >> 8 & 0xFFFFFFFF,
            is_global=bool(options & _GLOBAL),
            is_deferred=bool(options & _DEFERRED),
        )


def owner_nonce_key(parallel_key: int = 0) -> NonceKey:
    """Return the owner's nonce key: entity id 0, global, without a deferred action."""
    return NonceKey(entity_id=OWNER_ENTITY, is_global=True, parallel_key=parallel_key)


def split_nonce(nonce: int) -> tuple[NonceKey, int]:
    """Split a 256-bit nonce into its key and its sequence. Raises: ValueError as `NonceKey.parse` does."""
    return NonceKey.parse(nonce >> 64), nonce & 0xFFFFFFFFFFFFFFFF


def session_entity(nonce: int) -> EntityId | None:
    """Return the entity id of the validation that any 256-bit nonce names, 0 for the owner's.

    None for a direct call, whose key has an address in place of the entity id. The account ignores all other options.
    """
    key = nonce >> 64
    return None if key & _DIRECT_CALL else EntityId(key >> 8 & 0xFFFFFFFF)


def is_deferred(nonce: int) -> bool:
    """Return True if the signature of an operation with any 256-bit nonce carries a deferred action."""
    return bool(nonce >> 64 & _DEFERRED)


def find_free_entity_id(is_used: Callable[[EntityId], bool], *, start: int = 1) -> EntityId:
    """Return the first unused entity id from `start` on. Id 0 is the owner's, so a scan from 0 begins at 1.

    `is_used` returns True when a validation with that id has flags or selectors; an account without code has none.
    Source: the official SDK's entity-id reader.
    """
    candidate = EntityId(max(start, 1))
    while is_used(candidate):
        candidate = EntityId(candidate + 1)
    return candidate

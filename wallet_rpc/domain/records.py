"""Stored records: accounts and sessions, each with a format version; `call_record` has those of calls.

`wire.encode` writes the records. `wire.decode` reads them and ignores unknown keys, so a newer server reads older
records. `version` changes only when ignoring unknown keys is not enough to read a record.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.permission import Permission
from wallet_rpc.primitives import Address, ChainId, Data, Nonce, SessionId, Uint256, UnixSeconds
from wallet_rpc.wire import shape, strict_shape

RECORD_VERSION = 1
"""Format version of the records that this code writes."""


class AccountKind(StrEnum):
    """Kinds of account: a contract deployed by the factory (`sma-b`), or the signer's delegated address (`7702`)."""

    SEMI_MODULAR = "sma-b"
    DELEGATED = "7702"


@shape
class Account:
    """A smart account and the signer of its first request."""

    version: int = RECORD_VERSION
    kind: AccountKind = AccountKind.SEMI_MODULAR
    id: UUID
    signer: Address
    address: Address
    salt: Uint256 = 0
    """Salt of a semi-modular account; 0 for a delegated one."""


class KeyType(StrEnum):
    """Kinds of session key: an ECDSA key (two names on the wire) or a contract (ERC-1271)."""

    SECP256K1 = "secp256k1"
    """A key, which signs 65 bytes r | s | v."""
    ECDSA = "ecdsa"
    """Alias of `secp256k1`."""
    CONTRACT = "contract"
    """A contract, which accepts signatures by ERC-1271."""


@strict_shape
class SessionKey:
    """The key that may use a session. On the wire, the key's address is its `publicKey`."""

    type: KeyType
    """Kind of signer: `secp256k1` or its alias `ecdsa` for a key, `contract` for an ERC-1271 contract."""
    address: Annotated[Address, Field(alias="publicKey")]
    """Address of the key or contract that signs for the session, in 20 bytes."""


class SessionState(StrEnum):
    """A session's state: pending until a request presents the owner's valid signature, then active.

    specs/state.md describes revocations.
    """

    PENDING = "pending"
    ACTIVE = "active"


@shape
class Session:
    """A grant to a session key: the payload for the owner to sign, byte for byte, and its content."""

    version: int = RECORD_VERSION
    id: SessionId
    account: Address
    chain_id: ChainId
    key: SessionKey
    permissions: tuple[Permission, ...]
    entity_id: int
    is_global: bool
    has_execution_hooks: bool
    nonce: Nonce
    """Full nonce of the operation that installs the session."""
    deadline: UnixSeconds
    """Last second of validity, since 1970; 0 = never expires."""
    call: Data
    """The `installValidation` call data that the owner signs."""
    created_at: UnixSeconds
    state: SessionState = SessionState.PENDING
    holder: str = ""
    """The creator's `Caller.holder_digest` (32 hex digits of SHA-256); empty in records older than this field."""

    @property
    def action(self) -> DeferredAction:
        """The deferred action that the owner signs."""
        return DeferredAction(nonce=self.nonce, deadline=self.deadline, call=self.call)

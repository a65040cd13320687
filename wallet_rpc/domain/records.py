"""What the server remembers: accounts, sessions and calls, each with the version of its form.

Records are written by `wire.encode` and read by `wire.decode`, which ignores unknown keys: a newer server reads what an
older one wrote, and the `version` says when it needs more than that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from wallet_rpc.domain.permission import Permission
from wallet_rpc.primitives import (
    Address,
    ChainId,
    Data,
    Hash32,
    Nonce,
    SessionId,
    Uint256,
    UnixSeconds,
    WeiPerGas,
)
from wallet_rpc.wire import shape

VERSION = 1
"""The form of the records that this code writes."""


@shape
class Account:
    """A smart account and the signer it was first asked for."""

    version: int = VERSION
    id: UUID
    signer: Address
    address: Address
    salt: Uint256 = 0


class KeyType(StrEnum):
    """How a session key signs: an ECDSA key (two names on the wire) or a contract (ERC-1271)."""

    SECP256K1 = "secp256k1"
    ECDSA = "ecdsa"
    CONTRACT = "contract"


@shape
class SessionKey:
    """Who may use a session. The wire calls the key's address its `publicKey`."""

    type: KeyType
    address: Annotated[Address, Field(alias="publicKey")]


class SessionState(StrEnum):
    """Pending until its installation was first accepted; then active; revoked for good."""

    PENDING = "pending"
    ACTIVE = "active"
    REVOKED = "revoked"


@shape
class Session:
    """A grant to a session key: what the owner is asked to sign, byte for byte, and what it means."""

    version: int = VERSION
    id: SessionId
    account: Address
    chain_id: ChainId
    key: SessionKey
    permissions: tuple[Permission, ...]
    entity_id: int
    is_global: bool
    has_execution_hooks: bool
    nonce: Nonce
    """The full nonce of the operation that installs the session."""
    deadline: UnixSeconds
    """Last second of validity; 0 = never ends."""
    call: Data
    """The `installValidation` call data that the owner signs."""
    created_at: UnixSeconds
    state: SessionState = SessionState.PENDING


class CallState(StrEnum):
    """Sending: handed to the bundler, answer not known yet. Sent: taken. Refused: not taken, may be tried again."""

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"


@shape
class CallRecord:
    """A user operation that was handed to a bundler."""

    version: int = VERSION
    chain_id: ChainId
    hash: Hash32
    sender: Address
    nonce: Nonce
    max_fee_per_gas: WeiPerGas
    max_priority_fee_per_gas: WeiPerGas
    sent_at: UnixSeconds
    state: CallState
    error: dict[str, Any] | None = None
    """The refusal as the caller saw it: code, message, data."""

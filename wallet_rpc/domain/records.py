"""What the server remembers: accounts, sessions and calls, each with the version of its form.

Records are written by `wire.encode` and read by `wire.decode`, which ignores unknown keys: a newer server reads what an
older one wrote, and the `version` says when it needs more than that.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from wallet_rpc.domain.deferred_action import DeferredAction
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
from wallet_rpc.wire import shape, strict_shape

RECORD_VERSION = 1
"""The form of the records that this code writes."""


class AccountKind(StrEnum):
    """A contract of its own that the factory deploys (`sma-b`), or the signer's own address delegated (`7702`)."""

    SEMI_MODULAR = "sma-b"
    DELEGATED = "7702"


@shape
class Account:
    """A smart account and the signer it was first asked for."""

    version: int = RECORD_VERSION
    kind: AccountKind = AccountKind.SEMI_MODULAR
    id: UUID
    signer: Address
    address: Address
    salt: Uint256 = 0
    """Of a semi-modular account; 0 of a delegated one."""


class KeyType(StrEnum):
    """How a session key signs: an ECDSA key (two names on the wire) or a contract (ERC-1271)."""

    SECP256K1 = "secp256k1"
    ECDSA = "ecdsa"
    CONTRACT = "contract"


@strict_shape
class SessionKey:
    """Who may use a session. The wire calls the key's address its `publicKey`."""

    type: KeyType
    address: Annotated[Address, Field(alias="publicKey")]


class SessionState(StrEnum):
    """Pending until a request shows the owner's valid signature; then active. Revocations: specs/state.md."""

    PENDING = "pending"
    ACTIVE = "active"


@shape
class Session:
    """A grant to a session key: what the owner is asked to sign, byte for byte, and what it means."""

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
    """The full nonce of the operation that installs the session."""
    deadline: UnixSeconds
    """Last second of validity; 0 = never ends."""
    call: Data
    """The `installValidation` call data that the owner signs."""
    created_at: UnixSeconds
    state: SessionState = SessionState.PENDING
    holder: str = ""
    """The caller that created it, as the beginning of a SHA-256; empty in records that do not have it."""

    @property
    def action(self) -> DeferredAction:
        """What the owner signs."""
        return DeferredAction(nonce=self.nonce, deadline=self.deadline, call=self.call)


class CallState(StrEnum):
    """Sending: handed to the bundler, answer not known yet. Sent: taken. Refused: not taken, may be tried again."""

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"


class CallKind(StrEnum):
    """What was sent: a user operation to the bundler, or an authorization alone, by the relayer's transaction."""

    USER_OPERATION = "user-operation"
    DELEGATION = "delegation"


@shape
class CallRecord:
    """What was handed over: a user operation, or an authorization that travels alone.

    An authorization has the nonce of its signer's transactions, below 2**64; no user operation of ours has such a
    nonce, whose key would be zero. Its fees are the relayer's own affair and stand as zero.
    """

    version: int = RECORD_VERSION
    kind: CallKind = CallKind.USER_OPERATION
    chain_id: ChainId
    hash: Hash32
    sender: Address
    nonce: Nonce
    delegate: Address | None = None
    """Of an authorization: what it delegates to; the zero address removes the delegation."""
    transaction: Hash32 | None = None
    """Of an authorization: the relayer's transaction, once it was sent."""
    max_fee_per_gas: WeiPerGas
    max_priority_fee_per_gas: WeiPerGas
    sent_at: UnixSeconds
    state: CallState
    is_noted: bool = False
    """Whether the organisation's log has what was sent."""
    nonce_used_at: UnixSeconds | None = None
    """When the nonce was first seen used on chain, while neither chain nor bundler showed the call itself."""
    error: dict[str, Any] | None = None
    """The refusal as the caller saw it: code, message, data."""

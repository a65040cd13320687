"""Stored form of a session: only the fields that cannot be computed and are not in the record's key.

The `installValidation` call data, which the owner signs, is most of a session. It is compiled again when the session is
read, so the compiler must return the same bytes in every version. Golden vectors ensure that (specs/vectors).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY, NonceKey
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.records import Session, SessionKey, SessionState
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId, UnixSeconds
from wallet_rpc.wire import shape

SESSION_VERSION = 2
"""Format version of the records of signed sessions; version 1 is a complete `Session`."""
UNSIGNED_VERSION = 3
"""Format version of the records of unsigned sessions: the storage assigns the entity id, and keeps it next to them."""


@shape
class SessionRecord:
    """The stored fields of a session; its account, chain and id are in the record's key."""

    version: int = SESSION_VERSION
    key: SessionKey
    permissions: tuple[Permission, ...]
    entity_id: int = 0
    """The session's entity id; 0 in records of `UNSIGNED_VERSION`."""
    deadline: UnixSeconds = 0
    created_at: UnixSeconds
    state: SessionState = SessionState.PENDING
    holder: str = ""

    def with_entity(self, entity_id: EntityId) -> SessionRecord:
        """Return the complete record of an unsigned session that has this entity id."""
        return replace(self, version=SESSION_VERSION, entity_id=entity_id)


def record_of(session: Session) -> SessionRecord:
    """Return the record of `session`."""
    return SessionRecord(
        key=session.key,
        permissions=session.permissions,
        entity_id=session.entity_id,
        deadline=session.deadline,
        created_at=session.created_at,
        state=session.state,
        holder=session.holder,
    )


def session_of(record: SessionRecord, *, account: Address, chain_id: ChainId, session_id: SessionId) -> Session:
    """Rebuild the session from its record and the parts of the record's key."""
    terms = SessionTerms(
        account=account,
        key=record.key.address,
        entity_id=record.entity_id,
        deadline=record.deadline,
        now=0,  # the deadline was checked when the session was created
    )
    install = _compile(record.permissions, terms)
    nonce_key = NonceKey(entity_id=record.entity_id, is_global=install.is_global, is_deferred=True)
    return Session(
        id=session_id,
        account=account,
        chain_id=chain_id,
        key=record.key,
        permissions=record.permissions,
        entity_id=record.entity_id,
        is_global=install.is_global,
        has_execution_hooks=install.has_execution_hooks,
        nonce=nonce_key.nonce(0),
        deadline=record.deadline,
        call=install.call_data,
        created_at=record.created_at,
        state=record.state,
        holder=record.holder,
    )


@lru_cache(maxsize=128)
def _compile(permissions: tuple[Permission, ...], terms: SessionTerms) -> ValidationInstall:
    """Compile permissions, cached for the requests of a session; a large grant takes milliseconds."""
    return compile_permissions(permissions, terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedSession:
    """A session to store without its owner's signature; it counts against the limits until the second `forget_at`."""

    account: Address
    chain_id: ChainId
    id: SessionId
    caller: str
    """The creator's `Caller.holder`, by which the storage knows if the account's owner trusts it."""
    holder: str
    """The creator's `Caller.holder_digest`, as in `Session.holder`."""
    key: SessionKey
    permissions: tuple[Permission, ...]
    deadline: UnixSeconds
    created_at: UnixSeconds
    forget_at: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityChoice:
    """The rule by which the storage chooses the entity id of a new session."""

    at_least: EntityId = FIRST_SESSION_ENTITY
    random_start: int | None = None
    """The place in an id range that ids continue from while they are below `RESERVED_IDS`; None: any id may be given
    out."""

"""Stored form of a session: only the fields that cannot be computed and are not in the record's key.

The `installValidation` call data, which the owner signs, is most of a session. It is compiled again when the session is
read, so the compiler must return the same bytes in every version. Golden vectors ensure that (specs/vectors).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.records import Session, SessionKey, SessionState
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, ChainId, SessionId, UnixSeconds
from wallet_rpc.wire import shape

SESSION_VERSION = 2
"""Format version of these records; version 1 is a complete `Session`."""


@shape
class SessionRecord:
    """The stored fields of a session; its account, chain and id are in the record's key."""

    version: int = SESSION_VERSION
    key: SessionKey
    permissions: tuple[Permission, ...]
    entity_id: int
    deadline: UnixSeconds = 0
    created_at: UnixSeconds
    state: SessionState = SessionState.PENDING
    holder: str = ""


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
        now=record.created_at,
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
    """A session without its owner's signature; it counts against the limits until the second `forget_at`."""

    account: Address
    chain_id: ChainId
    id: SessionId
    holder: str
    """The creator's `Caller.holder_digest`, as in `Session.holder`."""
    is_trusted: bool
    """True if the caller has presented a valid signature of the account's owner; other callers count separately."""
    forget_at: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedSessionLimits:
    """Maximum numbers of unsigned sessions that are stored at a time."""

    per_holder: int
    per_account: int
    """Limit of one account on one chain, counted separately for trusted callers and for all others."""

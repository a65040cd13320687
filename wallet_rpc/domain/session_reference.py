"""References to sessions: the validation on chain that a session is, and its entry in an organisation's index."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.domain.deferred_action import SignedDeferredAction
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.primitives import Address, ChainId, Data, EntityId, SessionId, UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReference:
    """A session as the chain knows it: a validation of an account, by its entity id."""

    account: Address
    chain_id: ChainId
    entity_id: EntityId


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedSession:
    """A session that an organisation created, as its index stores it."""

    id: SessionId
    account: Address
    chain_id: ChainId
    entity_id: EntityId
    key: Address
    """The session key's address."""
    created_at: UnixSeconds
    forget_at: UnixSeconds | None
    """The time at which the session's record is deleted; None: never."""

    @property
    def reference(self) -> SessionReference:
        """The session as the chain knows it."""
        return SessionReference(account=self.account, chain_id=self.chain_id, entity_id=self.entity_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery:
    """The values that a listed session must have; None: any value."""

    account: Address | None = None
    key: Address | None = None
    chain_id: ChainId | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedSessions:
    """A page of an organisation's sessions, newest first, then by descending id."""

    sessions: tuple[IndexedSession, ...]
    next_page: bytes
    """The place from which the next page continues: time of creation (8 bytes) and id (16); empty: no further page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSession:
    """A session that a request names, and what is known of its grant."""

    reference: SessionReference
    id: SessionId | None = None
    """The session's id; None for a session that was not created here, or is named by its entity id alone."""
    session: Session | None = None
    """The session as the server stores it; None for one that it does not store."""
    install: ValidationInstall | None = None
    """The installation that the owner grants; None if only the chain knows the session."""
    grant: SignedDeferredAction | None = None
    """The grant in the request's context; its signature is not verified yet."""
    signature: Data | None = None
    """The owner's signature in the request or from the session's registration; it is not verified yet."""

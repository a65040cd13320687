"""What the server remembers, as operations and the door see it; each port is a few methods.

Everything but the directory and the limits is of one organisation, and cannot be asked about another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from wallet_rpc.domain.access import ApiKey, Caller, Claims, KeyId, Organization, OrganizationId
from wallet_rpc.domain.audit import AuditEvent
from wallet_rpc.domain.records import Account, CallRecord, Session
from wallet_rpc.domain.session_group import GroupedSession, GroupId, SessionFilter, SessionGroup
from wallet_rpc.domain.session_record import UnsignedSession, UnsignedSessionLimits
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, SessionId, UnixSeconds

ENTITY_RANGE_SIZE = 1 << 30
"""Entity ids below it are open to everyone; from it on only a trusted caller gets one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerAccounts:
    """A signer's accounts, as far as a request asks for them; None for what the signer does not have."""

    count: int
    free_salt: int
    """The lowest salt at which the signer has no semi-modular account."""
    first: Account | None = None
    """The oldest."""
    first_contract: Account | None = None
    """The oldest semi-modular one."""
    confirmed: Account | None = None
    """The first one of `Accounts.confirm`."""
    confirmed_contract: Account | None = None
    """The first semi-modular one of `Accounts.confirm`."""
    confirmed_delegated: Account | None = None
    """The signer's own address, if `Accounts.confirm` had it."""
    delegated: Account | None = None
    """The signer's own address."""
    by_id: Account | None = None
    """The one of the id that was asked for."""
    by_salt: Account | None = None
    """The semi-modular one of the salt that was asked for."""
    by_address: Account | None = None
    """The one at the address that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsPage:
    """Some of a signer's accounts, oldest first."""

    accounts: tuple[Account, ...]
    total: int
    """How many the signer has."""
    is_last: bool


class Accounts(Protocol):
    """Which smart accounts a signer asked for. No answer takes longer because a signer has more of them."""

    async def find_by_id(self, account_id: UUID) -> tuple[Account, ...]:
        """The accounts of an id, which several signers may have chosen; those of who asked first come first."""

    async def find_by_signer(
        self,
        signer: Address,
        *,
        account_id: UUID | None = None,
        salt: int | None = None,
        address: Address | None = None,
    ) -> SignerAccounts:
        """What a signer's accounts are, as far as a request asks: by id, salt and address."""

    async def page(self, signer: Address, *, after: UUID | None, limit: int) -> AccountsPage | None:
        """Some of the signer's accounts, oldest first; None when `after` is none of them."""

    async def add(self, account: Account, *, after: int) -> bool:
        """Add as the signer's next account; False (and nothing written) unless the signer has `after` accounts now."""

    async def find_by_address(self, address: Address) -> Account | None:
        """The account of an address; a contract account before an externally owned one, as only it can be derived."""

    async def confirm(self, account: Account) -> None:
        """Remember that the signer, or a caller who answers for the signer, chose this account; the first counts."""


class UnsignedSessionBound(StrEnum):
    """The bounds on the number of unsigned sessions."""

    HOLDER = "holder"
    """The caller that created them."""
    ACCOUNT = "account"
    """The account they are of, on one chain."""


class UnsignedSessions(Protocol):
    """Sessions whose owners have not signed them: counted, and forgotten in time."""

    async def claim(
        self, session: UnsignedSession, bounds: UnsignedSessionLimits, *, now: UnixSeconds
    ) -> UnsignedSessionBound | None:
        """Count a session that is about to be written; the bound that has no room for it, if one has none. Atomic."""

    async def release(self, session: UnsignedSession) -> None:
        """Count a session no more that was never written."""

    async def is_forgotten(
        self, account: Address, chain_id: ChainId, session_id: SessionId, *, now: UnixSeconds
    ) -> bool:
        """True for a session that was created here and expired without its owner's signature."""


class Sessions(Protocol):
    """Grants and the entity ids they occupy."""

    async def reserve_entity(
        self, account: Address, chain_id: ChainId, *, at_least: EntityId, trusted: bool
    ) -> EntityId:
        """An entity id never given before on this account and chain, `at_least` or above; atomic.

        Ids below `ENTITY_RANGE_SIZE` are open to everyone; from there on only a `trusted` caller gets one, so that
        strangers cannot use them up. Raises: LimitExceeded when the caller's part of the id space is used up.
        """

    async def save(self, session: Session, *, forget_at: UnixSeconds | None) -> None:
        """Write the record, replacing an older one; it is dropped at `forget_at` (None: kept).

        An active session counts against no bound of unsigned ones any more; a pending one always has an end.
        """

    async def get(self, account: Address, chain_id: ChainId, session_id: SessionId) -> Session | None:
        """The session, when it is one of this account on this chain."""

    async def revoke(self, account: Address, chain_id: ChainId, entity_id: int) -> None:
        """From now on whoever asks, of any organisation, finds the entity id revoked; for good."""

    async def is_revoked(self, account: Address, chain_id: ChainId, entity_id: int) -> bool:
        """Whether `revoke` was said of this entity id."""

    async def set_expiry(self, account: Address, chain_id: ChainId, entity_id: int, *, at: UnixSeconds) -> None:
        """From the second `at` on whoever asks, of any organisation, finds the entity id over; said again, it moves."""

    async def get_expiry(self, account: Address, chain_id: ChainId, entity_id: int) -> UnixSeconds | None:
        """The first second at which the entity id is over, where `end` was said of it; kept for good."""

    async def trust(self, account: Address, chain_id: ChainId, caller: str, *, forget_at: UnixSeconds) -> None:
        """Remember that `caller` showed a valid signature of the account's owner."""

    async def is_trusted(self, account: Address, chain_id: ChainId, caller: str) -> bool:
        """Whether `trust` was said of this caller."""


class Calls(Protocol):
    """What was sent, so that nothing is sent twice."""

    async def claim(self, call: CallRecord) -> CallRecord | None:
        """Write the record (state sending) unless one is there that is sending or sent; that one is returned then.

        None: the claim is ours, and we send. A refused record is replaced. Atomic. The newest claim of a nonce is what
        `find_by_nonce` returns.
        """

    async def settle(self, call: CallRecord) -> None:
        """Replace our own claim by its outcome."""

    async def get(self, chain_id: ChainId, operation_hash: Hash32) -> CallRecord | None:
        """The record of an operation."""

    async def find_by_nonce(self, chain_id: ChainId, account: Address, nonce: int) -> CallRecord | None:
        """The newest record of that nonce that was not refused."""


class Groups(Protocol):
    """Sessions that an organisation registered: those of one request, on several chains, are a group."""

    async def register(self, group: SessionGroup) -> SessionGroup | None:
        """Write all of it or nothing; the group that is there then.

        That is an earlier one when exactly its sessions are registered again and all of them are active at the new
        group's making. None, and nothing is written, when any of them is registered otherwise. Atomic.
        """

    async def get(self, group_id: GroupId) -> SessionGroup | None:
        """The group of an id."""

    async def find_by_session(self, session_id: SessionId) -> SessionGroup | None:
        """The group that a session is in."""

    async def page(
        self, session_filter: SessionFilter, *, now: UnixSeconds, offset: int, limit: int
    ) -> tuple[GroupedSession, ...]:
        """Sessions that are neither revoked nor over, newest first, then by id; at most `limit`, after `offset`."""

    async def revoke(self, group_id: GroupId, session_id: SessionId, *, at: UnixSeconds) -> bool:
        """Mark it as revoked; False when it was. Atomic: of any number at once, one is told True.

        Raises: KeyError when it is no session of the group.
        """


class IssuedTokens(Protocol):
    """Session tokens that an organisation's keys asked for, each until it ends."""

    async def add(self, claims: Claims) -> None:
        """Remember a token."""

    async def get(self, token_id: str) -> Claims | None:
        """What was remembered of it."""

    async def revoke(self, token_id: str, *, until: UnixSeconds) -> bool:
        """Refuse it from now on; False when it was refused already."""

    async def is_revoked(self, token_id: str) -> bool:
        """Whether `revoke` was said of it."""


class AuditLog(Protocol):
    """An organisation's log: what happened is added and never taken away."""

    async def append(self, event: AuditEvent) -> None:
        """Write the event as the next entry, hashed over the one before."""


class OrganizationStore(Protocol):
    """The memory of one organisation. Every write that must be atomic is."""

    @property
    def accounts(self) -> Accounts:
        """Which accounts there are."""

    @property
    def sessions(self) -> Sessions:
        """Which sessions there are."""

    @property
    def unsigned_sessions(self) -> UnsignedSessions:
        """The unsigned sessions."""

    @property
    def calls(self) -> Calls:
        """What was sent."""

    @property
    def groups(self) -> Groups:
        """Which sessions are registered."""

    @property
    def tokens(self) -> IssuedTokens:
        """Which session tokens are out."""

    @property
    def audit(self) -> AuditLog:
        """What happened."""


class Directory(Protocol):
    """Which organisations and API keys there are, of all organisations."""

    async def add_organization(self, organization: Organization) -> None:
        """Write a new one. Raises: Conflict when its id is another's."""

    async def organization(self, organization_id: OrganizationId) -> Organization | None:
        """The organisation of an id; `OPEN` is always there."""

    async def organizations(self) -> tuple[Organization, ...]:
        """All of them, oldest first."""

    async def add_key(self, key: ApiKey) -> None:
        """Write a new one. Raises: Conflict when its id is another's, also a revoked one's."""

    async def key(self, key_id: KeyId) -> ApiKey | None:
        """The key of an id, also a revoked or expired one."""

    async def keys_of(self, organization_id: OrganizationId) -> tuple[ApiKey, ...]:
        """All of an organisation, oldest first."""

    async def revoke_key(self, key_id: KeyId, *, at: UnixSeconds) -> bool:
        """End a key and all its tokens; False when it was revoked already. Raises: KeyError for no such key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitResult:
    """What a caller may still ask within the window that is nearest to its end."""

    limit: int
    """Requests in the window."""
    remaining: int
    retry_after_seconds: int | None = None
    """Of a refusal: when it may pass; None: never, since it is more than the window holds."""
    rejection: str | None = None
    """Which window has no room, in the words of the API; None: it may pass, and was counted."""


class Limiter(Protocol):
    """Counts what callers ask, over all replicas."""

    async def take(self, caller: Caller, cost: int, *, now: UnixSeconds) -> RateLimitResult:
        """Count `cost` requests. An allowance with a `refusal` is one, and counts nothing. Raises: Unavailable."""

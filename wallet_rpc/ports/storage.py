"""Storage ports of the operations and the authenticator.

All ports except the directory and the limiter are bound to one organisation and cannot read records of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from wallet_rpc.domain.access import ApiKey, Claims, KeyId, Organization, OrganizationId
from wallet_rpc.domain.audit import AuditEvent
from wallet_rpc.domain.records import Account, Session
from wallet_rpc.domain.session_group import GroupedSession, GroupId, SessionFilter, SessionGroup
from wallet_rpc.domain.session_record import EntityChoice, UnsignedSession
from wallet_rpc.ports.approvals import Approvals
from wallet_rpc.ports.calls import Calls
from wallet_rpc.ports.events import EventStore
from wallet_rpc.ports.rules import RuleStore
from wallet_rpc.ports.sessions import GrantPolicy, SessionIndex
from wallet_rpc.ports.stops import Stops
from wallet_rpc.ports.webhooks import Webhooks
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId, UnixSeconds

ENTITY_RANGE_SIZE = 1 << 30
"""Size of an id range. Entity ids below this number are open to every caller, higher ones only to trusted callers."""
RESERVED_IDS = 1 << 16
"""Number of ids at the start of each range that other servers may have used on an account with code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerAccounts:
    """The accounts of a signer that a request may select; None for each that does not exist."""

    count: int
    free_salt: int
    """The lowest salt at which the signer has no semi-modular account."""
    first: Account | None = None
    """The oldest account."""
    first_contract: Account | None = None
    """The oldest semi-modular account."""
    confirmed: Account | None = None
    """The first account that `Accounts.confirm` recorded."""
    confirmed_contract: Account | None = None
    """The first semi-modular account that `Accounts.confirm` recorded."""
    confirmed_delegated: Account | None = None
    """The account at the signer's own address, if `Accounts.confirm` recorded it."""
    delegated: Account | None = None
    """The account at the signer's own address (EIP-7702)."""
    by_id: Account | None = None
    """The account with the requested id."""
    by_salt: Account | None = None
    """The semi-modular account with the requested salt."""
    by_address: Account | None = None
    """The account at the requested address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsPage:
    """A page of a signer's accounts, oldest first."""

    accounts: tuple[Account, ...]
    total: int
    """The number of the signer's accounts."""
    is_last: bool


class Accounts(Protocol):
    """The smart accounts of signers. The cost of a read does not grow with a signer's number of accounts."""

    async def find_by_id(self, account_id: UUID) -> tuple[Account, ...]:
        """Return the accounts with an id, oldest first; several signers may have chosen the same id."""

    async def find_by_signer(
        self,
        signer: Address,
        *,
        account_id: UUID | None = None,
        salt: int | None = None,
        address: Address | None = None,
    ) -> SignerAccounts:
        """Return a signer's accounts, with the accounts that have the requested id, salt and address."""

    async def page(self, signer: Address, *, after: UUID | None, limit: int) -> AccountsPage | None:
        """Return a page of the signer's accounts, oldest first; None when `after` is not an account of the signer."""

    async def add(self, account: Account, *, after: int) -> bool:
        """Add an account if the signer has exactly `after` accounts; otherwise write nothing and return False."""

    async def find_by_address(self, address: Address) -> Account | None:
        """Return the account at an address. A contract account, whose address is derived, precedes a delegated one."""

    async def confirm(self, account: Account) -> None:
        """Record that the signer, or a caller authorized by the signer, chose this account; the first one counts."""


class UnsignedSessions(Protocol):
    """Sessions without their owner's signature: their number is limited and they expire."""

    async def claim(self, session: UnsignedSession, *, limit: int, now: UnixSeconds) -> bool:
        """Count a session against its caller's `limit` before it is written, atomically; return False if exceeded."""

    async def create(
        self, session: UnsignedSession, choice: EntityChoice, *, limit: int, now: UnixSeconds
    ) -> EntityId | None:
        """Write the session with an entity id that was never used on this account and chain; atomic.

        The session counts against the `limit` of its account on this chain: one for the callers that the account's
        owner trusts, one for all others. Return the entity id, or None if the limit is exceeded. A repeat with a higher
        `choice.at_least` gives the session another entity id. Only a trusted caller gets an id of `ENTITY_RANGE_SIZE`
        or above, so that other callers cannot exhaust them.

        Raises: LimitExceeded when the caller's id range is exhausted.
        """

    async def release(self, session: UnsignedSession) -> None:
        """Delete a session that was not returned to its caller, and stop counting it. Its entity id stays used."""

    async def is_forgotten(
        self, account: Address, chain_id: ChainId, session_id: SessionId, *, now: UnixSeconds
    ) -> bool:
        """Return True for a session that was created here and expired without its owner's signature."""


class Sessions(Protocol):
    """Sessions and the entity ids that they occupy."""

    async def activate(self, session: Session, *, forget_at: UnixSeconds | None) -> None:
        """Write the record of an active session, replacing an older one; it is deleted at `forget_at` (None: never).

        The session no longer counts as an unsigned one.
        """

    async def get(self, account: Address, chain_id: ChainId, session_id: SessionId) -> Session | None:
        """Return the session if it belongs to this account and chain; else None."""

    async def revoke(self, account: Address, chain_id: ChainId, entity_id: int) -> None:
        """Revoke the entity id permanently, for every organisation."""

    async def is_revoked(self, account: Address, chain_id: ChainId, entity_id: int) -> bool:
        """Return True if the entity id is revoked."""

    async def set_expiry(self, account: Address, chain_id: ChainId, entity_id: int, *, at: UnixSeconds) -> None:
        """Set the second `at` from which the entity id is expired, for every organisation; a later call replaces it."""

    async def get_expiry(self, account: Address, chain_id: ChainId, entity_id: int) -> UnixSeconds | None:
        """Return the first second at which the entity id is expired, if `set_expiry` recorded one; never deleted."""

    async def trust(self, account: Address, chain_id: ChainId, caller: str, *, forget_at: UnixSeconds) -> None:
        """Record that `caller` presented a valid signature of the account's owner."""


class Groups(Protocol):
    """Sessions that an organisation registered; the sessions of one request, on several chains, form a group."""

    async def register(self, group: SessionGroup, *, now: UnixSeconds | None = None) -> SessionGroup | None:
        """Write the whole group atomically and return it.

        Return the earlier group instead if it has exactly the same sessions and all are active at `now`, by default
        when the new group is created. Return None and write nothing if any session is in a different group.
        """

    async def get(self, group_id: GroupId) -> SessionGroup | None:
        """Return the group with an id."""

    async def find_by_session(self, session_id: SessionId) -> SessionGroup | None:
        """Return the group of a session."""

    async def page(
        self, session_filter: SessionFilter, *, now: UnixSeconds, offset: int, limit: int
    ) -> tuple[GroupedSession, ...]:
        """Return up to `limit` active sessions after `offset`: not revoked, not expired; newest first, then by id."""

    async def revoke(self, group_id: GroupId, session_id: SessionId, *, at: UnixSeconds) -> bool:
        """Revoke the session, atomically; return False if already revoked. Raises: KeyError if not in the group."""


class IssuedTokens(Protocol):
    """Session tokens that were issued for an organisation's keys, each stored until it expires."""

    async def add(self, claims: Claims) -> None:
        """Store the claims of a token."""

    async def get(self, token_id: str) -> Claims | None:
        """Return the claims of a token."""

    async def revoke(self, token_id: str, *, until: UnixSeconds) -> bool:
        """Revoke a token whose expiry is `until`; return False if it was revoked already."""

    async def is_revoked(self, token_id: str) -> bool:
        """Return True if the token is revoked."""


class AuditLog(Protocol):
    """An organisation's append-only audit log."""

    async def append(self, event: AuditEvent) -> None:
        """Append the event as an entry whose hash covers the previous entry."""


class OrganizationStore(Protocol):
    """The storage of one organisation."""

    @property
    def accounts(self) -> Accounts:
        """The accounts."""

    @property
    def sessions(self) -> Sessions:
        """The sessions."""

    @property
    def unsigned_sessions(self) -> UnsignedSessions:
        """The unsigned sessions."""

    @property
    def session_index(self) -> SessionIndex:
        """The index of the sessions."""

    @property
    def rules(self) -> RuleStore:
        """The rules of sessions."""

    @property
    def approvals(self) -> Approvals:
        """The calls that wait for an approval."""

    @property
    def stops(self) -> Stops:
        """The stops of sessions."""

    @property
    def calls(self) -> Calls:
        """The submitted operations."""

    @property
    def groups(self) -> Groups:
        """The registered sessions."""

    @property
    def tokens(self) -> IssuedTokens:
        """The issued session tokens."""

    @property
    def audit(self) -> AuditLog:
        """The audit log."""

    @property
    def grant_policy(self) -> GrantPolicy:
        """The policy on grants."""

    @property
    def events(self) -> EventStore:
        """The event log."""

    @property
    def webhooks(self) -> Webhooks:
        """The webhooks."""


class Directory(Protocol):
    """All organisations and API keys."""

    async def add_organization(self, organization: Organization) -> None:
        """Add an organisation. Raises: Conflict when the id exists."""

    async def organization(self, organization_id: OrganizationId) -> Organization | None:
        """Return the organisation with an id; `OPEN_ORGANIZATION` always exists."""

    async def organizations(self) -> tuple[Organization, ...]:
        """Return all organisations, oldest first."""

    async def add_key(self, key: ApiKey) -> None:
        """Add an API key. Raises: Conflict when the id exists, also for a revoked key."""

    async def key(self, key_id: KeyId) -> ApiKey | None:
        """Return the key with an id, also if it is revoked or expired."""

    async def keys_of(self, organization_id: OrganizationId) -> tuple[ApiKey, ...]:
        """Return all keys of an organisation, oldest first."""

    async def revoke_key(self, key_id: KeyId, *, at: UnixSeconds) -> bool:
        """Revoke a key and all its tokens; return False if already revoked. Raises: KeyError for an unknown key."""

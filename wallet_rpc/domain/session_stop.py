"""Stops of sessions: pauses and revocations of one session, of an account's sessions, and kill switches.

A stop of one session is stored with its account and binds every organisation. A kill switch is an organisation's own:
it binds the sessions that the organisation controls, for every caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.validation import installed_signer, parse_install
from wallet_rpc.primitives import Address, Hash32, Nonce, SessionId, UnixSeconds
from wallet_rpc.wire import shape

OWNER = "owner"
"""The name of an account's owner among those who pause; an organisation is named by its id."""


class StopMode(StrEnum):
    """Kinds of stop."""

    PAUSE = "pause"
    """The sessions are refused until they are resumed."""
    REVOKE = "revoke"
    """The sessions are refused for ever."""


class ScopeKind(StrEnum):
    """Kinds of set of sessions that a kill switch stops."""

    ORGANIZATION = "organization"
    ACCOUNT = "account"
    KEY = "key"
    TAG = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopScope:
    """The sessions that a kill switch stops."""

    kind: ScopeKind
    value: str = ""
    """EIP-55 text of an address, or the tag; empty for the organisation."""

    @property
    def name(self) -> str:
        """The scope as one text, such as `account:0x…`."""
        return f"{self.kind}:{self.value}" if self.value else self.kind.value

    @classmethod
    def parse(cls, name: str) -> StopScope:
        """Return the scope with a name. Raises: ValueError for another text."""
        kind, _, value = name.partition(":")
        return cls(kind=ScopeKind(kind), value=value)


ORGANIZATION_SCOPE = StopScope(kind=ScopeKind.ORGANIZATION)
"""All sessions of an organisation."""


@shape
class StopRecord:
    """A stored pause or kill switch."""

    version: int = 1
    mode: StopMode
    at: UnixSeconds
    """Time from which the stop holds."""
    by: str
    """Digest of the API key that set it (`Caller.holder_digest`), `cli` or `owner`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """An organisation that controls a session: it created it, or presented the owner's signature of the grant."""

    organization: OrganizationId
    key: Address
    """The session key that the owner granted."""
    session_id: SessionId | None = None
    """The session's id in that organisation; None for a grant that the client stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedGrant:
    """The grant of a session that a request or an operation presents."""

    action: DeferredAction
    key: Address | None
    """The session key that it grants; None if it cannot be read."""

    @classmethod
    def from_action(cls, action: DeferredAction) -> PresentedGrant:
        """Return the grant of an action, with the key that it installs, if it installs a single signer."""
        try:
            return cls(action=action, key=installed_signer(parse_install(action.call)))
        except ValueError:
            return cls(action=action, key=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """The creation of a session whose grant was not presented yet, bound to this grant.

    Another grant with the same entity id, made elsewhere, has another digest.
    """

    controller: Controller
    """The organisation that created the session."""
    digest: Hash32
    """EIP-712 digest of the grant, which its owner signs."""
    nonce: Nonce
    """Full nonce of the operation that installs the grant."""

    def is_of(self, grant: PresentedGrant, *, account: Address, chain_id: int) -> bool:
        """Return True if this grant is the created one."""
        return grant.action.digest(account=account, chain_id=chain_id) == self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStops:
    """The stored facts about one entity id of an account, which all organisations share."""

    is_revoked: bool = False
    """True if the session is revoked, or all sessions of its account on the chain."""
    expires_at: UnixSeconds | None = None
    """Registered expiry, the first second in which the session is refused."""
    pauses: Mapping[str, StopRecord]
    """Pauses by the name of who set them: `OWNER` or an organisation's id."""
    is_account_paused: bool = False
    """True if the owner paused all sessions of the account on the chain."""
    controllers: tuple[Controller, ...] = ()
    creation: Creation | None = None
    """Creation of a session with this entity id, not presented yet; another session may have the id on chain."""

    @property
    def is_paused(self) -> bool:
        """True if anybody has paused the session."""
        return bool(self.pauses) or self.is_account_paused

    @property
    def is_known(self) -> bool:
        """True if anything is stored about the session."""
        return self.is_revoked or self.is_paused or self.expires_at is not None or bool(self.controllers)


def find_switches(
    switches: Mapping[StopScope, StopRecord], *, account: Address, key: Address | None, tags: tuple[str, ...]
) -> tuple[StopScope, ...]:
    """Return the scopes among an organisation's kill switches that a session is in; those that revoke come first."""
    scopes = [ORGANIZATION_SCOPE, StopScope(kind=ScopeKind.ACCOUNT, value=account.hex0x())]
    if key is not None:
        scopes.append(StopScope(kind=ScopeKind.KEY, value=key.hex0x()))
    scopes += [StopScope(kind=ScopeKind.TAG, value=tag) for tag in tags]
    found = [scope for scope in scopes if scope in switches]
    return tuple(sorted(found, key=lambda scope: switches[scope].mode is not StopMode.REVOKE))

"""Callers and the access that operations require: organisations, API keys, session tokens and their scopes.

By default, an operation accepts API keys that may write, and no session token.

Source: seeds 000 and 004; specs/access.md.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from wallet_rpc.errors import Forbidden, Unauthorized
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.primitives.base64url import encode_base64url
from wallet_rpc.wire import shape

OrganizationId = NewType("OrganizationId", str)
"""`org_` and 20 letters or digits."""
ORGANIZATION_ID = re.compile(r"org_[0-9A-Za-z]{1,64}")
"""The format of an organisation's id. It also accepts the ids of other servers."""
KeyId = NewType("KeyId", str)
"""`key_` and the first 20 hex digits of the key's SHA-256."""

OPEN_ORGANIZATION = OrganizationId("org_open")
"""The organisation of callers without an API key, where the server accepts them. Its storage keys have no prefix."""
KEY_PREFIX = "wrk_"
"""The prefix of every API key issued by this server, so that a leaked key is recognised."""


class KeyScope(StrEnum):
    """The operations that an API key allows."""

    READ = "read"
    READ_WRITE = "read-write"


class Scope(StrEnum):
    """The operations that a session token allows. A token without requested scopes gets the first four."""

    WALLET_READ = "wallet:read"
    """Request the wallet's account, and read the status of its calls."""
    WALLET_STREAM = "wallet:stream"
    """Follow the events of the wallet's accounts."""
    TRANSACTIONS_BUILD = "transactions:build"
    """Prepare calls."""
    TRANSACTIONS_SUBMIT = "transactions:submit"
    """Send prepared calls, with their submission ticket."""
    SESSIONS_CREATE = "sessions:create"
    """Create sessions."""


DEFAULT_SCOPES = (Scope.WALLET_READ, Scope.WALLET_STREAM, Scope.TRANSACTIONS_BUILD, Scope.TRANSACTIONS_SUBMIT)
"""The documented scopes, in their order. `sessions:create` is this server's addition and has to be requested."""


class WalletNamespace(StrEnum):
    """The address format of a token's wallet, as a CAIP-2 namespace."""

    EVM = "eip155"
    SOLANA = "solana"


@shape
class Organization:
    """A tenant. No organisation sees the data of another."""

    version: int = 1
    id: OrganizationId
    name: str
    created_at: UnixSeconds


@shape
class ApiKey:
    """The stored record of an API key: never the key itself, only its SHA-256 (64 hex digits)."""

    version: int = 1
    id: KeyId
    organization: OrganizationId
    name: str = ""
    digest: str
    scope: KeyScope = KeyScope.READ_WRITE
    requests_per_minute: int
    requests_per_month: int | None = None
    """None: no monthly limit."""
    created_at: UnixSeconds
    expires_at: UnixSeconds | None = None
    """The first second at which the key is rejected."""
    revoked_at: UnixSeconds | None = None

    def is_expired(self, now: UnixSeconds) -> bool:
        """Return True when the key has expired."""
        return self.expires_at is not None and now >= self.expires_at

    def is_active(self, now: UnixSeconds) -> bool:
        """Return True when the key is neither revoked nor expired."""
        return self.revoked_at is None and not self.is_expired(now)


def new_organization_id(entropy: bytes) -> OrganizationId:
    """Return an organisation id made of 10 random bytes."""
    return OrganizationId(f"org_{entropy.hex()}")


def new_api_key(entropy: bytes) -> str:
    """Return an API key made of 32 random bytes: `wrk_` and 43 characters of base64url."""
    return KEY_PREFIX + encode_base64url(entropy)


def derive_key_id(key: str) -> KeyId:
    """Derive the id of a key from its SHA-256. The key cannot be derived from its id."""
    return KeyId(f"key_{sha256_hex(key)[:20]}")


def sha256_hex(key: str) -> str:
    """Return the SHA-256 of the UTF-8 text of `key`, in hex. Only this digest of a key is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def matches_key(key: str, record: ApiKey) -> bool:
    """Return True when `key` has the stored digest; the comparison takes constant time."""
    return hmac.compare_digest(sha256_hex(key), record.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """The wallet that a session token is bound to: an EVM address (EIP-55 text) or a Solana one (base58)."""

    namespace: WalletNamespace
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of a session token whose signature was verified."""

    id: str
    """`jti`: 32 hex digits."""
    wallet: Wallet
    scopes: tuple[Scope, ...]
    key: KeyId
    """The API key that requested the token. When the key expires or is revoked, the token ends too."""
    organization: OrganizationId
    issued_at: UnixSeconds
    expires_at: UnixSeconds
    """The first second at which the token is rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The caller of an operation: an anonymous client of an open server, an API key, or a session token."""

    name: str
    """The name in logs: the key's id, the key's and the token's id, or the client address."""
    organization: OrganizationId = OPEN_ORGANIZATION
    key: ApiKey | None = None
    """The API key that was presented, or the API key that requested the presented token."""
    token: Claims | None = None

    @property
    def holder(self) -> str:
        """The id of the API key, also of a key whose token was presented; without a key, the client address."""
        return self.name if self.key is None else self.key.id

    @property
    def holder_digest(self) -> str:
        """The first 32 hex digits of the SHA-256 of `holder`, as stored in records."""
        return sha256_hex(self.holder)[:32]

    @property
    def is_anonymous(self) -> bool:
        """True when the caller presented neither an API key nor a session token."""
        return self.key is None

    @property
    def actor(self) -> str:
        """The name in the organisation's audit log; empty for an anonymous caller, which has no log."""
        return "" if self.is_anonymous else self.name

    @property
    def may_write(self) -> bool:
        """True when the caller's API key may do more than read, or when there is none."""
        return self.key is None or self.key.scope is KeyScope.READ_WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The limits that the operator sets."""

    session_seconds: int = 365 * 86_400
    """The maximum time, in seconds, from the registration of an organisation's session to its registered expiry."""
    unsigned_seconds: int = 90 * 86_400
    """The longest time for which an unsigned session is stored, in seconds."""
    unsigned_per_caller: int = 10_000
    """The maximum number of unsigned sessions of one API key, or of one client address without a key."""
    unsigned_per_account: int = 1_000
    """The maximum number of unsigned sessions of one account on one chain.

    Sessions of trusted and of other callers are counted separately.
    """
    allows_private_webhooks: bool = False
    """True if webhooks may have private addresses and http URLs."""
    token_wallets: frozenset[WalletNamespace] = frozenset(WalletNamespace)
    """The namespaces whose addresses a session token may be bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredAccess:
    """The access that an operation requires of its caller."""

    writes: bool = True
    """True: a key whose scope is `read` is rejected."""
    scopes: tuple[Scope, ...] = ()
    """A token needs one of these scopes. Without any, every token is rejected."""

    def authorize(self, caller: Caller) -> None:
        """Raise Forbidden when the scope of the caller's token or key is insufficient; the token is checked first."""
        if caller.token is not None and not set(self.scopes) & set(caller.token.scopes):
            required = " or ".join(self.scopes) or "API key"
            raise Forbidden(f"Insufficient scope: {required} required", reason="insufficient_scope")
        if self.writes and not caller.may_write:
            raise build_key_scope_error()


READ_ACCESS = RequiredAccess(writes=False)
"""Access for any API key, and for no token."""
WRITE_ACCESS = RequiredAccess()
"""Access for API keys that may write, and for no token."""


def build_key_scope_error() -> Forbidden:
    """Build the error for an operation that the key's scope does not allow."""
    return Forbidden("key scope does not allow this", reason="key_scope")


def build_invalid_token_error(reason: str = "session_token_invalid") -> Unauthorized:
    """Build the error for a session token that is not valid; only `reason` tells the cause."""
    return Unauthorized("Invalid session token", reason=reason)

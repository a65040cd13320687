"""Who asks, and what an operation asks of them: organisations, API keys, session tokens and their scopes.

The rule: an operation that does not say otherwise is for keys that may write, and for no session token.

Source: seeds 000 and 004; specs/access.md.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from wallet_rpc.errors import Forbidden, Unauthorized
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.wire import shape

OrganizationId = NewType("OrganizationId", str)
"""`org_` and 20 letters or digits."""
ORGANIZATION_ID = re.compile(r"org_[0-9A-Za-z]{1,64}")
"""The form of an organisation's id, of whatever server."""
KeyId = NewType("KeyId", str)
"""`key_` and the first 20 hex digits of the key's SHA-256."""

OPEN_ORGANIZATION = OrganizationId("org_open")
"""The organisation of those who show no key, where the server lets them in; what it keeps has no prefix of its own."""
KEY_PREFIX = "wrk_"
"""What every key that we make starts with, so that a leaked one is recognised."""


class KeyScope(StrEnum):
    """What an API key may do."""

    READ = "read"
    READ_WRITE = "read-write"


class Scope(StrEnum):
    """What a session token may do; the first four are what it gets when nothing is asked for."""

    WALLET_READ = "wallet:read"
    WALLET_STREAM = "wallet:stream"
    TRANSACTIONS_BUILD = "transactions:build"
    TRANSACTIONS_SUBMIT = "transactions:submit"
    SESSIONS_CREATE = "sessions:create"


DEFAULT_SCOPES = (Scope.WALLET_READ, Scope.WALLET_STREAM, Scope.TRANSACTIONS_BUILD, Scope.TRANSACTIONS_SUBMIT)
"""The documented scopes, in their order; `sessions:create` is our own and only given by name."""


class WalletNamespace(StrEnum):
    """Whose form of address a token's wallet has (CAIP-2)."""

    EVM = "eip155"
    SOLANA = "solana"


@shape
class Organization:
    """A tenant: nothing that one keeps is seen by another."""

    version: int = 1
    id: OrganizationId
    name: str
    created_at: UnixSeconds


@shape
class ApiKey:
    """A key as it is kept: never the key itself, only its SHA-256 (64 hex digits)."""

    version: int = 1
    id: KeyId
    organization: OrganizationId
    name: str = ""
    digest: str
    scope: KeyScope = KeyScope.READ_WRITE
    requests_per_minute: int
    requests_per_month: int | None = None
    """None: as many as the minutes allow."""
    created_at: UnixSeconds
    expires_at: UnixSeconds | None = None
    """The first second at which it is refused."""
    revoked_at: UnixSeconds | None = None

    def is_expired(self, now: UnixSeconds) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at

    def is_active(self, now: UnixSeconds) -> bool:
        """Whether it lets anyone in."""
        return self.revoked_at is None and not self.is_expired(now)


def new_organization_id(entropy: bytes) -> OrganizationId:
    """The id that 10 random bytes make."""
    return OrganizationId(f"org_{entropy.hex()}")


def new_api_key(entropy: bytes) -> str:
    """The key that 32 random bytes make: `wrk_` and 43 letters of base64url."""
    return KEY_PREFIX + base64.urlsafe_b64encode(entropy).rstrip(b"=").decode()


def derive_key_id(key: str) -> KeyId:
    """The id of a key: anyone who has the key can say it, and nobody finds the key by it."""
    return KeyId(f"key_{sha256_hex(key)[:20]}")


def sha256_hex(key: str) -> str:
    """What is kept of a key: the SHA-256 of its UTF-8 text, in hex."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def matches_key(key: str, record: ApiKey) -> bool:
    """Whether `key` is the one that is kept, compared in constant time."""
    return hmac.compare_digest(sha256_hex(key), record.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """What a session token is bound to: an EVM address (EIP-55 text) or a Solana one (base58)."""

    namespace: WalletNamespace
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a session token says, once its seal was found to be ours."""

    id: str
    """`jti`: 32 hex digits."""
    wallet: Wallet
    scopes: tuple[Scope, ...]
    key: KeyId
    """The API key that asked for it; when that ends, the token ends."""
    organization: OrganizationId
    issued_at: UnixSeconds
    expires_at: UnixSeconds
    """The first second at which it is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: whoever connects where the server is open, the holder of a key, or the holder of a token."""

    name: str
    """In logs: the key's id, a token's behind its key's, or the address that connects."""
    organization: OrganizationId = OPEN_ORGANIZATION
    key: ApiKey | None = None
    """The key that was shown, or the one behind the token that was shown."""
    token: Claims | None = None

    @property
    def holder(self) -> str:
        """Who answers for the caller: the key's id, whichever of its tokens was shown, or the address that connects."""
        return self.name if self.key is None else self.key.id

    @property
    def holder_digest(self) -> str:
        """The first 32 hex digits of the SHA-256 of `holder`, for what is kept of a caller."""
        return sha256_hex(self.holder)[:32]

    @property
    def is_anonymous(self) -> bool:
        """Whether no key was shown."""
        return self.key is None

    @property
    def may_write(self) -> bool:
        """Whether the key behind the caller may do more than read."""
        return self.key is None or self.key.scope is KeyScope.READ_WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator allows."""

    session_seconds: int = 365 * 86_400
    """How far ahead the registered end of an organisation's session may be."""
    unsigned_seconds: int = 90 * 86_400
    """The longest time for which an unsigned session is kept, in seconds."""
    unsigned_per_caller: int = 10_000
    """The most unsigned sessions of one API key, or of one client address without a key."""
    unsigned_per_account: int = 1_000
    """The most unsigned sessions of one account on one chain; strangers and trusted callers are counted separately."""
    token_wallets: frozenset[WalletNamespace] = frozenset(WalletNamespace)
    """Whose addresses a session token may be bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredAccess:
    """What an operation asks of its caller."""

    writes: bool = True
    """True: a key whose scope is `read` is refused."""
    scopes: tuple[Scope, ...] = ()
    """A token needs one of these; with none here, every token is refused."""

    def authorize(self, caller: Caller) -> None:
        """Raises: Forbidden when the caller's token or key does not reach as far; the token is looked at first."""
        if caller.token is not None and not set(self.scopes) & set(caller.token.scopes):
            wanted = " or ".join(self.scopes) or "API key"
            raise Forbidden(f"Insufficient scope: {wanted} required", reason="insufficient_scope")
        if self.writes and not caller.may_write:
            raise build_key_scope_error()


READ_ACCESS = RequiredAccess(writes=False)
"""For any key, and for no token."""
WRITE_ACCESS = RequiredAccess()
"""For keys that may write, and for no token."""


def build_key_scope_error() -> Forbidden:
    """The error of asking more than a key's scope allows."""
    return Forbidden("key scope does not allow this", reason="key_scope")


def build_invalid_token_error(reason: str = "session_token_invalid") -> Unauthorized:
    """The error of a session token that does not hold; why is for programs."""
    return Unauthorized("Invalid session token", reason=reason)

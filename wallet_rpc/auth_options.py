"""Authentication of a server: open or not, temporary API keys, the token signer and accepted sources."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.access import ApiKey, Caller, KeyId
from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.edge.request_sources import ANY, Origins, Sources
from wallet_rpc.ports import Clock, TokenSigner
from wallet_rpc.ports.limits import Limiter, RateLimitResult
from wallet_rpc.primitives import UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """Options of the authenticator."""

    is_open: bool
    """True if requests without an API key are accepted."""
    accepts_forwarded: bool = False
    """True if an open server accepts forwarded requests; `dev` does, because of development proxies."""
    temporary_keys: tuple[ApiKey, ...] = ()
    """API keys that are valid while this server runs and are not stored."""
    token_signer: TokenSigner | None
    """None if the server issues no session tokens."""


def build_token_signer(secrets: tuple[bytes, ...]) -> TokenSigner | None:
    """Build the signer of session tokens; None without secrets. Raises: SettingError when a secret is invalid."""
    try:
        return JwtTokenSigner(secrets) if secrets else None
    except ValueError as error:
        raise SettingError(f"{variable('token_secrets')}: {error}") from None


async def load_auth_options(settings: Settings, store: RedisStore, clock: Clock) -> AuthOptions:
    """Load the authentication options of `serve`. Raises: SettingError when no request could be authenticated."""
    if not settings.is_serve_open and not await _has_active_key(store, clock):
        raise SettingError(
            f"{variable('open')}: no request would be accepted, since no API key is active; create one with "
            f"`wallet-rpc org create NAME` and `wallet-rpc key create --org ID`, "
            f"or accept requests without a key with {variable('open')}=yes"
        )
    return AuthOptions(is_open=settings.is_serve_open, token_signer=build_token_signer(settings.token_secrets))


def sources_of(settings: Settings, auth: AuthOptions) -> Sources:
    """Return the accepted sources of requests.

    A server that requires API keys accepts any source and, by default, web pages of every origin.
    """
    if not auth.is_open:
        return Sources(are_checked=False, origins=Origins(allowed=settings.cors_origins or (ANY,)))
    origins = Origins(allowed=settings.cors_origins or (), has_local=True)
    return Sources(hosts=settings.allowed_hosts, origins=origins, accepts_forwarded=auth.accepts_forwarded)


async def _has_active_key(store: RedisStore, clock: Clock) -> bool:
    for organization in await store.directory.organizations():
        keys = await store.directory.keys_of(organization.id)
        if any(key.is_active(clock.now()) for key in keys):
            return True
    return False


def build_authenticator(store: RedisStore, options: AuthOptions, clock: Clock, *, real_clock: Clock) -> Authenticator:
    """Build the authenticator of a server; keys and revocations are in the store."""
    temporary_keys = {key.id: key for key in options.temporary_keys}

    async def find_key(key_id: KeyId) -> ApiKey | None:
        return temporary_keys[key_id] if key_id in temporary_keys else await store.directory.key(key_id)

    return Authenticator(
        find_key=find_key,
        tokens=lambda organization: store.for_organization(organization).tokens,
        token_signer=options.token_signer,
        limiter=_RealTimeLimiter(store.limiter, real_clock),
        clock=clock,
        is_open=options.is_open,
    )


@dataclass(frozen=True, slots=True)
class _RealTimeLimiter:
    """A `ports.limits.Limiter` whose time passes also while that of the server does not."""

    limiter: Limiter
    clock: Clock

    async def take(self, caller: Caller, cost: int, *, now: UnixSeconds) -> RateLimitResult:
        """Count a body by the real clock instead of `now`. Raises: Unavailable."""
        return await self.limiter.take(caller, cost, now=self.clock.now())

"""Who is let in: what the settings say of those who show no key, and which keys and secrets a server begins with."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.access import ApiKey
from wallet_rpc.edge.request_sources import ANY, Origins, Sources
from wallet_rpc.ports import Clock, TokenSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """Who is let in."""

    is_open: bool
    """Also who shows no key."""
    accepts_forwarded: bool = False
    """True: an open server accepts what a proxy passes on, as that of `dev` does from development proxies."""
    temporary_keys: tuple[ApiKey, ...] = ()
    """Keys that are good while this server runs and are kept nowhere."""
    token_signer: TokenSigner | None
    """None: there are no session tokens."""


def build_token_signer(secrets: tuple[bytes, ...]) -> TokenSigner | None:
    """What seals session tokens; None without secrets. Raises: SettingError when one of them is no secret."""
    try:
        return JwtTokenSigner(secrets) if secrets else None
    except ValueError as error:
        raise SettingError(f"{variable('token_secrets')}: {error}") from None


async def load_auth_options(settings: Settings, store: RedisStore, clock: Clock) -> AuthOptions:
    """Whom `serve` lets in. Raises: SettingError when that is nobody."""
    if not settings.is_serve_open and not await _anyone_has_a_key(store, clock):
        raise SettingError(
            f"{variable('open')}: nobody could call this server, since no API key is active; make one by "
            f"`wallet-rpc org create NAME` and `wallet-rpc key create --org ID`, "
            f"or accept requests without a key from this machine by {variable('open')}=yes"
        )
    return AuthOptions(is_open=settings.is_serve_open, token_signer=build_token_signer(settings.token_secrets))


def sources_of(settings: Settings, auth: AuthOptions) -> Sources:
    """The accepted sources of requests: any where a key is needed, and then by default web pages of every origin."""
    if not auth.is_open:
        return Sources(are_checked=False, origins=Origins(allowed=settings.cors_origins or (ANY,)))
    origins = Origins(allowed=settings.cors_origins or (), has_local=True)
    return Sources(hosts=settings.allowed_hosts, origins=origins, accepts_forwarded=auth.accepts_forwarded)


async def _anyone_has_a_key(store: RedisStore, clock: Clock) -> bool:
    for organization in await store.directory.organizations():
        keys = await store.directory.keys_of(organization.id)
        if any(key.is_active(clock.now()) for key in keys):
            return True
    return False

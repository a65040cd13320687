"""Who is let in: what the settings say of those who show no key, and which keys and secrets a server begins with."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.adapters.jwt_seals import JwtSeals
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import ApiKey
from wallet_rpc.ports import Clock, Seals
from wallet_rpc.settings import Settings, WrongSetting, variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Who is let in."""

    is_open: bool
    """Also who shows no key."""
    ready: tuple[ApiKey, ...] = ()
    """Keys that are good while this server runs and are kept nowhere."""
    seals: Seals | None
    """None: there are no session tokens."""


def seals_of(secrets: tuple[bytes, ...]) -> Seals | None:
    """What seals session tokens; None without secrets. Raises: WrongSetting when one of them is no secret."""
    try:
        return JwtSeals(secrets) if secrets else None
    except ValueError as error:
        raise WrongSetting(f"{variable('token_secrets')}: {error}") from None


async def admission_of(settings: Settings, store: RedisStore, clock: Clock) -> Admission:
    """Whom `serve` lets in. Raises: WrongSetting when that is nobody."""
    if not settings.is_open and not await _anyone_has_a_key(store, clock):
        raise WrongSetting(
            f"{variable('open')}: nobody could call this server, since no API key is active; make one by "
            f"`wallet-rpc org create NAME` and `wallet-rpc key create --org ID`, "
            f"or let everyone in who reaches it by {variable('open')}=yes"
        )
    return Admission(is_open=settings.is_open, seals=seals_of(settings.token_secrets))


async def _anyone_has_a_key(store: RedisStore, clock: Clock) -> bool:
    for organization in await store.directory.organizations():
        keys = await store.directory.keys_of(organization.id)
        if any(key.is_active(clock.now()) for key in keys):
            return True
    return False

"""Pause, resumption and revocation of one session: who may change it, and the change for all organisations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.records import SessionState
from wallet_rpc.domain.session_change import ChangeAction, SessionChange
from wallet_rpc.domain.session_reference import NamedSession
from wallet_rpc.domain.session_stop import OWNER, SessionStops, StopMode, StopRecord
from wallet_rpc.domain.validation import installed_signer
from wallet_rpc.errors import Forbidden, InvalidParams, SessionEnded
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.account_facts import read_account_facts
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.events import ANOTHER_ORGANIZATION, publishing, share_event
from wallet_rpc.services.owner_consent import OWNER_SIGNATURE, OwnerSignature, require_consent
from wallet_rpc.services.session_stops import (
    find_controller,
    find_grant,
    read_installed_signer,
    read_stops,
    record_control,
)
from wallet_rpc.services.signatures import verify_owner_signature

CHANGE_REASONS = ("owner_signature_required", "session_not_controlled")
"""Reasons of a caller who may not change a session."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The party that changes a session."""

    name: str
    """`OWNER`, `key`, or the id of the caller's organisation."""
    by: str
    """The digest of the caller's API key, `OWNER` or `key`, as stored with the change."""

    @property
    def role(self) -> str:
        """The party for events and the audit log, which name no organisation."""
        return self.name if self in {OWNER_ACTOR, KEY_ACTOR} else "organization"

    @property
    def is_owner(self) -> bool:
        """True if the account's owner signed the change."""
        return self.name == OWNER


OWNER_ACTOR = Actor(OWNER, OWNER)
"""The owner of the account, who signed the change."""
KEY_ACTOR = Actor("key", "key")
"""The session key, which signed its own revocation."""


async def authorize_change(
    ports: Ports, chain: ChainPorts, named: NamedSession, action: ChangeAction, given: OwnerSignature | None
) -> Actor:
    """Return the party that may make this change: who signed it, or the organisation that controls the session.

    The signature of the session key itself is accepted to revoke.

    Raises: Forbidden for a caller without either; the errors of `require_consent` for a signature that is not valid.
    """
    if given is not None:
        reference = named.reference
        change = SessionChange(
            action=action, account=reference.account, chain_id=reference.chain_id, entity_id=reference.entity_id
        )
        also = await _read_session_keys(chain, named) if action is ChangeAction.REVOKE else ()
        signer = await require_consent(ports, chain, given, change, also=also)
        return KEY_ACTOR if signer in also else OWNER_ACTOR
    require_key(ports)
    if not await controls_session(ports, chain, named):
        raise Forbidden(
            "the organisation does not control this session: no request of it presented the owner's signature; send "
            "the session's context, or the owner's signature of this change",
            reason="session_not_controlled",
        )
    return Actor(ports.store.stops.organization, ports.caller.holder_digest)


def require_key(ports: Ports) -> None:
    """Raise Forbidden (owner_signature_required) for a caller without an API key."""
    if ports.caller.is_anonymous:
        raise Forbidden(
            "expected the signature of the account's owner, because the request has no API key; sign the typed data "
            "of wallet_prepareSessionChange",
            reason="owner_signature_required",
            field=OWNER_SIGNATURE,
        )


async def controls_session(ports: Ports, chain: ChainPorts, named: NamedSession) -> bool:
    """Return True if the caller's organisation controls a session.

    It does if it created the session, or if a caller of it presented the owner's signature of the grant, before or in
    this request. A session from before creations were recorded is its creator's until another organisation presents it.
    """
    stops = await read_stops(ports, chain, named)
    if find_controller(stops, ports.store.stops.organization) is not None:
        return True
    stored, install = named.session, named.install
    is_signed = stored is not None and stored.state is SessionState.ACTIVE
    if is_signed or await _is_signed_by_owner(ports, chain, named):
        if install is not None:
            key = installed_signer(install)
            await record_control(ports, named.reference, key=key, session_id=named.id, grant=find_grant(named))
        return True
    return stored is not None and not stops.controllers


async def _is_signed_by_owner(ports: Ports, chain: ChainPorts, named: NamedSession) -> bool:
    """Return True if the request has the owner's valid signature of the session's grant."""
    if named.grant is not None:
        action, signature = named.grant.action, named.grant.authorization[1:]
    elif named.session is not None and named.signature is not None:
        action, signature = named.session.action, named.signature
    else:
        return False
    try:
        facts = await read_account_facts(ports, chain, named.reference.account, at="params.account")
        return await verify_owner_signature(chain, facts, action, signature) is not None
    except InvalidParams:  # no account, or a malformed wrapper
        return False


async def _read_session_keys(chain: ChainPorts, named: NamedSession) -> tuple[Address, ...]:
    """Return the key of the session: the installed one, or that of a grant which is not installed."""
    signer = await read_installed_signer(chain, named.reference)
    if signer is not None:
        return (signer,)
    return () if named.session is None else (named.session.key.address,)


async def pause_session(ports: Ports, named: NamedSession, actor: Actor) -> None:
    """Pause a session for every organisation. Raises: SessionEnded for a revoked one."""
    await _refuse_revoked(ports, named)
    record = StopRecord(mode=StopMode.PAUSE, at=ports.clock.now(), by=actor.by)
    async with _publishing(ports, named, EventType.SESSION_PAUSED, actor):
        await ports.store.stops.pause(named.reference, actor.name, record)
    await log_event(ports, EventKind.SESSION_PAUSED, **_facts(named, actor))


async def resume_session(ports: Ports, named: NamedSession, actor: Actor) -> None:
    """Remove the pause of the caller's organisation; the owner removes those of all. Raises: SessionEnded."""
    await _refuse_revoked(ports, named)
    async with _publishing(ports, named, EventType.SESSION_RESUMED, actor):
        await ports.store.stops.resume(named.reference, None if actor.is_owner else actor.name)
    await log_event(ports, EventKind.SESSION_RESUMED, **_facts(named, actor))


async def revoke_session(ports: Ports, named: NamedSession, actor: Actor) -> None:
    """Revoke a session permanently, for every organisation, and mark it as revoked in its group, if it has one."""
    async with _publishing(ports, named, EventType.SESSION_REVOKED, actor):
        await ports.store.stops.revoke(named.reference)
    await log_event(ports, EventKind.GRANT_REVOKED, **_facts(named, actor))
    group = None if named.id is None else await ports.store.groups.find_by_session(named.id)
    if group is not None and named.id is not None:
        await ports.store.groups.revoke(group.id, named.id, at=ports.clock.now())


def list_pausers(ports: Ports, stops: SessionStops) -> tuple[str, ...]:
    """Return who paused a session, for the caller: other organisations are not named."""
    own = ports.store.stops.organization
    names = {
        name if name == OWNER else "organization" if name == own else ANOTHER_ORGANIZATION for name in stops.pauses
    }
    return tuple(sorted(names | ({OWNER} if stops.is_account_paused else set())))


async def _refuse_revoked(ports: Ports, named: NamedSession) -> None:
    if (await ports.store.stops.read(named.reference)).is_revoked:
        raise SessionEnded("the session is revoked, which is permanent; create a new session", reason="session_revoked")


@asynccontextmanager
async def _publishing(ports: Ports, named: NamedSession, kind: EventType, actor: Actor) -> AsyncIterator[None]:
    """Publish the change that the block makes, to each organisation that controls the session."""
    reference = named.reference
    event = Event(
        type=kind,
        time=ports.clock.now(),
        account=reference.account,
        chain_id=reference.chain_id,
        session_id=named.id,
        data={"entityId": int(reference.entity_id), "by": actor.role},
    )
    by = actor.role if actor in {OWNER_ACTOR, KEY_ACTOR} else ANOTHER_ORGANIZATION
    async with publishing(ports, event, elsewhere=await share_event(ports, reference, event, by=by)):
        yield


def _facts(named: NamedSession, actor: Actor) -> dict[str, Any]:
    """Return the facts of a change for the audit log."""
    reference = named.reference
    facts: dict[str, Any] = {
        "account": reference.account.hex0x(),
        "chainId": reference.chain_id,
        "entityId": int(reference.entity_id),
        "by": actor.role,
    }
    return facts if named.id is None else {**facts, "sessionId": named.id.hex0x()}

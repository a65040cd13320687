"""Check of stops: the error of a session that was revoked, has expired, or is paused, alone or by a kill switch.

Each check reads Redis anew. It runs when a request names a session, and again when a call is handed to a bundler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.domain.session_stop import (
    Controller,
    Creation,
    PresentedGrant,
    ScopeKind,
    SessionStops,
    StopMode,
    StopRecord,
    StopScope,
    find_switches,
)
from wallet_rpc.domain.views import decode_address, encode_signers
from wallet_rpc.errors import ExecutionReverted, SessionEnded, SessionPaused, UnreadableAnswer
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, Address, EntityId, Nonce, SessionId, UnixSeconds

PERMISSIONS = "params.capabilities.permissions"
"""The path of the permissions in a request."""
_Switches = Mapping[StopScope, StopRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopCheck:
    """The result of a check: the error of a stopped session, None for a usable one, and the stored facts.

    The controllers include the organisation that created the session. `stops.creation` is None unless it is this
    session's.
    """

    error: SessionEnded | SessionPaused | None
    stops: SessionStops

    def needs_record(self, ports: Ports) -> bool:
        """Return True if a presented signature of the grant shows a controller that is not recorded yet."""
        own = find_controller(self.stops, ports.store.stops.organization)
        return own is None or self.stops.creation is not None


async def check_stops(
    ports: Ports,
    chain: ChainPorts,
    session: SessionReference,
    *,
    grant: PresentedGrant | None = None,
    session_id: SessionId | None = None,
) -> StopCheck:
    """Check the stops of a session: its own, its account's, and the kill switches of all who created or control it.

    The switches of the caller's organisation always apply. The session key is read from the chain if a switch names
    keys; `grant` is that of a session that may not be installed yet. `session_id` is the session's id in the caller's
    organisation.
    """
    subject = _Subject(chain, session, grant, session_id)
    stops, own = await asyncio.gather(_read_stops(ports, subject), ports.store.stops.switches())
    error = _find_own_error(stops, now=ports.now_on(session.chain_id))
    if error is None:
        error = await _find_switch_error(ports, stops, own, subject)
    return StopCheck(error=error, stops=stops)


async def read_stops(ports: Ports, chain: ChainPorts, named: NamedSession) -> SessionStops:
    """Return what is stored about a session, with the organisation that created it among its controllers."""
    return await _read_stops(ports, _Subject(chain, named.reference, find_grant(named), named.id))


def find_grant(named: NamedSession) -> PresentedGrant | None:
    """Return the grant of a session that a request names; None for one that only the chain knows."""
    if named.session is not None:
        return PresentedGrant(action=named.session.action, key=named.session.key.address)
    return None if named.grant is None else PresentedGrant.from_action(named.grant.action)


async def record_control(
    ports: Ports,
    session: SessionReference,
    *,
    key: Address,
    session_id: SessionId | None = None,
    grant: PresentedGrant | None,
) -> None:
    """Record that the caller's organisation controls a session, since the owner's signature was presented to it.

    The organisation that created this grant then controls the session too. From then on the session's rules are stored
    as long as a signed session's.
    """
    await ports.store.rules.keep(session)  # first: a session with a controller is not recorded again
    controller = Controller(organization=ports.store.stops.organization, key=key, session_id=session_id)
    digest = None if grant is None else grant.action.digest(account=session.account, chain_id=session.chain_id)
    await ports.store.stops.add_controller(session, controller, grant=digest)


async def record_creation(ports: Ports, session: Session, *, forget_at: UnixSeconds | None) -> None:
    """Record that the caller's organisation created a session, before anybody can sign and present its grant."""
    creator = Controller(organization=ports.store.stops.organization, key=session.key.address, session_id=session.id)
    reference = SessionReference(
        account=session.account, chain_id=session.chain_id, entity_id=EntityId(session.entity_id)
    )
    digest = session.action.digest(account=session.account, chain_id=session.chain_id)
    creation = Creation(controller=creator, digest=digest, nonce=session.nonce)
    await ports.store.stops.add_creation(reference, creation, forget_at=forget_at)


async def confirm_creator(ports: Ports, chain: ChainPorts, named: NamedSession, *, signer: Address) -> None:
    """Record the creator of a session as a controller while its key is installed, since the key is about to change."""
    creation = (await read_stops(ports, chain, named)).creation
    if creation is not None and creation.controller.key == signer:
        await ports.store.stops.add_controller(named.reference, creation.controller, grant=creation.digest)


def find_controller(stops: SessionStops, organization: OrganizationId) -> Controller | None:
    """Return the entry of an organisation that controls the session."""
    return next((one for one in stops.controllers if one.organization == organization), None)


async def read_installed_signer(chain: ChainPorts, session: SessionReference) -> Address | None:
    """Read the key of an installed session from its module; None for one that is not installed."""
    try:
        data = await chain.node.call(SINGLE_SIGNER_MODULE, encode_signers(session.entity_id, session.account))
        signer = decode_address(data)
    except (ExecutionReverted, UnreadableAnswer):
        return None
    return None if signer == ZERO_ADDRESS else signer


async def is_in_scope(ports: Ports, chain: ChainPorts, session: SessionReference, scope: StopScope) -> bool:
    """Return True if a kill switch of the caller's organisation with this scope stops the session."""
    store = ports.store.stops
    stops = await _read_stops(ports, _Subject(chain, session, None, None))
    mine = find_controller(stops, store.organization)
    session_id = None if mine is None else mine.session_id
    is_tag, is_key = scope.kind is ScopeKind.TAG, scope.kind is ScopeKind.KEY
    tags = await store.tags_of(store.organization, session, session_id) if is_tag else ()
    key = await _read_signer(stops, _Subject(chain, session, None, session_id)) if is_key else None
    record = StopRecord(mode=StopMode.PAUSE, at=ports.clock.now(), by="")
    return bool(find_switches({scope: record}, account=session.account, key=key, tags=tags))


def _find_own_error(stops: SessionStops, *, now: UnixSeconds) -> SessionEnded | SessionPaused | None:
    """Return the error of a session that is itself stopped, or with all sessions of its account."""
    if stops.is_revoked:
        return _build_revoked_error()
    if stops.expires_at is not None and stops.expires_at <= now:
        return SessionEnded("Session expired", reason="session_expired", field=PERMISSIONS, verbatim=True)
    return _build_paused_error() if stops.is_paused else None


@dataclass(frozen=True, slots=True)
class _Subject:
    """A session that kill switches may stop."""

    chain: ChainPorts
    reference: SessionReference
    grant: PresentedGrant | None
    session_id: SessionId | None


async def _read_stops(ports: Ports, subject: _Subject) -> SessionStops:
    """Return what is stored about a session, with the organisation that created it among its controllers.

    The stored creation is this session's if its grant is the presented one, if its key is the installed one, or if the
    nonce of its grant is used: then it was installed, whatever its key is now. The presented grant of an installed
    session is not trusted, since its signature is not verified again. Without a grant, a session that is not installed
    counts as the created one.
    """
    stops, grant = await ports.store.stops.read(subject.reference), subject.grant
    if stops.creation is None:
        return stops
    creator, session = stops.creation.controller, subject.reference
    if grant is None or not stops.creation.is_of(grant, account=session.account, chain_id=session.chain_id):
        signer = await read_installed_signer(subject.chain, session)
        is_other = signer != creator.key and (grant is not None or signer is not None)
        if is_other and not (signer is not None and await _is_used(subject, stops.creation.nonce)):
            return replace(stops, creation=None)
    others = (one for one in stops.controllers if one.organization != creator.organization)
    return replace(stops, controllers=(creator, *others))


async def _is_used(subject: _Subject, nonce: Nonce) -> bool:
    return await subject.chain.node.user_operation_nonce(subject.reference.account, nonce >> 64) > nonce


async def _read_signer(stops: SessionStops, subject: _Subject) -> Address | None:
    """Return the key of a session: the installed one, else the granted one."""
    granted = None if subject.grant is None else subject.grant.key
    granted = granted or next((one.key for one in stops.controllers), None)
    return await read_installed_signer(subject.chain, subject.reference) or granted


async def _find_switch_error(
    ports: Ports, stops: SessionStops, own: _Switches, subject: _Subject
) -> SessionEnded | SessionPaused | None:
    """Return the error of a session that a kill switch stops; one that revokes comes first."""
    store = ports.store.stops
    mine = find_controller(stops, store.organization)
    own_id = subject.session_id if mine is None or subject.session_id is not None else mine.session_id
    others = [one for one in stops.controllers if one.organization != store.organization]
    found = await asyncio.gather(*(store.switches(one.organization) for one in others))
    parties = [(store.organization, own_id, own)]
    parties += [(one.organization, one.session_id, switches) for one, switches in zip(others, found, strict=True)]
    signer = None
    if any(scope.kind is ScopeKind.KEY for *_, switches in parties for scope in switches):
        signer = await _read_signer(stops, subject)
    paused = None
    for organization, session_id, switches in parties:
        has_tags = any(scope.kind is ScopeKind.TAG for scope in switches)
        tags = await store.tags_of(organization, subject.reference, session_id) if has_tags else ()
        for scope in find_switches(switches, account=subject.reference.account, key=signer, tags=tags):
            own_scope = scope if organization == store.organization else None
            if switches[scope].mode is StopMode.REVOKE:
                return _build_revoked_error(own_scope)
            paused = paused or _build_paused_error(own_scope)
    return paused


def _build_revoked_error(scope: StopScope | None = None) -> SessionEnded:
    return SessionEnded(
        "Session revoked", reason="session_revoked", field=PERMISSIONS, verbatim=True, scope=_name(scope)
    )


def _build_paused_error(scope: StopScope | None = None) -> SessionPaused:
    return SessionPaused(
        "the session is paused; the same request may pass once the session is resumed",
        reason="session_paused",
        field=PERMISSIONS,
        scope=_name(scope),
    )


def _name(scope: StopScope | None) -> str | None:
    """Return the name of the kill switch for an error; None for a stop that is not the caller's organisation's."""
    return None if scope is None else scope.name

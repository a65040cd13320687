"""Changes of a session's rules: who may make them, and what happens to calls in flight.

The new rules are stored first. Calls that are accepted later are held to them; calls in flight are counted against
them, and those that no bundler can have are held to them when they are delivered.
"""

from __future__ import annotations

import asyncio

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.domain.rules.rule import SessionRule
from wallet_rpc.domain.rules.rule_checks import check_rule_parts
from wallet_rpc.domain.rules.stored_rules import OWNER_SET, RuleSet, format_rules
from wallet_rpc.domain.session_change import ChangeAction, SessionChange
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.errors import Forbidden
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import EntityId, SessionId, UnixSeconds
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.events import publish, publishing, share_event
from wallet_rpc.services.owner_consent import OwnerSignature, require_consent
from wallet_rpc.services.session_changes import controls_session, require_key
from wallet_rpc.services.session_rules import count_call, refuse_forgotten
from wallet_rpc.services.unsigned_sessions import choose_deletion

KEEP_SECONDS = 30 * 86_400
"""Time for which the rules of a session are stored after its expiry."""
RULE_REASONS = (
    "function_malformed",
    "rule_malformed",
    "time_malformed",
    "time_zone_unknown",
    "token_is_native",
)
"""Reasons of requests that set rules."""


async def set_rules(
    ports: Ports, chain: ChainPorts, named: NamedSession, rules: tuple[SessionRule, ...], given: OwnerSignature | None
) -> None:
    """Replace the rules that the caller's organisation has set, or by the owner's signature the rules of all.

    Raises: InvalidParams; Forbidden for a caller that controls no such session; RuleDenied; errors of the signature.
    """
    check_rule_parts(rules, at="params.rules")
    session = named.reference
    if given is not None:
        change = SessionChange(
            action=ChangeAction.SET_RULES,
            account=session.account,
            chain_id=session.chain_id,
            entity_id=session.entity_id,
            content=format_rules(rules),
        )
        await require_consent(ports, chain, given, change)
    else:
        require_key(ports)
        if not await controls_session(ports, chain, named):
            raise Forbidden(
                "the organisation does not control this session: no request of it presented the owner's signature; "
                "send the session's context, or the owner's signature of this change",
                reason="session_not_controlled",
            )
        if await ports.store.rules.read(session) is None:
            await refuse_forgotten(ports, session)  # only the owner can replace what was deleted
    by_owner = given is not None
    event = _build_event(ports, session, named.id, rules, by_owner=by_owner)
    shown = {"rules": len(rules)} if by_owner else {}
    elsewhere = await share_event(ports, session, event, **shown, byOwner=by_owner)
    async with publishing(ports, event, elsewhere=elsewhere):
        await _write(
            ports,
            session,
            rules,
            by_owner=by_owner,
            deadline=_deadline_of(named.session),
            unsigned_until=None if by_owner else await _find_unsigned_end(ports, named),
        )
    await count_open_calls(ports, session)
    await _log(ports, session, rules, by_owner=by_owner)


async def create_rules(
    ports: Ports, session: Session, rules: tuple[SessionRule, ...], *, unsigned_until: UnixSeconds
) -> None:
    """Set the rules of a session that is being created and cannot have been used yet.

    They are deleted at `unsigned_until`, unless the owner's signature is presented before.
    """
    reference = _refer_to(session)
    await asyncio.gather(
        _write(ports, reference, rules, by_owner=False, deadline=session.deadline, unsigned_until=unsigned_until),
        _announce(ports, session, rules, by_owner=False),
    )


async def copy_rules(ports: Ports, source: SessionReference, session: Session) -> None:
    """Set the rules of another session, those of each party, for one that replaces it and was not used yet."""
    stored = await ports.store.rules.read(source)
    if stored is None:
        await refuse_forgotten(ports, source)
    for name, rule_set in ({} if stored is None else stored.sets).items():
        forget_at = _choose_deletion(session.deadline)
        unsigned_until = choose_deletion(ports, session.chain_id, session.deadline)
        await ports.store.rules.write(
            _refer_to(session), name, rule_set, forget_at=forget_at, unsigned_until=unsigned_until
        )
        await _announce(ports, session, rule_set.rules, by_owner=name == OWNER_SET)


def _refer_to(session: Session) -> SessionReference:
    return SessionReference(account=session.account, chain_id=session.chain_id, entity_id=EntityId(session.entity_id))


async def _announce(ports: Ports, session: Session, rules: tuple[SessionRule, ...], *, by_owner: bool) -> None:
    """Log and publish the rules of a new session."""
    reference = _refer_to(session)
    event = _build_event(ports, reference, session.id, rules, by_owner=by_owner)
    await asyncio.gather(_log(ports, reference, rules, by_owner=by_owner), publish(ports, event))


async def count_open_calls(ports: Ports, session: SessionReference) -> None:
    """Count the calls of the caller's organisation that a bundler may have against the session's rules."""
    for reference, operation_hash in await ports.store.stops.open_calls(session=session):
        record = await ports.store.calls.get(reference.chain_id, operation_hash)
        if record is not None and not record.state.is_final and record.state is not CallState.ACCEPTED:
            await count_call(ports, record)


def _build_event(
    ports: Ports,
    session: SessionReference,
    session_id: SessionId | None,
    rules: tuple[SessionRule, ...],
    *,
    by_owner: bool,
) -> Event:
    return Event(
        type=EventType.RULE_CHANGED,
        time=ports.clock.now(),
        account=session.account,
        chain_id=session.chain_id,
        session_id=session_id,
        data={"entityId": session.entity_id, "rules": len(rules), "byOwner": by_owner},
    )


async def _write(
    ports: Ports,
    session: SessionReference,
    rules: tuple[SessionRule, ...],
    *,
    by_owner: bool,
    deadline: UnixSeconds,
    unsigned_until: UnixSeconds | None = None,
) -> None:
    organization = ports.store.rules.organization
    rule_set = RuleSet(
        rules=rules,
        organization=organization,
        changed_at=ports.clock.now(),
        by=OWNER_SET if by_owner else ports.caller.holder_digest,
    )
    await ports.store.rules.write(
        session,
        OWNER_SET if by_owner else organization,
        rule_set,
        replaces_all=by_owner,
        forget_at=_choose_deletion(deadline),
        unsigned_until=unsigned_until,
    )


async def _find_unsigned_end(ports: Ports, named: NamedSession) -> UnixSeconds | None:
    """Return the time at which new rules of an unsigned session are deleted; None for a signed one, as far as known."""
    stored = named.session
    if stored is None or stored.state is SessionState.ACTIVE:
        return None
    is_presented = bool((await ports.store.stops.read(named.reference)).controllers)
    return None if is_presented else choose_deletion(ports, stored.chain_id, stored.deadline)


def _choose_deletion(deadline: UnixSeconds) -> UnixSeconds | None:
    """Return the time at which the rules of a session are deleted; None for a session without an end."""
    return deadline + KEEP_SECONDS if deadline else None


async def _log(ports: Ports, session: SessionReference, rules: tuple[SessionRule, ...], *, by_owner: bool) -> None:
    await log_event(
        ports,
        EventKind.RULES_CHANGED,
        account=session.account.hex0x(),
        chainId=session.chain_id,
        entityId=session.entity_id,
        rules=format_rules(rules),
        byOwner=by_owner,
    )


def _deadline_of(session: Session | None) -> UnixSeconds:
    """Return the deadline of a stored session; 0 for one that is not stored, whose rules are kept."""
    return 0 if session is None else session.deadline

"""Session steps that several operations share: write an unsigned session, activate a signed one, find expired ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from wallet_rpc.domain.event import EventType
from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.domain.session_record import EntityChoice, UnsignedSession
from wallet_rpc.domain.session_reference import IndexedSession, SessionReference
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId, UnixSeconds
from wallet_rpc.services.events import announce_end, describe_session, publishing

SESSION_GRACE_SECONDS = 86_400
"""Time in seconds for which a session's record is stored after the session's last valid second."""


async def claim_unsigned(ports: Ports, session: UnsignedSession) -> None:
    """Count a new session against the limit of its caller until it is signed.

    Raises: LimitExceeded when the caller has too many unsigned sessions.
    """
    limit = ports.rules.unsigned_per_caller
    if not await ports.store.unsigned_sessions.claim(session, limit=limit, now=ports.now_on(session.chain_id)):
        raise _build_limit_error("this caller has", limit, "unsigned_sessions_of_caller")


async def write_unsigned(ports: Ports, session: UnsignedSession, choice: EntityChoice) -> EntityId:
    """Write a claimed session, and return the entity id that it was assigned.

    Raises: LimitExceeded when the account has too many unsigned sessions or no entity id is left.
    """
    limit = ports.rules.unsigned_per_account
    now = ports.now_on(session.chain_id)
    entity_id = await ports.store.unsigned_sessions.create(session, choice, limit=limit, now=now)
    if entity_id is None:
        subject = f"params.account: {session.account} has on chain {session.chain_id:#x}"
        raise _build_limit_error(subject, limit, "unsigned_sessions_of_account")
    return entity_id


def choose_deletion(ports: Ports, chain_id: ChainId, deadline: UnixSeconds) -> UnixSeconds:
    """Return the time at which a new session's record is deleted, unless its owner signs."""
    end, latest = find_record_end(deadline), ports.now_on(chain_id) + ports.rules.unsigned_seconds
    return latest if end is None else min(end, latest)


def _build_limit_error(subject: str, limit: int, reason: str) -> LimitExceeded:
    return LimitExceeded(
        f"{subject} {limit} sessions without their owner's signature, which is the maximum; present the signature of "
        "one in wallet_prepareCalls, or wait until one expires unsigned",
        reason=reason,
        limit=limit,
    )


def find_record_end(deadline: UnixSeconds) -> UnixSeconds | None:
    """Return the time at which a session's record can be deleted; None: never."""
    return None if deadline == 0 else deadline + SESSION_GRACE_SECONDS


async def activate_session(ports: Ports, session: Session) -> None:
    """Store a session until its expiry, once its owner's valid signature was presented."""
    if session.state is SessionState.PENDING:
        signed = replace(session, state=SessionState.ACTIVE)
        forget_at = find_record_end(session.deadline)
        await asyncio.gather(
            index_session(ports, session, forget_at=forget_at),
            announce_end(ports, signed),
            ports.store.rules.keep(_refer_to(session)),  # before the record lives longer than its rules
        )
        async with publishing(ports, describe_session(signed, EventType.SESSION_ACTIVATED, at=ports.clock.now())):
            await ports.store.sessions.activate(signed, forget_at=forget_at)


def _refer_to(session: Session) -> SessionReference:
    return SessionReference(account=session.account, chain_id=session.chain_id, entity_id=EntityId(session.entity_id))


async def index_session(
    ports: Ports, session: Session, *, forget_at: UnixSeconds | None, tags: Sequence[str] = ()
) -> None:
    """Write a session's entry in the index of the caller's organisation, for as long as its record is stored."""
    entry = IndexedSession(
        id=session.id,
        account=session.account,
        chain_id=session.chain_id,
        entity_id=EntityId(session.entity_id),
        key=session.key.address,
        created_at=session.created_at,
        forget_at=forget_at,
    )
    await ports.store.session_index.add(entry, now=ports.now_on(entry.chain_id), tags=tags)


async def is_forgotten(ports: Ports, account: Address, chain_id: ChainId, session_id: SessionId) -> bool:
    """Return True for a session that was created here and expired before its owner's signature was presented."""
    return await ports.store.unsigned_sessions.is_forgotten(account, chain_id, session_id, now=ports.now_on(chain_id))


def describe_forgotten(session_id: SessionId) -> str:
    """Return the message for a session that expired unsigned."""
    return (
        f"session {session_id} expired unsigned, because its owner's signature was not presented in time; create the "
        "session again and have it signed"
    )

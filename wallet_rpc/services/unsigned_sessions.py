"""Session steps that several operations share: claim an unsigned session, activate a signed one, find expired ones."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.domain.session_record import UnsignedSession, UnsignedSessionLimits
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports import Ports
from wallet_rpc.ports.storage import UnsignedSessionBound
from wallet_rpc.primitives import Address, ChainId, SessionId, UnixSeconds

SESSION_GRACE_SECONDS = 86_400
"""Time in seconds for which a session's record is stored after the session's last valid second."""


async def claim_unsigned(ports: Ports, account: Address, chain_id: ChainId, deadline: UnixSeconds) -> UnsignedSession:
    """Claim an id for a new session, which counts against the limits of its caller and account until it is signed.

    Raises: LimitExceeded when the caller or the account has too many unsigned sessions.
    """
    caller = ports.caller
    rules = ports.rules
    now = ports.clock.now()
    end = _end(deadline)
    latest = now + rules.unsigned_seconds
    session = UnsignedSession(
        account=account,
        chain_id=chain_id,
        id=SessionId(ports.entropy.random_bytes(16)),
        holder=caller.holder_digest,
        is_trusted=await ports.store.sessions.is_trusted(account, chain_id, caller.holder),
        forget_at=latest if end is None else min(end, latest),
    )
    limits = UnsignedSessionLimits(per_holder=rules.unsigned_per_caller, per_account=rules.unsigned_per_account)
    match await ports.store.unsigned_sessions.claim(session, limits, now=now):
        case None:
            return session
        case UnsignedSessionBound.HOLDER:
            raise _build_limit_error("this caller has", limits.per_holder, "unsigned_sessions_of_caller")
        case UnsignedSessionBound.ACCOUNT:
            subject = f"params.account: {account} has on chain {chain_id:#x}"
            raise _build_limit_error(subject, limits.per_account, "unsigned_sessions_of_account")
        case unknown:
            assert_never(unknown)


def _build_limit_error(subject: str, limit: int, reason: str) -> LimitExceeded:
    return LimitExceeded(
        f"{subject} {limit} sessions without their owner's signature, which is the maximum; present the signature of "
        "one in wallet_prepareCalls, or wait until one expires unsigned",
        reason=reason,
        limit=limit,
    )


def _end(deadline: UnixSeconds) -> UnixSeconds | None:
    """Return the time at which a session's record can be deleted; None: never."""
    return None if deadline == 0 else deadline + SESSION_GRACE_SECONDS


async def activate_session(ports: Ports, session: Session) -> None:
    """Store a session until its expiry, once its owner's valid signature was presented."""
    if session.state is SessionState.PENDING:
        signed = replace(session, state=SessionState.ACTIVE)
        await ports.store.sessions.save(signed, forget_at=_end(session.deadline))


async def is_forgotten(ports: Ports, account: Address, chain_id: ChainId, session_id: SessionId) -> bool:
    """Return True for a session that was created here and expired before its owner's signature was presented."""
    return await ports.store.unsigned_sessions.is_forgotten(account, chain_id, session_id, now=ports.clock.now())


def describe_forgotten(session_id: SessionId) -> str:
    """Return the message for a session that expired unsigned."""
    return (
        f"session {session_id} expired unsigned, because its owner's signature was not presented in time; create the "
        "session again and have it signed"
    )

"""Steps about sessions that several operations share: how long one is kept, and that one was signed or forgotten."""

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
"""The time for which a session is kept after its last valid second."""


async def claim_unsigned(ports: Ports, account: Address, chain_id: ChainId, deadline: UnixSeconds) -> UnsignedSession:
    """A new session's id, counted against the bounds of its caller and its account until the owner has signed it.

    Raises: LimitExceeded when either has too many unsigned sessions.
    """
    caller, rules, now = ports.caller, ports.rules, ports.clock.now()
    end, latest = _end(deadline), now + rules.unsigned_seconds
    session = UnsignedSession(
        account=account,
        chain_id=chain_id,
        id=SessionId(ports.entropy.random_bytes(16)),
        holder=caller.holder_digest,
        is_trusted=await ports.store.sessions.is_trusted(account, chain_id, caller.holder),
        forget_at=latest if end is None else min(end, latest),
    )
    bounds = UnsignedSessionLimits(per_holder=rules.unsigned_per_caller, per_account=rules.unsigned_per_account)
    match await ports.store.unsigned_sessions.claim(session, bounds, now=now):
        case None:
            return session
        case UnsignedSessionBound.HOLDER:
            raise _too_many("this caller has", bounds.per_holder, "unsigned_sessions_of_caller")
        case UnsignedSessionBound.ACCOUNT:
            whose = f"params.account: {account} has on chain {chain_id:#x}"
            raise _too_many(whose, bounds.per_account, "unsigned_sessions_of_account")
        case unknown:
            assert_never(unknown)


def _too_many(whose: str, most: int, reason: str) -> LimitExceeded:
    return LimitExceeded(
        f"{whose} {most} sessions whose owners' signatures were not shown yet, the most that are kept; show the "
        "signature of one by wallet_prepareCalls, or wait until one is forgotten",
        reason=reason,
        limit=most,
    )


def _end(deadline: UnixSeconds) -> UnixSeconds | None:
    """The second at which the record of a session can be dropped; None: never."""
    return None if deadline == 0 else deadline + SESSION_GRACE_SECONDS


async def activate_session(ports: Ports, session: Session) -> None:
    """Keep to its end a session whose owner's valid signature was shown."""
    if session.state is SessionState.PENDING:
        signed = replace(session, state=SessionState.ACTIVE)
        await ports.store.sessions.save(signed, forget_at=_end(session.deadline))


async def is_forgotten(ports: Ports, account: Address, chain_id: ChainId, session_id: SessionId) -> bool:
    """True for a session that was created here and expired without its owner's signature."""
    return await ports.store.unsigned_sessions.is_forgotten(account, chain_id, session_id, now=ports.clock.now())


def describe_forgotten(session_id: SessionId) -> str:
    """The message for an expired unsigned session."""
    return (
        f"session {session_id} was forgotten, since its owner's signature was not shown in time; create the session "
        "again and have it signed"
    )

"""Steps about sessions that several operations share: how long one is kept, and that one was signed or forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.domain.session_record import UnsignedBounds, UnsignedSession
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports import Ports
from wallet_rpc.ports.storage import Bound
from wallet_rpc.primitives import Address, ChainId, SessionId, UnixSeconds

GRACE_SECONDS = 86_400
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
        id=SessionId(ports.entropy.token(16)),
        holder=caller.holder_digest,
        is_trusted=await ports.store.sessions.trusts(account, chain_id, caller.holder),
        forget_at=latest if end is None else min(end, latest),
    )
    bounds = UnsignedBounds(of_holder=rules.unsigned_of_caller, of_account=rules.unsigned_of_account)
    match await ports.store.unsigned.claim(session, bounds, now=now):
        case None:
            return session
        case Bound.HOLDER:
            raise _too_many("this caller has", bounds.of_holder, "unsigned_sessions_of_caller")
        case Bound.ACCOUNT:
            whose = f"params.account: {account} has on chain {chain_id:#x}"
            raise _too_many(whose, bounds.of_account, "unsigned_sessions_of_account")
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
    return None if deadline == 0 else deadline + GRACE_SECONDS


async def keep_signed(ports: Ports, session: Session) -> None:
    """Keep to its end a session whose owner's valid signature was shown."""
    if session.state is SessionState.PENDING:
        signed = replace(session, state=SessionState.ACTIVE)
        await ports.store.sessions.put(signed, forget_at=_end(session.deadline))


async def is_forgotten(ports: Ports, account: Address, chain_id: ChainId, session_id: SessionId) -> bool:
    """True for a session that was created here and expired without its owner's signature."""
    return await ports.store.unsigned.is_forgotten(account, chain_id, session_id, now=ports.clock.now())


def words_of_forgotten(session_id: SessionId) -> str:
    """The message for an expired unsigned session."""
    return (
        f"session {session_id} was forgotten, since its owner's signature was not shown in time; create the session "
        "again and have it signed"
    )

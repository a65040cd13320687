"""Steps about sessions that several operations share: how long one is remembered."""

from __future__ import annotations

from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.primitives import UnixSeconds

GRACE_SECONDS = 86_400
"""How long a session is remembered after its last valid second."""
ENDLESS_SECONDS = 365 * 86_400
"""How long a session without end is remembered while nobody has used it."""


def forget_at(session: Session) -> UnixSeconds | None:
    """When the record may go: a day after the session's end; a year after the making of an endless unused one."""
    if session.deadline != 0:
        return session.deadline + GRACE_SECONDS
    return session.created_at + ENDLESS_SECONDS if session.state is SessionState.PENDING else None

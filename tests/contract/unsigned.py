"""Unsigned sessions and entity ids in the storage, for tests of its contract."""

from __future__ import annotations

import secrets
import time
from typing import Any

from tests.contract.sample import ACCOUNT, CHAIN, FAR_FUTURE, NOW, a_session
from wallet_rpc.adapters.redis_store import RedisOrganizationStore
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.session_record import EntityChoice, UnsignedSession
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId

SOON = int(time.time()) + 100_000
MANY = 10**6
"""Limit that no test reaches."""
TRUSTED = "the owner's caller"


def an_unsigned_session(number: int, *, holder: str = "a", forget_at: int = SOON, **changes: Any) -> UnsignedSession:
    session = a_session()
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "chain_id": CHAIN,
        "id": SessionId(number.to_bytes(16, "big")),
        "caller": "a stranger",
        "holder": holder,
        "key": session.key,
        "permissions": session.permissions,
        "deadline": session.deadline,
        "created_at": session.created_at,
        "forget_at": forget_at,
    }
    return UnsignedSession(**(values | changes))


def unsigned_of(session: Session, *, forget_at: int) -> UnsignedSession:
    """Return what creates `session`."""
    return UnsignedSession(
        account=session.account,
        chain_id=session.chain_id,
        id=session.id,
        caller="a stranger",
        holder=session.holder,
        key=session.key,
        permissions=session.permissions,
        deadline=session.deadline,
        created_at=session.created_at,
        forget_at=forget_at,
    )


async def write_pending(storage: RedisOrganizationStore, session: Session, *, forget_at: int = FAR_FUTURE) -> None:
    """Create a pending session with its own entity id, which must not be used yet."""
    choice = EntityChoice(at_least=EntityId(session.entity_id))
    unsigned = unsigned_of(session, forget_at=forget_at)
    assert await storage.unsigned_sessions.create(unsigned, choice, limit=MANY, now=NOW) == session.entity_id


async def reserve_entity(
    storage: RedisOrganizationStore, account: Address, chain_id: ChainId, *, at_least: int = 1, trusted: bool = False
) -> EntityId:
    """Create a session, and return its entity id. Raises: LimitExceeded."""
    if trusted:
        await storage.sessions.trust(account, chain_id, TRUSTED, forget_at=FAR_FUTURE)
    unsigned = an_unsigned_session(
        secrets.randbits(100),
        account=account,
        chain_id=chain_id,
        caller=TRUSTED if trusted else "a stranger",
        forget_at=FAR_FUTURE,
    )
    choice = EntityChoice(at_least=EntityId(at_least))
    entity_id = await storage.unsigned_sessions.create(unsigned, choice, limit=MANY, now=NOW)
    assert entity_id is not None
    return entity_id


async def is_trusted(storage: RedisOrganizationStore, account: Address, chain_id: ChainId, caller: str) -> bool:
    """Return True if `trust` recorded this caller."""
    unsigned = storage.unsigned_sessions
    return bool(await unsigned._link.command("EXISTS", unsigned.trust_key(account, chain_id, caller)))

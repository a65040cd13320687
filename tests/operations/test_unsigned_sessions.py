"""Unsigned sessions: limited in number per caller and account, dropped after a time, stored once signed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.contract.waiting import until
from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.constants import FRIEND, ROOT, TOKEN
from tests.support.keys import new_key, random_signature
from wallet_rpc.adapters.redis_sessions import RedisSessions
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned
from wallet_rpc.domain.access import Caller, Rules
from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.errors import InvalidParams, LimitExceeded, SignatureInvalid
from wallet_rpc.primitives import Address, SessionId

CALL = {"to": FRIEND}
DAY = 86_400


async def find_session(wallet: WalletFixture, session_id: str | SessionId) -> Session | None:
    return await wallet.ports.store.sessions.get(wallet.address, CHAIN, SessionId.parse(session_id))


async def life(wallet: WalletFixture, session_id: str) -> int:
    """Return the seconds until the session's record expires in Redis; -1: never."""
    sessions, unsigned = wallet.ports.store.sessions, wallet.ports.store.unsigned_sessions
    assert isinstance(sessions, RedisSessions)
    assert isinstance(unsigned, RedisUnsigned)
    identity = wallet.address, CHAIN, SessionId.parse(session_id)
    for key in (sessions.session_key(*identity), unsigned.session_key(*identity)):
        seconds: int = await unsigned._link.command("TTL", key)
        if seconds != -2:
            return seconds
    raise AssertionError(session_id)


async def create(wallet: WalletFixture, *, account: str | None = None, expiry: int = 0) -> str:
    """Create a session, and return its id."""
    created, _ = await wallet.create_session(ROOT, account=account or wallet.account, expirySec=expiry)
    return str(created["sessionId"])


@contextmanager
def set_bounds(wallet: WalletFixture, *, of_caller: int = 99, of_account: int = 99) -> Iterator[None]:
    before = wallet.ports
    wallet.ports = replace(before, rules=Rules(unsigned_per_caller=of_caller, unsigned_per_account=of_account))
    yield
    wallet.ports = before


async def test_a_session_is_stored_until_it_expires_once_its_owners_signature_was_presented(
    wallet: WalletFixture,
) -> None:
    grant = await wallet.grant_root()
    assert 90 * DAY - 60 < await life(wallet, grant.session_id) <= 90 * DAY
    forged = random_signature()
    with pytest.raises(SignatureInvalid):
        await wallet.prepare(CALL, permissions={**grant.permissions, "signature": forged})
    unsigned = await find_session(wallet, grant.session_id)
    assert unsigned is not None
    assert unsigned.state is SessionState.PENDING

    await wallet.prepare(CALL, permissions=grant.permissions)

    assert await find_session(wallet, grant.session_id) == replace(unsigned, state=SessionState.ACTIVE)
    assert await life(wallet, grant.session_id) == -1


@pytest.mark.parametrize(("days", "kept_days"), [(1, 2), (88, 89), (400, 90)])
async def test_an_unsigned_session_is_stored_until_it_expires_but_no_longer_than_the_operator_allows(
    wallet: WalletFixture, days: int, kept_days: int
) -> None:
    session_id = await create(wallet, expiry=wallet.clock.now() + days * DAY)

    assert kept_days * DAY - 60 < await life(wallet, session_id) <= kept_days * DAY


async def test_a_session_that_expired_unsigned_is_rejected_with_its_own_reason(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    wallet.ports = replace(wallet.ports, rules=Rules(unsigned_seconds=1))
    forgotten = await wallet.grant_root()
    await wallet.prepare(CALL, permissions=grant.permissions)

    async def is_gone() -> bool:
        return await find_session(wallet, forgotten.session_id) is None

    await until(is_gone)
    wallet.clock.ahead_seconds = 2
    for expired in (forgotten.permissions, forgotten.context):
        with pytest.raises(InvalidParams) as error_info:
            await wallet.prepare(CALL, permissions=expired)
        assert error_info.value.reason == "session_forgotten"
        assert forgotten.session_id in error_info.value.message
    with pytest.raises(InvalidParams) as unknown:
        await wallet.prepare(CALL, permissions={**forgotten.permissions, "sessionId": "0x" + "11" * 16})
    assert unknown.value.reason == "session_not_found"
    await wallet.prepare(CALL, permissions=grant.permissions)


async def test_a_caller_has_a_limited_number_of_unsigned_sessions(wallet: WalletFixture) -> None:
    with set_bounds(wallet, of_caller=3):
        grant = await wallet.grant_root()
        for _ in range(2):
            await create(wallet, account=new_key().address)
        with pytest.raises(LimitExceeded) as error_info:
            await create(wallet)
        assert (error_info.value.code, error_info.value.status) == (-32005, 429)
        assert error_info.value.data["reason"] == "unsigned_sessions_of_caller"
        assert error_info.value.data["limit"] == 3

        await wallet.prepare(CALL, permissions=grant.permissions)
        await create(wallet)
        wallet.ports = replace(wallet.ports, caller=Caller(name="another address"))
        await create(wallet)


async def test_an_account_has_a_limited_number_of_unsigned_sessions_and_its_owners_caller_has_more(
    wallet: WalletFixture,
) -> None:
    owner = wallet.ports.caller
    with set_bounds(wallet, of_account=2):
        grant = await wallet.grant_root()
        wallet.ports = replace(wallet.ports, caller=Caller(name="a stranger"))
        await create(wallet)
        for caller in (wallet.ports.caller, owner):
            wallet.ports = replace(wallet.ports, caller=caller)
            with pytest.raises(LimitExceeded) as error_info:
                await create(wallet)
            assert error_info.value.data["reason"] == "unsigned_sessions_of_account"

        prepared = await wallet.prepare(CALL, permissions=grant.permissions)
        await wallet.send(prepared, grant.key, grant.permissions)
        for _ in range(2):
            await create(wallet)


async def test_a_rejected_session_uses_up_neither_the_limit_nor_an_entity_id(wallet: WalletFixture) -> None:
    elsewhere = new_key()
    chain = wallet.ports.chains[CHAIN]
    assert await chain.node.code(Address.parse(TOKEN))
    with set_bounds(wallet, of_caller=1):
        for _ in range(3):
            with pytest.raises(InvalidParams):
                await create(wallet, account=TOKEN)
        first = await create(wallet, account=elsewhere.address)
        for _ in range(3):
            with pytest.raises(LimitExceeded):
                await create(wallet, account=elsewhere.address)
    second = await create(wallet, account=elsewhere.address)

    session_ids = [first, second]
    sessions = [
        await wallet.ports.store.sessions.get(Address.parse(elsewhere.address), CHAIN, SessionId.parse(each))
        for each in session_ids
    ]
    assert [session.entity_id for session in sessions if session is not None] == [1, 2]

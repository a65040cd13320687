"""Entity ids of sessions: from the start of an id range, or from a random id once the account has code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.unsigned import is_trusted, reserve_entity
from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.constants import FRIEND, ROOT
from wallet_rpc.domain.access import Caller
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE, RESERVED_IDS
from wallet_rpc.services.entity_ids import LAST_RANDOM_START

CALL = {"to": FRIEND}
RANDOM_IDS = range(RESERVED_IDS, LAST_RANDOM_START)


async def create(wallet: WalletFixture) -> int:
    """Create a session and return its entity id."""
    created, _ = await wallet.create_session(ROOT)
    return int(created["signatureRequest"]["data"]["message"]["nonce"], 16) >> 72


async def deploy(wallet: WalletFixture) -> None:
    await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()


async def use_up_open_range(wallet: WalletFixture) -> None:
    await reserve_entity(wallet.store, wallet.address, CHAIN, at_least=ENTITY_RANGE_SIZE - 1)


async def test_the_ids_of_the_trusted_range_begin_at_random_too(wallet: WalletFixture) -> None:
    await use_up_open_range(wallet)
    with pytest.raises(LimitExceeded):
        await create(wallet)
    await deploy(wallet)  # signed by the owner, which makes the caller trusted
    first, second = await create(wallet), await create(wallet)
    assert first - ENTITY_RANGE_SIZE in RANDOM_IDS
    assert second == first + 1


async def test_the_ids_of_the_trusted_range_begin_at_its_start_before_the_account_has_code(
    wallet: WalletFixture,
) -> None:
    await use_up_open_range(wallet)
    sessions = wallet.ports.store.sessions
    later = wallet.ports.clock.now() + 60
    await sessions.trust(wallet.address, CHAIN, wallet.ports.caller.holder, forget_at=later)
    assert [await create(wallet), await create(wallet)] == [ENTITY_RANGE_SIZE, ENTITY_RANGE_SIZE + 1]


async def test_ids_begin_at_random_once(wallet: WalletFixture) -> None:
    assert await create(wallet) == 1
    await deploy(wallet)
    first = await create(wallet)
    assert first in RANDOM_IDS
    assert [await create(wallet) for _ in range(3)] == [first + 1, first + 2, first + 3]


async def test_only_a_caller_who_presented_the_owners_signature_is_trusted(wallet: WalletFixture) -> None:
    trusted_holder = wallet.ports.caller.holder
    grant = await wallet.grant_root()
    await wallet.send(await wallet.prepare(CALL, permissions=grant.permissions), grant.key, grant.permissions)
    await wallet.mempool.mine()
    assert await is_trusted(wallet.store, wallet.address, CHAIN, trusted_holder)
    wallet.ports = replace(wallet.ports, caller=Caller(name="the holder of the session key"))
    unsigned = {**grant.permissions, "signature": "0x" + "11" * 65}
    for session in (unsigned, {"context": "0x020100000001"}):
        await wallet.send(await wallet.prepare(CALL, permissions=session), grant.key, session)
        await wallet.mempool.mine()
    assert not await is_trusted(wallet.store, wallet.address, CHAIN, wallet.ports.caller.holder)

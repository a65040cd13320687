"""Which entity ids an account gets: from the start of a lane, and once it has code from a random place in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from wallet_rpc import wire
from wallet_rpc.domain.access import Caller
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.operations import create_session
from wallet_rpc.operations.create_session import FIRST_RANDOM_START, LAST_RANDOM_START
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE
from wallet_rpc.primitives import EntityId

CALL = {"to": "0x00000000000000000000000000000000f00dcafe"}
RANDOM_IDS = range(FIRST_RANDOM_START, LAST_RANDOM_START)


async def create(bench: WalletFixture) -> int:
    """The entity id of a new session."""
    request = {
        "account": bench.account.hex0x(),
        "chainId": hex(CHAIN),
        "key": {"type": "secp256k1", "publicKey": "0x" + "5e" * 20},
        "permissions": [{"type": "root"}],
    }
    made = await create_session.run(bench.ports, wire.decode(create_session.CreateSession, request))
    nonce = int(made.signature_request.data.message["nonce"], 16)
    return nonce >> 72


async def deploy(bench: WalletFixture) -> None:
    await bench.send(await bench.prepare(CALL), bench.owner)
    await bench.mempool.mine()


async def use_up_open_range(bench: WalletFixture) -> None:
    sessions = bench.ports.store.sessions
    await sessions.reserve_entity(bench.account, CHAIN, at_least=EntityId(ENTITY_RANGE_SIZE - 1), trusted=False)


async def test_the_ids_of_the_trusted_lane_begin_at_random_too(bench: WalletFixture) -> None:
    await use_up_open_range(bench)
    with pytest.raises(LimitExceeded):
        await create(bench)
    await deploy(bench)  # by the owner, whose signature is what makes a caller trusted
    first, second = await create(bench), await create(bench)
    assert first - ENTITY_RANGE_SIZE in RANDOM_IDS
    assert second == first + 1


async def test_the_ids_of_the_trusted_lane_begin_at_its_start_before_the_account_has_code(bench: WalletFixture) -> None:
    await use_up_open_range(bench)
    sessions = bench.ports.store.sessions
    later = bench.ports.clock.now() + 60
    await sessions.trust(bench.account, CHAIN, bench.ports.caller.holder, forget_at=later)
    assert [await create(bench), await create(bench)] == [ENTITY_RANGE_SIZE, ENTITY_RANGE_SIZE + 1]


async def test_ids_begin_at_random_once(bench: WalletFixture) -> None:
    assert await create(bench) == 1
    await deploy(bench)
    first = await create(bench)
    assert first in RANDOM_IDS
    assert [await create(bench) for _ in range(3)] == [first + 1, first + 2, first + 3]


async def test_only_a_caller_who_showed_the_owners_signature_is_trusted(bench: WalletFixture) -> None:
    sessions, granted_to = bench.ports.store.sessions, bench.ports.caller.holder
    permissions, key = await bench.grant()
    await bench.send(await bench.prepare(CALL, permissions=permissions), key, permissions)
    await bench.mempool.mine()
    assert await sessions.is_trusted(bench.account, CHAIN, granted_to)
    bench.ports = replace(bench.ports, caller=Caller(name="the holder of the session key"))
    unsigned = {**permissions, "signature": "0x" + "11" * 65}
    for named in (unsigned, {"context": "0x020100000001"}):
        await bench.send(await bench.prepare(CALL, permissions=named), key, named)
        await bench.mempool.mine()
    assert not await sessions.is_trusted(bench.account, CHAIN, bench.ports.caller.holder)

"""While a bundler has an operation and the chain does not: replacing, waiting, asking, and losing an answer."""

from __future__ import annotations

import pytest

from tests.operations.conftest import CHAIN, Bench
from wallet_rpc.domain.gas import replacement_fee
from wallet_rpc.domain.prepared import call_id
from wallet_rpc.errors import InstallPending, OutcomeUnknown, Rejected, StaleNonce

CALL = {"to": "0x00000000000000000000000000000000f00dcafe"}
OTHER = {"to": "0x00000000000000000000000000000000f00dcafe", "data": "0x1234"}


async def test_preparing_again_replaces_at_a_tenth_more(bench: Bench) -> None:
    first = await bench.prepare(CALL)
    first_id = await bench.send(first, bench.owner)
    second = await bench.prepare(OTHER)
    assert second.data.nonce == first.data.nonce
    assert second.data.max_fee_per_gas >= replacement_fee(first.data.max_fee_per_gas)
    assert second.data.max_priority_fee_per_gas >= replacement_fee(first.data.max_priority_fee_per_gas)
    second_id = await bench.send(second, bench.owner)
    assert await bench.status(first_id) == await bench.status(second_id) == 100
    await bench.mempool.mine()
    assert await bench.status(second_id) == 200
    assert await bench.status(first_id) == 400, "it can never land: its nonce is used"


async def test_a_mined_operation_is_not_outbid(bench: Bench) -> None:
    first = await bench.prepare(CALL)
    await bench.send(first, bench.owner)
    await bench.mempool.mine()
    second = await bench.prepare(CALL)
    assert second.data.nonce == first.data.nonce + 1
    assert second.data.max_fee_per_gas == first.data.max_fee_per_gas


async def test_a_call_in_a_block_that_the_bundler_has_not_seen_is_pending(bench: Bench) -> None:
    call_id = await bench.send(await bench.prepare(CALL), bench.owner)
    await bench.mempool.mine()
    bench.mempool.is_behind = True
    assert await bench.status(call_id) == 100, "its nonce is used, but by itself"
    bench.mempool.is_behind = False
    assert await bench.status(call_id) == 200


async def test_while_the_install_is_under_way_preparing_says_wait(bench: Bench) -> None:
    permissions, key = await bench.grant()
    early, late = [await bench.prepare(call, permissions=permissions) for call in (CALL, OTHER)]
    first_id = await bench.send(early, key, permissions)
    with pytest.raises(InstallPending) as waiting:
        await bench.prepare(CALL, permissions=permissions)
    assert waiting.value.data["retryable"] is True
    with pytest.raises(InstallPending):
        await bench.send(late, key, permissions)
    await bench.mempool.mine()
    assert await bench.status(first_id) == 200
    with pytest.raises(StaleNonce):
        await bench.send(late, key, permissions)
    plain = await bench.prepare(OTHER, permissions=permissions)
    plain_id = await bench.send(plain, key, permissions)
    await bench.mempool.mine()
    assert await bench.status(plain_id) == 200


async def test_an_install_that_the_bundler_dropped_can_be_prepared_again(bench: Bench) -> None:
    permissions, key = await bench.grant()
    await bench.send(await bench.prepare(CALL, permissions=permissions), key, permissions)
    bench.mempool.drop()
    again = await bench.send(await bench.prepare(OTHER, permissions=permissions), key, permissions)
    await bench.mempool.mine()
    assert await bench.status(again) == 200


async def test_an_explicit_fee_replaces_a_stuck_install(bench: Bench) -> None:
    permissions, key = await bench.grant()
    stuck = await bench.prepare(CALL, permissions=permissions)
    await bench.send(stuck, key, permissions)
    fee = {"maxFeePerGas": hex(stuck.data.max_fee_per_gas * 2)}
    again = await bench.prepare(OTHER, permissions=permissions, gasParamsOverride=fee)
    assert again.data.nonce == stuck.data.nonce


async def test_a_send_whose_answer_was_lost_is_asked_about_not_repeated(bench: Bench) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    call_id = await bench.send(prepared, bench.owner)
    assert await bench.send(prepared, bench.owner) == call_id
    assert bench.mempool.sent == 1


async def test_a_send_whose_fate_is_unknown_is_not_taken_for_refused(bench: Bench) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    bench.mempool.is_blind = True
    with pytest.raises(OutcomeUnknown):
        await bench.send(prepared, bench.owner)
    assert await bench.status(call_id(CHAIN, prepared.details.data.hash)) == 100


async def test_a_refused_send_may_be_tried_again(bench: Bench) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [Rejected("precheck failed")]
    with pytest.raises(Rejected, match="precheck failed"):
        await bench.send(prepared, bench.owner)
    bench.mempool.drop()
    call_id = await bench.send(prepared, bench.owner)
    await bench.mempool.mine()
    assert await bench.status(call_id) == 200
    assert bench.mempool.sent == 2

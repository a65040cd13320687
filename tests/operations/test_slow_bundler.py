"""While a bundler has an operation and the chain does not: replacing, waiting, asking, and losing an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.sample import a_caller, a_key
from tests.operations.conftest import CHAIN, WalletFixture
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.gas import replacement_fee
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.errors import AlreadyKnown, InstallPending, OutcomeUnknown, Rejected, StaleNonce, Unavailable
from wallet_rpc.operations.get_calls_status import LAG_SECONDS
from wallet_rpc.services.submission import ABANDONED_SECONDS

CALL = {"to": "0x00000000000000000000000000000000f00dcafe"}
OTHER = {"to": "0x00000000000000000000000000000000f00dcafe", "data": "0x1234"}


async def test_preparing_again_replaces_at_a_tenth_more(bench: WalletFixture) -> None:
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


async def test_a_mined_operation_is_not_outbid(bench: WalletFixture) -> None:
    first = await bench.prepare(CALL)
    await bench.send(first, bench.owner)
    await bench.mempool.mine()
    second = await bench.prepare(CALL)
    assert second.data.nonce == first.data.nonce + 1
    assert second.data.max_fee_per_gas == first.data.max_fee_per_gas


async def test_a_call_in_a_block_that_the_bundler_has_not_seen_is_pending(bench: WalletFixture) -> None:
    call_id = await bench.send(await bench.prepare(CALL), bench.owner)
    await bench.mempool.mine()
    bench.mempool.is_behind = True
    assert await bench.status(call_id) == 100, "its nonce is used, but by itself"
    bench.mempool.is_behind = False
    assert await bench.status(call_id) == 200


async def test_while_the_install_is_under_way_preparing_says_wait(bench: WalletFixture) -> None:
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


async def test_an_install_that_the_bundler_dropped_can_be_prepared_again(bench: WalletFixture) -> None:
    permissions, key = await bench.grant()
    await bench.send(await bench.prepare(CALL, permissions=permissions), key, permissions)
    bench.mempool.drop()
    again = await bench.send(await bench.prepare(OTHER, permissions=permissions), key, permissions)
    await bench.mempool.mine()
    assert await bench.status(again) == 200


async def test_an_explicit_fee_replaces_a_stuck_install(bench: WalletFixture) -> None:
    permissions, key = await bench.grant()
    stuck = await bench.prepare(CALL, permissions=permissions)
    await bench.send(stuck, key, permissions)
    fee = {"maxFeePerGas": hex(stuck.data.max_fee_per_gas * 2)}
    again = await bench.prepare(OTHER, permissions=permissions, gasParamsOverride=fee)
    assert again.data.nonce == stuck.data.nonce
    again_id = await bench.send(again, key, permissions)
    await bench.mempool.mine()
    assert await bench.status(again_id) == 200


async def test_a_send_whose_answer_was_lost_is_asked_about_not_repeated(bench: WalletFixture) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    call_id = await bench.send(prepared, bench.owner)
    assert await bench.send(prepared, bench.owner) == call_id
    assert bench.mempool.sent == 1


async def test_a_send_whose_fate_is_unknown_is_not_taken_for_refused(bench: WalletFixture) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    bench.mempool.is_blind = True
    with pytest.raises(OutcomeUnknown):
        await bench.send(prepared, bench.owner)
    assert await bench.status(format_call_id(CHAIN, prepared.details.data.hash)) == 100


async def test_a_refused_send_may_be_tried_again(bench: WalletFixture) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [Rejected("precheck failed")]
    with pytest.raises(Rejected, match="precheck failed"):
        await bench.send(prepared, bench.owner)
    bench.mempool.drop()
    call_id = await bench.send(prepared, bench.owner)
    await bench.mempool.mine()
    assert await bench.status(call_id) == 200
    assert bench.mempool.sent == 2


async def test_a_bundler_that_is_silent_also_when_asked_may_have_taken_it(bench: WalletFixture) -> None:
    prepared = await bench.prepare(CALL)
    name = format_call_id(CHAIN, prepared.details.data.hash)
    bench.mempool.fails, bench.mempool.is_silent = [OutcomeUnknown("the bundler does not answer")], True
    with pytest.raises(OutcomeUnknown):
        await bench.send(prepared, bench.owner)
    bench.mempool.is_silent = False
    assert await bench.status(name) == 100
    await bench.mempool.mine()
    bench.clock.ahead = ABANDONED_SECONDS + 1
    assert await bench.send(prepared, bench.owner) == name
    assert (await bench.status(name), bench.mempool.sent) == (200, 1)


@pytest.mark.parametrize("by_session", [False, True])
async def test_what_has_landed_is_answered_alike_whatever_was_said_when_it_was_sent(
    bench: WalletFixture, by_session: bool
) -> None:
    permissions, key = await bench.grant() if by_session else (None, bench.owner)
    prepared = await bench.prepare(CALL, **({} if permissions is None else {"permissions": permissions}))
    bench.mempool.fails = [Unavailable("the bundler refused to answer")]
    with pytest.raises(Unavailable):
        await bench.send(prepared, key, permissions)
    await bench.mempool.mine()
    bench.mempool.refuses_used_nonces = True
    name = await bench.send(prepared, key, permissions)
    assert await bench.status(name) == 200
    assert await bench.send(prepared, key, permissions) == name


async def test_what_the_bundler_knows_already_is_sent(bench: WalletFixture) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [AlreadyKnown("the bundler knows this user operation already")]
    name = await bench.send(prepared, bench.owner)
    assert await bench.status(name) == 100
    await bench.mempool.mine()
    assert await bench.status(name) == 200


async def test_a_status_is_not_final_in_the_moment_in_which_the_call_lands(bench: WalletFixture) -> None:
    name = await bench.send(await bench.prepare(CALL), bench.owner)
    bench.clock.ahead = 2 * LAG_SECONDS
    assert await bench.status(name) == 100
    await bench.mempool.mine()
    bench.mempool.is_behind = True
    assert await bench.status(name) == 100, "its nonce is used, but by itself"
    bench.clock.ahead += LAG_SECONDS - 1
    assert await bench.status(name) == 100
    bench.mempool.is_behind = False
    assert await bench.status(name) == 200


async def test_a_call_whose_nonce_was_seen_used_for_a_while_has_failed(bench: WalletFixture) -> None:
    prepared = await bench.prepare(CALL)
    name = await bench.send(prepared, bench.owner)
    await bench.mempool.mine()
    bench.mempool.is_behind = True
    assert await bench.status(name) == 100
    bench.clock.ahead = LAG_SECONDS
    assert await bench.status(name) == 400, "neither chain nor bundler has it"


async def test_a_send_of_an_organization_is_in_its_log_also_when_its_answer_was_lost(bench: WalletFixture) -> None:
    bench.ports = replace(bench.ports, caller=a_caller(a_key()))
    permissions, key = await bench.grant()
    prepared = await bench.prepare(CALL, permissions=permissions)
    bench.mempool.fails, bench.mempool.is_blind = [OutcomeUnknown("the bundler does not answer")], True
    with pytest.raises(OutcomeUnknown):
        await bench.send(prepared, key, permissions)
    bench.mempool.is_blind, bench.clock.ahead = False, ABANDONED_SECONDS + 1
    for _ in range(2):
        await bench.send(prepared, key, permissions)
    audit = bench.ports.store.audit
    assert isinstance(audit, RedisAudit)
    sent = [each.event.facts for each in await audit.entries(0, 100) if each.event.kind is EventKind.CALL_SENT]
    assert [facts["hash"] for facts in sent] == [prepared.details.data.hash.hex0x()]
    assert sent[0]["sessionId"] == permissions["sessionId"]

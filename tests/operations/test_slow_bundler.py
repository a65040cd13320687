"""Operations pending at the bundler: replacement, waiting, status requests and lost responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.sample import a_key
from tests.operations.conftest import WalletFixture, call_id_of, quantity
from tests.support.api_keys import caller_of
from tests.support.constants import FRIEND
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.gas import replacement_fee
from wallet_rpc.errors import AlreadyKnown, InstallPending, OutcomeUnknown, Rejected, StaleNonce, Unavailable
from wallet_rpc.operations.get_calls_status import LAG_SECONDS
from wallet_rpc.services.submission import ABANDONED_SECONDS

CALL = {"to": FRIEND}
OTHER = {"to": FRIEND, "data": "0x1234"}


async def test_preparing_again_replaces_at_a_tenth_more(wallet: WalletFixture) -> None:
    first = await wallet.prepare(CALL)
    first_id = await wallet.send(first, wallet.owner)
    second = await wallet.prepare(OTHER)
    assert quantity(second, "nonce") == quantity(first, "nonce")
    assert quantity(second, "maxFeePerGas") >= replacement_fee(quantity(first, "maxFeePerGas"))
    assert quantity(second, "maxPriorityFeePerGas") >= replacement_fee(quantity(first, "maxPriorityFeePerGas"))
    second_id = await wallet.send(second, wallet.owner)
    assert await wallet.status(first_id) == await wallet.status(second_id) == 100
    await wallet.mempool.mine()
    assert await wallet.status(second_id) == 200
    assert await wallet.status(first_id) == 400, "it can no longer be included: its nonce is used"


async def test_a_mined_operation_is_not_outbid(wallet: WalletFixture) -> None:
    first = await wallet.prepare(CALL)
    await wallet.send(first, wallet.owner)
    await wallet.mempool.mine()
    second = await wallet.prepare(CALL)
    assert quantity(second, "nonce") == quantity(first, "nonce") + 1
    assert quantity(second, "maxFeePerGas") == quantity(first, "maxFeePerGas")


async def test_a_call_in_a_block_that_the_bundler_has_not_seen_is_pending(wallet: WalletFixture) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()
    wallet.mempool.is_behind = True
    assert await wallet.status(call_id) == 100, "its nonce is used, but by this very operation"
    wallet.mempool.is_behind = False
    assert await wallet.status(call_id) == 200


async def test_preparing_while_the_install_is_pending_raises_install_pending(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    early, late = [await wallet.prepare(call, permissions=grant.permissions) for call in (CALL, OTHER)]
    first_id = await wallet.send(early, grant.key, grant.permissions)
    with pytest.raises(InstallPending) as error_info:
        await wallet.prepare(CALL, permissions=grant.permissions)
    assert error_info.value.data["retryable"] is True
    with pytest.raises(InstallPending):
        await wallet.send(late, grant.key, grant.permissions)
    await wallet.mempool.mine()
    assert await wallet.status(first_id) == 200
    with pytest.raises(StaleNonce):
        await wallet.send(late, grant.key, grant.permissions)
    plain = await wallet.prepare(OTHER, permissions=grant.permissions)
    plain_id = await wallet.send(plain, grant.key, grant.permissions)
    await wallet.mempool.mine()
    assert await wallet.status(plain_id) == 200


async def test_an_install_that_the_bundler_dropped_can_be_prepared_again(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    await wallet.send(await wallet.prepare(CALL, permissions=grant.permissions), grant.key, grant.permissions)
    wallet.mempool.drop()
    again = await wallet.send(await wallet.prepare(OTHER, permissions=grant.permissions), grant.key, grant.permissions)
    await wallet.mempool.mine()
    assert await wallet.status(again) == 200


async def test_an_explicit_fee_replaces_a_stuck_install(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    stuck = await wallet.prepare(CALL, permissions=grant.permissions)
    await wallet.send(stuck, grant.key, grant.permissions)
    fee = {"maxFeePerGas": hex(quantity(stuck, "maxFeePerGas") * 2)}
    again = await wallet.prepare(OTHER, permissions=grant.permissions, gasParamsOverride=fee)
    assert quantity(again, "nonce") == quantity(stuck, "nonce")
    again_id = await wallet.send(again, grant.key, grant.permissions)
    await wallet.mempool.mine()
    assert await wallet.status(again_id) == 200


async def test_a_send_with_a_lost_response_is_looked_up_and_not_repeated(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    call_id = await wallet.send(prepared, wallet.owner)
    assert await wallet.send(prepared, wallet.owner) == call_id
    assert wallet.mempool.sent == 1


async def test_a_send_with_an_unknown_outcome_does_not_count_as_rejected(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    wallet.mempool.is_blind = True
    with pytest.raises(OutcomeUnknown):
        await wallet.send(prepared, wallet.owner)
    assert await wallet.status(call_id_of(prepared)) == 100


async def test_a_rejected_send_may_be_tried_again(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.mempool.fails = [Rejected("precheck failed")]
    with pytest.raises(Rejected, match="precheck failed"):
        await wallet.send(prepared, wallet.owner)
    wallet.mempool.drop()
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200
    assert wallet.mempool.sent == 2


async def test_a_bundler_whose_lookups_fail_too_may_have_accepted_the_operation(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    name = call_id_of(prepared)
    wallet.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    wallet.mempool.is_silent = True
    with pytest.raises(OutcomeUnknown):
        await wallet.send(prepared, wallet.owner)
    wallet.mempool.is_silent = False
    assert await wallet.status(name) == 100
    await wallet.mempool.mine()
    wallet.clock.ahead_seconds = ABANDONED_SECONDS + 1
    assert await wallet.send(prepared, wallet.owner) == name
    assert (await wallet.status(name), wallet.mempool.sent) == (200, 1)


@pytest.mark.parametrize("by_session", [False, True])
async def test_a_repeated_send_of_an_included_operation_succeeds_also_after_an_error_of_the_first_send(
    wallet: WalletFixture, by_session: bool
) -> None:
    grant = await wallet.grant_root() if by_session else None
    key, permissions = (wallet.owner, None) if grant is None else (grant.key, grant.permissions)
    capabilities: dict[str, Any] = {} if permissions is None else {"permissions": permissions}
    prepared = await wallet.prepare(CALL, **capabilities)
    wallet.mempool.fails = [Unavailable("the bundler does not answer")]
    with pytest.raises(Unavailable):
        await wallet.send(prepared, key, permissions)
    await wallet.mempool.mine()
    wallet.mempool.refuses_used_nonces = True
    name = await wallet.send(prepared, key, permissions)
    assert await wallet.status(name) == 200
    assert await wallet.send(prepared, key, permissions) == name


async def test_an_operation_that_the_bundler_knows_already_counts_as_sent(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.mempool.fails = [AlreadyKnown("the bundler already has this user operation")]
    name = await wallet.send(prepared, wallet.owner)
    assert await wallet.status(name) == 100
    await wallet.mempool.mine()
    assert await wallet.status(name) == 200


async def test_a_status_is_not_final_at_the_moment_of_the_calls_inclusion(wallet: WalletFixture) -> None:
    name = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.clock.ahead_seconds = 2 * LAG_SECONDS
    assert await wallet.status(name) == 100
    await wallet.mempool.mine()
    wallet.mempool.is_behind = True
    assert await wallet.status(name) == 100, "its nonce is used, but by this very operation"
    wallet.clock.ahead_seconds += LAG_SECONDS - 1
    assert await wallet.status(name) == 100
    wallet.mempool.is_behind = False
    assert await wallet.status(name) == 200


async def test_a_call_whose_nonce_was_seen_used_for_a_while_has_failed(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    name = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    wallet.mempool.is_behind = True
    assert await wallet.status(name) == 100
    wallet.clock.ahead_seconds = LAG_SECONDS
    assert await wallet.status(name) == 400, "neither chain nor bundler knows it"


async def test_a_send_of_an_organization_is_in_its_log_also_when_the_response_was_lost(wallet: WalletFixture) -> None:
    wallet.ports = replace(wallet.ports, caller=caller_of(a_key()))
    grant = await wallet.grant_root()
    prepared = await wallet.prepare(CALL, permissions=grant.permissions)
    wallet.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    wallet.mempool.is_blind = True
    with pytest.raises(OutcomeUnknown):
        await wallet.send(prepared, grant.key, grant.permissions)
    wallet.mempool.is_blind = False
    wallet.clock.ahead_seconds = ABANDONED_SECONDS + 1
    for _ in range(2):
        await wallet.send(prepared, grant.key, grant.permissions)
    audit = wallet.ports.store.audit
    assert isinstance(audit, RedisAudit)
    sent = [each.event.facts for each in await audit.entries(0, 100) if each.event.kind is EventKind.CALL_SENT]
    assert [facts["hash"] for facts in sent] == [prepared["details"]["data"]["hash"]]
    assert sent[0]["sessionId"] == grant.session_id

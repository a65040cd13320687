"""Operations pending at the bundler: replacement, waiting, status requests and lost responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.sample import a_key
from tests.operations.conftest import CHAIN, WalletFixture, call_id_of, quantity
from tests.support.api_keys import caller_of
from tests.support.constants import FRIEND
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.gas import replacement_fee
from wallet_rpc.errors import AlreadyKnown, InstallPending, OutcomeUnknown, Rejected, StaleNonce, Unavailable

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


async def test_the_node_shows_a_call_in_a_block_that_the_bundler_has_not_seen(wallet: WalletFixture) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()
    wallet.mempool.is_behind = True
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


async def test_an_install_that_the_bundler_dropped_is_delivered_again(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    prepared = await wallet.prepare(CALL, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)
    wallet.mempool.drop()
    with pytest.raises(InstallPending):  # else the caller would pay for two calls
        await wallet.prepare(OTHER, permissions=grant.permissions)
    await wallet.work(after=15)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


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
    assert (wallet.mempool.sent, await wallet.state(call_id)) == (1, "submitted")


@pytest.mark.parametrize("blindness", ["is_blind", "is_silent"])
async def test_a_send_with_an_unknown_outcome_is_accepted_and_delivered_again(
    wallet: WalletFixture, blindness: str
) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.mempool.fails = [OutcomeUnknown("the bundler does not answer")]
    setattr(wallet.mempool, blindness, True)
    call_id = await wallet.send(prepared, wallet.owner)
    assert await wallet.send(prepared, wallet.owner) == call_id, "at once, although nobody knows the outcome"
    data = await wallet.details(call_id)
    assert (data["state"], data["pendingReason"]["reason"]) == ("unknown", "outcome_unknown")
    assert wallet.mempool.sent == 1
    await wallet.work(after=15)
    assert wallet.mempool.sent == 2
    setattr(wallet.mempool, blindness, False)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def test_a_rejected_call_is_final_and_is_never_sent_again(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.mempool.fails = [Rejected("precheck failed", reason="too_low")]
    with pytest.raises(Rejected, match="precheck failed"):
        await wallet.send(prepared, wallet.owner)
    wallet.mempool.drop()
    with pytest.raises(Rejected, match=r"^precheck failed; the call was refused and is never sent again") as error_info:
        await wallet.send(prepared, wallet.owner)
    assert error_info.value.reason == "too_low"
    assert await wallet.work(after=60) == 1
    assert wallet.mempool.sent == 1
    assert await wallet.state(call_id_of(prepared)) == "rejected"


@pytest.mark.parametrize("sponsored", [False, True])
async def test_calls_that_were_rejected_are_prepared_again_as_another_operation(
    wallet: WalletFixture, sponsored: bool
) -> None:
    node = wallet.ports.chains[CHAIN].node
    assert isinstance(node, NodeChain)
    await node._client.write("anvil_setBalance", [wallet.account, hex(10**18)])
    hashes = set()
    for _ in range(3):
        prepared = await wallet.prepare(CALL, sponsored=sponsored)
        hashes.add(prepared["details"]["data"]["hash"])
        wallet.mempool.fails = [Rejected("precheck failed")]
        with pytest.raises(Rejected):
            await wallet.send(prepared, wallet.owner)
        wallet.mempool.drop()
    prepared = await wallet.prepare(CALL, sponsored=sponsored)
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200
    assert len(hashes | {prepared["details"]["data"]["hash"]}) == 4


@pytest.mark.parametrize("by_session", [False, True])
async def test_a_repeated_send_of_an_included_operation_succeeds_also_if_the_bundler_said_it_failed(
    wallet: WalletFixture, by_session: bool
) -> None:
    grant = await wallet.grant_root() if by_session else None
    key, permissions = (wallet.owner, None) if grant is None else (grant.key, grant.permissions)
    capabilities: dict[str, Any] = {} if permissions is None else {"permissions": permissions}
    prepared = await wallet.prepare(CALL, **capabilities)
    wallet.mempool.fails = [Unavailable("the bundler does not answer")]
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


async def test_a_send_of_an_organization_is_in_its_log_also_when_the_process_died_before_it_was_logged(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet.ports = replace(wallet.ports, caller=caller_of(a_key()))
    grant = await wallet.grant_root()
    prepared = await wallet.prepare(CALL, permissions=grant.permissions)

    async def die(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr("wallet_rpc.operations.send_prepared_calls.log_call_sent", die)
        with pytest.raises(ConnectionError):
            await wallet.send(prepared, grant.key, grant.permissions)
    audit = wallet.ports.store.audit
    assert isinstance(audit, RedisAudit)
    for _ in range(2):
        await wallet.work(after=30)
    sent = [each.event for each in await audit.entries(0, 100) if each.event.kind is EventKind.CALL_SENT]
    await wallet.send(prepared, grant.key, grant.permissions)
    assert sent == [each.event for each in await audit.entries(0, 100) if each.event.kind is EventKind.CALL_SENT]
    assert [event.facts["hash"] for event in sent] == [prepared["details"]["data"]["hash"]]
    assert (sent[0].facts["sessionId"], sent[0].actor) == (grant.session_id, caller_of(a_key()).name)

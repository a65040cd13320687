"""Calls that wait for an approval: who decides, what happens to them, and what counts meanwhile."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet
from tests.rules.ruled import (
    APPROVE,
    CHAIN,
    LIST,
    REJECT,
    SEND,
    SET_RULES,
    act,
    denial,
    execute_batch,
    open_ruled,
    owner_signature,
    pay,
    prepare,
    usage,
    workers_of,
)
from tests.rules.test_entries import hold_mempool
from tests.support.calls import call_data
from tests.support.constants import FRIEND, TOKEN
from tests.support.in_process import METHODS
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.prepared import parse_call_id
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports.events import FIRST_EVENT
from wallet_rpc.primitives import Data
from wallet_rpc.services import approval_decisions

ABOVE = {"type": "approval", "above": "0x5", "seconds": 600}
TOTAL = {"type": "amount", "limit": "0x14", "period": "total"}


async def send_waiting(wallet: OrgWallet, wei: int = 6, client: OrgClient | None = None) -> str:
    """Send a call with the session, and return its id."""
    permissions = wallet.grants[0].permissions
    request = wallet.sign(await prepare(wallet, pay(wei), client=client), wallet.key, permissions)
    return str((await (client or wallet.client).rpc(SEND, request))["id"])


async def status_of(wallet: OrgWallet, call_id: str) -> Any:
    return await wallet.client.rpc("wallet_getCallsStatus", call_id)


async def test_calls_above_the_threshold_wait_and_are_delivered_once_approved(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE, TOTAL)
    assert await act(wallet, pay(5)) == 200
    before = await client.balance(CHAIN, FRIEND)
    call_id = await send_waiting(wallet)

    status = await status_of(wallet, call_id)
    data = status["details"]["data"]
    expires = data["approval"]["expiresAt"]
    assert (status["status"], data["state"], data["pendingReason"]["reason"]) == (100, "accepted", "waits_for_approval")
    assert expires - client.clock.now() in range(595, 601)
    page = await client.ask(LIST)
    listed = page["approvals"][0]
    assert (len(page["approvals"]), listed["id"], listed["expiresAt"]) == (1, call_id, expires)
    assert listed["calls"] == [{"to": FRIEND, "value": "0x6", "data": "0x", "decoded": []}]
    assert (await usage(wallet))[1]["usage"]["reserved"] == "0x6"
    client.clock.ahead_seconds += 60
    await workers_of(client).run_once()
    assert await client.balance(CHAIN, FRIEND) == before

    assert (await client.ask(APPROVE, callId=call_id))["state"] == "submitted"

    assert await wallet.status(call_id) == 200
    assert await client.balance(CHAIN, FRIEND) == before + 6
    assert (await client.ask(LIST))["approvals"] == []
    assert (await usage(wallet))[1]["usage"] == {"used": "0xb", "reserved": "0x0", "remaining": "0x9"}
    for method in (APPROVE, REJECT):
        assert (await client.refusal(method, callId=call_id)).reason == "approval_ended"


async def test_rejected_calls_are_never_delivered(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE, TOTAL)
    call_id = await send_waiting(wallet)
    assert (await client.ask(REJECT, callId=call_id))["state"] == "rejected"
    status = await status_of(wallet, call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, "approval_rejected")
    assert (await usage(wallet))[1]["usage"]["reserved"] == "0x0"
    assert (await client.refusal(APPROVE, callId=call_id)).reason == "approval_ended"


async def test_calls_without_a_decision_expire(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE, TOTAL)
    call_id = await send_waiting(wallet)
    client.clock.ahead_seconds += 600
    assert (await client.refusal(APPROVE, callId=call_id)).reason == "approval_ended"
    await workers_of(client).run_once()
    status = await status_of(wallet, call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, "approval_expired")
    assert (await usage(wallet))[1]["usage"]["reserved"] == "0x0"
    assert (await client.ask(LIST))["approvals"] == []


async def test_the_end_of_a_wait_is_published_once(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    call_id = await send_waiting(wallet)
    client.clock.ahead_seconds += 600
    await asyncio.gather(*(status_of(wallet, call_id) for _ in range(4)), workers_of(client).run_once())
    page = await client.store.for_organization(client.organization).events.read(FIRST_EVENT, limit=99)
    assert [each.event.type for each in page.events].count("approval.expired") == 1


async def test_of_concurrent_decisions_one_counts(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    call_id = await send_waiting(wallet)
    decisions = [client.reason(method, callId=call_id) for method in (APPROVE, REJECT, APPROVE, REJECT)]
    reasons = await asyncio.gather(*decisions)
    assert sorted(reasons, key=str) == [None, *["approval_ended"] * 3]
    expected = 400 if reasons[1] is None or reasons[3] is None else 200
    assert await wallet.status(call_id) == expected


async def test_a_token_and_a_reading_key_and_a_stranger_decide_nothing(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    call_id = await send_waiting(wallet)
    stranger = client.of(OrganizationId("org_stranger"))
    for method in (APPROVE, REJECT):
        assert (await stranger.refusal(method, callId=call_id)).reason == "approval_not_found"
    assert (await stranger.ask(LIST))["approvals"] == []
    anyone = client.without_key()
    assert (await anyone.refusal(LIST)).reason == "account_required"
    shared = replace(anyone, ports=replace(anyone.ports, store=client.ports.store))
    assert (await shared.refusal(APPROVE, callId=call_id)).reason == "owner_signature_required"
    for name in (APPROVE, REJECT):
        operation = METHODS[name]
        assert (operation.need.writes, operation.need.scopes) == (True, ())


@pytest.mark.parametrize("call_id", ["0x", "0x00", "0x" + "11" * 64, "0x" + "00" * 65])
async def test_an_id_that_no_call_can_have_is_not_found(client: OrgClient, call_id: str) -> None:
    for method in (APPROVE, REJECT):
        assert (await client.refusal(method, callId=call_id)).reason == "approval_not_found"


async def test_the_owner_approves_by_a_signature_of_this_call(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    call_id, other_id = await send_waiting(wallet), "0x" + "00" * 64
    assert other_id != call_id
    rejecting = await owner_signature(wallet, "rejectCalls", callId=call_id)
    assert (await client.refusal(APPROVE, callId=call_id, ownerSignature=rejecting)).reason == "owner_signature_invalid"
    by_key = await owner_signature(wallet, "approveCalls", callId=call_id, by=wallet.key)
    assert (await client.refusal(APPROVE, callId=call_id, ownerSignature=by_key)).reason == "owner_signature_invalid"
    approving = await owner_signature(wallet, "approveCalls", callId=call_id)
    assert (await client.ask(APPROVE, callId=call_id, ownerSignature=approving))["state"] == "submitted"
    assert await wallet.status(call_id) == 200


async def test_another_organisation_cannot_send_calls_that_need_an_approval(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    assert await act(wallet, pay(1)) == 200
    other = client.of(OrganizationId("org_other"))
    assert (await denial(wallet, pay(6), client=other, form="grant_context")).reason == "approval_elsewhere"
    assert await prepare(wallet, pay(5), client=other, form="grant_context")


async def test_a_paused_or_revoked_session_ends_the_wait(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    call_id = await send_waiting(wallet)
    answer = await client.ask("wallet_revokeSession", sessionId=wallet.grants[0].session_id)
    assert answer["stopped"] == [call_id]
    status = await status_of(wallet, call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, "session_revoked")


async def test_a_stop_by_another_organisation_ends_the_wait_at_the_approval(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    assert await act(wallet, pay(1)) == 200
    call_id = await send_waiting(wallet)
    other = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))
    named = {"account": wallet.account, "chainId": hex(CHAIN), **wallet.grants[0].grant_context}
    assert (await other.ask("wallet_pauseSession", **named))["state"] == "paused"

    refused = await client.refusal(APPROVE, callId=call_id)
    assert (refused.reason, refused.field) == ("session_paused", "params.callId")
    status = await status_of(wallet, call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, "session_paused")


async def test_a_threshold_that_is_set_later_holds_calls_that_no_bundler_has(client: OrgClient) -> None:
    wallet = await open_ruled(client)
    assert await act(wallet, pay(1)) == 200
    mempool = hold_mempool(wallet)
    mempool.fails = [Unavailable("the bundler is down", part="bundler")]
    call_id = await send_waiting(wallet)
    mempool.drop()
    await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[ABOVE])
    client.clock.ahead_seconds += 20
    await workers_of(client).run_once()
    assert (await status_of(wallet, call_id))["details"]["data"]["pendingReason"]["reason"] == "waits_for_approval"
    assert [each["id"] for each in (await client.ask(LIST))["approvals"]] == [call_id]
    await client.ask(APPROVE, callId=call_id)
    await mempool.mine()
    assert await wallet.status(call_id) == 200


async def test_the_list_keeps_the_entry_of_a_call_that_is_about_to_wait(client: OrgClient) -> None:
    wallet = await open_ruled(client)
    assert await act(wallet, pay(1)) == 200
    mempool = hold_mempool(wallet)
    call_id = await send_waiting(wallet)
    record = await client.ports.store.calls.get(*parse_call_id(Data.parse(call_id)))
    assert record is not None
    await client.ports.store.approvals.add(record)
    assert (await client.ask(LIST))["approvals"] == []
    assert len(await client.ports.store.approvals.page(after=b"", limit=5)) == 1

    await mempool.mine()
    assert await wallet.status(call_id) == 200
    assert (await client.ask(LIST))["approvals"] == []
    assert await client.ports.store.approvals.page(after=b"", limit=5) == ()


async def test_a_worker_delivers_an_approved_call_whose_server_ended(client: OrgClient, monkeypatch: Any) -> None:
    wallet = await open_ruled(client, ABOVE)
    call_id = await send_waiting(wallet)

    async def end(_: Any, __: Any, call: Any, ___: Any) -> Any:
        return call

    monkeypatch.setattr(approval_decisions, "deliver_first", end)
    assert (await client.ask(APPROVE, callId=call_id))["state"] == "submitting"
    monkeypatch.undo()
    client.clock.ahead_seconds += 15
    await workers_of(client).run_once()
    client.clock.ahead_seconds += 15
    await workers_of(client).run_once()
    assert await wallet.status(call_id) == 200


async def test_the_list_has_pages(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    assert await act(wallet, pay(1)) == 200
    permissions = wallet.grants[0].permissions
    sent = []
    for number in range(3):
        override = {"nonceKey": hex(number + 1)}
        calls = wallet.build_calls(pay(6), permissions=permissions, nonceOverride=override)
        prepared = await client.rpc("wallet_prepareCalls", calls)
        sent.append(await wallet.send(prepared, wallet.key, permissions))
    await client.ask(REJECT, callId=sent[0])
    first = await client.ask(LIST, limit=1)
    second = await client.ask(LIST, limit=1, cursor=first["cursor"])
    found = [each["id"] for page in (first, second) for each in page["approvals"]]
    assert sorted(found) == sorted(sent[1:])
    assert len((await client.ask(LIST, account=wallet.account))["approvals"]) == 2
    assert (await client.ask(LIST, account=FRIEND))["approvals"] == []
    assert await client.reason(LIST, cursor="?") is not None


async def test_calls_that_wait_are_listed_decoded(client: OrgClient) -> None:
    wallet = await open_ruled(client, tokens=50)
    assert await act(wallet, pay(1)) == 200
    await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[{"type": "approval"}])
    token_call = {"to": TOKEN, "data": call_data("transfer(address,uint256)", FRIEND, 40)}
    batch = {"to": wallet.account, "data": execute_batch((FRIEND, 2))}
    for calls in ([token_call, pay(1)], [batch]):
        prepared = await prepare(wallet, *calls)
        await client.rpc(SEND, wallet.sign(prepared, wallet.key, wallet.grants[0].permissions))
        client.clock.ahead_seconds += 1

    first, second = (await client.ask(LIST))["approvals"]

    (decoded,) = first["calls"][0]["decoded"]
    assert (decoded["function"], decoded["source"]) == ("transfer(address,uint256)", "erc20")
    assert (decoded["arguments"]["to"], decoded["amounts"][0]["amount"]) == (FRIEND, hex(40))
    assert decoded["amounts"][0]["text"] == "0.00000000000000004"
    assert second["calls"] == [{"to": FRIEND, "value": "0x2", "data": "0x", "decoded": []}], "the batch itself"
    without_chain = replace(client, ports=replace(client.ports, chains={}))
    bare = (await without_chain.ask(LIST))["approvals"][0]["calls"]
    assert bare == [{**call, "decoded": []} for call in first["calls"]], "a chain that is not configured any more"

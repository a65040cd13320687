"""Rules that are set while calls of the session are in flight."""

from __future__ import annotations

from dataclasses import replace

from tests.org_sessions.org_client import OrgClient
from tests.rules.ruled import PREPARE, SEND, SET_RULES, act, open_ruled, pay, prepare, usage, workers_of
from tests.rules.test_entries import DAILY, hold_mempool, try_send
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.errors import Unavailable


async def test_a_rule_that_is_set_later_holds_for_calls_that_no_bundler_has(client: OrgClient) -> None:
    wallet = await open_ruled(client)
    assert await act(wallet, pay(1)) == 200
    mempool = hold_mempool(wallet)
    mempool.fails = [Unavailable("the bundler is down", part="bundler")]
    request = wallet.sign(await prepare(wallet, pay(5)), wallet.key, wallet.grants[0].permissions)
    call_id = (await client.rpc(SEND, request))["id"]
    mempool.drop()
    await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[{**DAILY, "limit": "0x4"}])

    client.clock.ahead_seconds += 20
    await workers_of(client).run_once()

    status = await client.rpc("wallet_getCallsStatus", call_id)
    error = status["details"]["data"]["error"]
    assert (status["status"], error["code"], error["data"]["reason"]) == (400, 4100, "rule_amount_exceeded")
    assert await try_send(wallet, request) == "rule_amount_exceeded"
    assert (mempool.sent, (await usage(wallet))[0]["usage"]["reserved"]) == (1, "0x0")


async def test_a_rule_that_is_set_later_counts_calls_in_flight(client: OrgClient) -> None:
    wallet = await open_ruled(client)
    assert await act(wallet, pay(1)) == 200
    mempool = hold_mempool(wallet)
    call_id = await wallet.send(await prepare(wallet, pay(8)), wallet.key, wallet.grants[0].permissions)

    answer = await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[{**DAILY, "limit": "0x4"}])

    assert answer["rules"][0]["usage"]["reserved"] == "0x8"
    await mempool.mine()
    assert await wallet.status(call_id) == 200
    assert (await usage(wallet))[0]["usage"]["used"] == "0x8"


async def test_a_rule_that_is_set_later_counts_calls_in_flight_of_other_organisations(client: OrgClient) -> None:
    wallet = await open_ruled(client)
    assert await act(wallet, pay(1)) == 200
    mempool, form = hold_mempool(wallet), wallet.grants[0].installed_context
    other = replace(wallet, client=client.of(OrganizationId("org_in_flight")))
    prepared = await prepare(wallet, pay(8), client=other.client, form="installed_context")
    call_id = await other.send(prepared, wallet.key, form)
    await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[DAILY])

    for _ in range(2):
        client.clock.ahead_seconds += 38
        await workers_of(other.client).run_once()
        assert (await usage(wallet))[0]["usage"]["reserved"] == "0x8"
    request = wallet.build_calls(pay(3), permissions=wallet.grants[0].permissions, nonceOverride={"nonceKey": "0x7"})
    assert (await client.refusal(PREPARE, **request)).reason == "rule_amount_exceeded"
    assert mempool.sent == 1
    await mempool.mine()
    assert await other.status(call_id) == 200
    counts = (await usage(wallet))[0]["usage"]
    assert (counts["used"], counts["reserved"]) == ("0x8", "0x0")

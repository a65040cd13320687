"""Rules at every entry, for calls in flight, and after changes of the rules and of the chain."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.operations.mempool import HeldMempool
from tests.org_sessions.org_client import OrgClient, OrgWallet
from tests.rules.ruled import (
    CHAIN,
    PREPARE,
    SEND,
    SET_RULES,
    Json,
    act,
    denial,
    open_ruled,
    owner_signature,
    pay,
    prepare,
    usage,
    workers_of,
)
from tests.support.constants import ENTRY_POINT, FRIEND, POLICY, TOKEN
from tests.support.keys import sign_request
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.services import raw_operations
from wallet_rpc.services.session_rules import RESERVATION_SECONDS

DAILY = {"type": "amount", "limit": "0xa", "period": "day"}
FORMS = ["permissions", "context", "grant_context", "installed_context"]


def hold_mempool(wallet: OrgWallet) -> HeldMempool:
    """Give the wallet's client a bundler that includes nothing until it is told to."""
    client = wallet.client
    chain = client.ports.chains[CHAIN]
    assert isinstance(chain.bundler, HttpBundler)
    mempool = HeldMempool(chain.bundler, CHAIN)
    client.ports = replace(client.ports, chains={CHAIN: replace(chain, bundler=mempool)})
    return mempool


async def try_send(wallet: OrgWallet, request: Any) -> str | None:
    """Send a signed request; return the reason of the error."""
    return await wallet.client.reason(SEND, **request)


@pytest.mark.parametrize("form", FORMS)
async def test_rules_hold_however_the_session_is_named(client: OrgClient, form: str) -> None:
    wallet = await open_ruled(client, DAILY)
    assert await act(wallet, pay(4)) == 200
    within = await prepare(wallet, pay(6), form=form)

    assert (await denial(wallet, pay(7), form=form)).reason == "rule_amount_exceeded"
    assert await act(wallet, pay(1)) == 200
    request = wallet.sign(within, wallet.key, getattr(wallet.grants[0], form))
    assert await try_send(wallet, request) in {"rule_amount_exceeded", "stale_nonce"}
    assert (await usage(wallet))[0]["usage"]["used"] == "0x5"


async def test_rules_hold_in_the_keyed_form(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY)
    key = {"type": "secp256k1", "publicKey": wallet.key.address}
    request = wallet.build_calls(pay(11), permissions=wallet.grants[0].permissions)
    assert (await client.refusal(PREPARE, **request, key=key)).reason == "rule_amount_exceeded"


@pytest.mark.parametrize("sender", ["own", "another organisation", "no key"])
async def test_rules_hold_for_raw_user_operations_of_anybody(client: OrgClient, sender: str) -> None:
    wallet = await open_ruled(client)
    assert await act(wallet, pay(1)) == 200
    by_whom = {
        "own": client,
        "another organisation": client.of(OrganizationId("org_stranger")),
        "no key": client.without_key(),
    }[sender]
    raw = [await sign_raw(wallet, pay(6)), ENTRY_POINT]
    await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[{**DAILY, "limit": "0x5"}])

    with pytest.raises(WalletError) as denied:
        await raw_operations.send_raw_operation(by_whom.ports, CHAIN, raw)
    assert denied.value.reason == "rule_amount_exceeded"
    assert ("limit" in denied.value.data) is (sender == "own")

    await client.ask(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[DAILY])
    sent = await raw_operations.send_raw_operation(by_whom.ports, CHAIN, raw)
    assert sent is not None
    assert (await usage(wallet))[0]["usage"]["reserved"] == "0x6"
    await workers_of(by_whom).run_once()
    by_whom.clock.ahead_seconds += 30
    await workers_of(by_whom).run_once()
    assert (await usage(wallet))[0]["usage"] | {"used": "0x6", "reserved": "0x0"} == (await usage(wallet))[0]["usage"]


async def sign_raw(wallet: OrgWallet, *calls: Any) -> Any:
    """Return a user operation of the installed session, signed as its key sends it to a bundler."""
    prepared = await prepare(wallet, *calls)
    signature = sign_request(wallet.key, prepared["signatureRequest"])
    return {**prepared["data"], "signature": "0xff00" + signature[2:]}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"type": "recipients", "allow": [FRIEND]}, "rule_recipient_denied"),
        ({"type": "amount", "token": TOKEN, "limit": "0x1", "period": "day"}, "rule_amount_exceeded"),
        ({"type": "calls", "limit": 1, "period": "day"}, "rule_calls_exceeded"),
    ],
)
async def test_an_approval_that_pays_for_gas_counts_when_calls_are_prepared(
    client: OrgClient, rule: Json, reason: str
) -> None:
    wallet = await open_ruled(client, rule, tokens=10**24)
    erc20 = {"tokenAddress": TOKEN, "postOpSettings": {"autoApprove": True}}
    service = {"policyId": POLICY, "erc20": erc20}
    request = wallet.build_calls(pay(1), permissions=wallet.grants[0].permissions, paymasterService=service)
    assert (await client.refusal(PREPARE, **request)).reason == reason
    assert await prepare(wallet, pay(1)), "other payers add no call"


async def test_calls_in_flight_are_reserved_and_their_outcome_decides(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY, {"type": "calls", "limit": 9, "period": "total"})
    assert await act(wallet, pay(1)) == 200
    mempool = hold_mempool(wallet)
    call_id = await wallet.send(await prepare(wallet, pay(5)), wallet.key, wallet.grants[0].permissions)
    assert [each["usage"]["reserved"] for each in await usage(wallet)] == ["0x5", 1]
    parallel = {"nonceKey": "0x7"}
    request = wallet.build_calls(pay(5), permissions=wallet.grants[0].permissions, nonceOverride=parallel)
    assert (await client.refusal(PREPARE, **request)).reason == "rule_amount_exceeded"

    await mempool.mine()
    assert await wallet.status(call_id) == 200
    assert [each["usage"]["used"] for each in await usage(wallet)] == ["0x6", 2]
    assert [each["usage"]["reserved"] for each in await usage(wallet)] == ["0x0", 0]


async def test_a_reverted_call_frees_its_amount_and_counts_as_calls(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY, {"type": "calls", "limit": 9, "period": "total"})
    assert await act(wallet, pay(1)) == 200
    mempool = hold_mempool(wallet)
    call_id = await wallet.send(await prepare(wallet, pay(5)), wallet.key, wallet.grants[0].permissions)
    await client.node(CHAIN, "anvil_setCode", FRIEND, "0x5f5ffd")
    try:
        await mempool.mine()
        assert await wallet.status(call_id) == 500
    finally:
        await client.node(CHAIN, "anvil_setCode", FRIEND, "0x")
    assert [each["usage"]["used"] for each in await usage(wallet)] == ["0x1", 2]
    assert (await usage(wallet))[0]["usage"]["reserved"] == "0x0"


async def test_a_replacement_reserves_the_larger_amount_until_one_is_included(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY)
    assert await act(wallet, pay(1)) == 200
    mempool = hold_mempool(wallet)
    permissions = wallet.grants[0].permissions
    await wallet.send(await prepare(wallet, pay(5)), wallet.key, permissions)
    second = await wallet.send(await prepare(wallet, pay(9)), wallet.key, permissions)
    assert (await usage(wallet))[0]["usage"]["reserved"] == "0x9"
    await mempool.mine()
    assert await wallet.status(second) == 200
    counts = (await usage(wallet))[0]["usage"]
    assert (counts["used"], counts["reserved"]) == ("0xa", "0x0")


async def test_a_server_that_ends_between_reservation_and_storage_leaks_nothing(
    client: OrgClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = await open_ruled(client, DAILY)
    assert await act(wallet, pay(1)) == 200
    request = wallet.sign(await prepare(wallet, pay(9)), wallet.key, wallet.grants[0].permissions)

    async def end(*_: Any) -> None:
        raise Unavailable("the server ended", part="store")

    monkeypatch.setattr(client.ports.store.calls, "claim", end)
    assert await try_send(wallet, request) == "unavailable"
    monkeypatch.undo()
    assert (await usage(wallet))[0]["usage"]["reserved"] == "0x9"
    client.clock.ahead_seconds += RESERVATION_SECONDS
    assert (await usage(wallet))[0]["usage"]["reserved"] == "0x0"
    assert await try_send(wallet, request) is None


async def test_concurrent_calls_never_exceed_a_limit(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY)
    assert await act(wallet, pay(1)) == 200
    permissions = wallet.grants[0].permissions
    requests = []
    for number in range(4):
        override = {"nonceKey": hex(number + 1)}
        calls = wallet.build_calls(pay(4), permissions=permissions, nonceOverride=override)
        prepared = await client.rpc(PREPARE, calls)
        requests.append(wallet.sign(prepared, wallet.key, permissions))
    reasons = await asyncio.gather(*(try_send(wallet, request) for request in requests))
    assert sorted(reasons, key=str) == [None, None, "rule_amount_exceeded", "rule_amount_exceeded"]


async def test_only_who_controls_a_session_sets_its_rules(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY)
    assert await act(wallet, pay(1)) == 200
    by_entity = {"account": wallet.account, "chainId": hex(CHAIN), "entityId": wallet.grants[0].entity_id}
    stranger = client.of(OrganizationId("org_stranger"))
    assert (await stranger.refusal(SET_RULES, **by_entity, rules=[])).reason == "session_not_controlled"
    anyone = client.without_key()
    assert (await anyone.refusal(SET_RULES, **by_entity, rules=[])).reason == "owner_signature_required"

    rules: list[Any] = [{**DAILY, "limit": "0x3"}]
    signature = await owner_signature(wallet, "setRules", rules=rules)
    other = await anyone.refusal(SET_RULES, **by_entity, rules=[], ownerSignature=signature)
    assert other.reason == "owner_signature_invalid"
    answer = await anyone.ask(SET_RULES, **by_entity, rules=rules, ownerSignature=signature)
    assert [(each["byOwner"], each["rule"]["limit"]) for each in answer["rules"]] == [(True, "0x3")]
    replay = await anyone.refusal(SET_RULES, **by_entity, rules=rules, ownerSignature=signature)
    assert replay.reason == "consent_used"

    await client.ask(SET_RULES, **by_entity, rules=[])
    assert (await denial(wallet, pay(3))).reason == "rule_amount_exceeded"


async def test_an_organisation_neither_sees_nor_loosens_the_rules_of_another(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY)
    assert await act(wallet, pay(1)) == 200
    other = client.of(OrganizationId("org_other"))
    named = {**wallet.grants[0].grant_context, "account": wallet.account, "chainId": hex(CHAIN)}

    answer = await other.ask(SET_RULES, **named, rules=[])

    assert (answer["rules"], answer["otherRules"]) == ([], 1)
    error = await denial(wallet, pay(10), client=other, form="grant_context")
    assert (error.reason, set(error.data)) == ("rule_amount_exceeded", {"reason"})


async def test_a_change_to_sign_has_the_content_of_its_action_and_no_other(client: OrgClient) -> None:
    wallet = await open_ruled(client)
    session = {"sessionId": wallet.grants[0].session_id}
    call_id = "0x" + "00" * 64
    for action, fields in (
        ("setRules", {}),
        ("setRules", {"rules": [], "callId": call_id}),
        ("pause", {"rules": []}),
        ("pause", {"callId": call_id}),
        ("approveCalls", {}),
        ("rejectCalls", {"rules": []}),
    ):
        error = await client.refusal("wallet_prepareSessionChange", **session, action=action, **fields)
        assert error.reason == "change_content", (action, fields)
    prepared = await client.ask("wallet_prepareSessionChange", **session, action="setRules", rules=[DAILY])
    content = prepared["signatureRequest"]["data"]["message"]["content"]
    assert content == '[{"limit":"0xa","period":"day","type":"amount"}]'


async def test_a_malformed_rule_is_named(client: OrgClient) -> None:
    wallet = await open_ruled(client)
    argument = {"type": "argument", "function": "transfer(address,uint256)", "path": "1"}
    expected: dict[str, list[Any]] = {
        "rule_malformed": [
            {"type": "recipients"},
            {**argument},
            {**argument, "equals": "1", "atMost": "2"},
            {**argument, "path": "2", "equals": "1"},
            {**argument, "path": "0", "atMost": "2"},
            {**argument, "equals": "0xzz"},
            {**argument, "equals": str(1 << 256)},
            {"type": "hours", "days": ["monday", "monday"]},
        ],
        "function_malformed": [{**argument, "function": "0xa9059cbb", "equals": "1"}],
    }
    for reason, rules in expected.items():
        for rule in rules:
            assert await client.reason(SET_RULES, sessionId=wallet.grants[0].session_id, rules=[rule]) == reason, rule

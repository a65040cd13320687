"""REST of registered sessions: rules, tags, explanations and approvals, as the methods of JSON-RPC have them."""

from __future__ import annotations

import secrets
from typing import Any

from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.support.constants import CHAINS, FRIEND
from wallet_rpc.domain.access import OrganizationId

CHAIN = CHAINS[0]
RULES, TAGS = "setOrganizationSessionRules", "setOrganizationSessionTags"
EXPLAIN, LIST = "explainOrganizationCalls", "listOrganizationApprovals"
APPROVE, REJECT = "approveOrganizationCalls", "rejectOrganizationCalls"
DAILY: dict[str, Any] = {"type": "amount", "limit": "0xa", "period": "day"}


async def open_registered(client: OrgClient, chains: tuple[int, ...] = (CHAIN,)) -> tuple[OrgWallet, dict[str, Any]]:
    """Return a funded wallet whose sessions are registered, and their group."""
    wallet = await open_funded_wallet(client, CHAIN)
    if len(chains) > 1:
        wallet.grants += [await wallet.grant_on(chain) for chain in chains[1:]]
    return wallet, await wallet.register()


async def send_waiting(wallet: OrgWallet, wei: int) -> str:
    permissions = {"sessionId": wallet.grants[0].session_id}
    prepared = await wallet.client.rpc("wallet_prepareCalls", wallet.calls(CHAIN, permissions, value=hex(wei)))
    return await wallet.send(prepared, wallet.key, permissions)


async def test_rules_of_a_session_and_of_a_group_hold_at_once(client: OrgClient) -> None:
    wallet, group = await open_registered(client, CHAINS)
    first = wallet.grants[0].session_id

    answer = await client.ask(RULES, id=first, rules=[DAILY])

    (session,) = answer["sessions"]
    assert (answer["id"], session["id"], session["chainId"], session["otherRules"]) == (first, first, CHAIN, 0)
    assert [(each["rule"], each["byOwner"]) for each in session["rules"]] == [(DAILY, False)]
    assert (await client.ask("getCreatedSession", id=first))["rules"]["rules"] == session["rules"]
    calls = wallet.calls(CHAIN, {"sessionId": first}, value=hex(11))
    assert await client.reason("wallet_prepareCalls", **calls) == "rule_amount_exceeded"
    of_group = await client.ask(RULES, id=group["sessionGroupId"], rules=[])
    assert [each["chainId"] for each in of_group["sessions"]] == list(CHAINS)
    assert all(each["rules"] == [] for each in of_group["sessions"])
    assert await client.reason("wallet_prepareCalls", **calls) is None


async def test_tags_are_replaced_for_the_session_or_the_group(client: OrgClient) -> None:
    group = (await open_registered(client, CHAINS))[1]
    ids = [each["id"] for each in group["sessions"]]

    answer = await client.ask(TAGS, id=group["sessionGroupId"], tags=["b", "a"])

    assert answer == {"id": group["sessionGroupId"], "sessions": ids, "tags": ["a", "b"]}
    assert (await client.ask(TAGS, id=ids[0], tags=[]))["tags"] == []
    tagged = await client.ask("listCreatedSessions", tag="a")
    assert [each["sessionId"] for each in tagged["sessions"]] == ids[1:]


async def test_calls_are_explained_as_by_json_rpc(client: OrgClient) -> None:
    wallet, _ = await open_registered(client)
    first = wallet.grants[0].session_id
    await client.ask(RULES, id=first, rules=[DAILY])
    request = {"calls": [{"to": FRIEND, "value": "0x3"}], "sponsored": True}

    answer = await client.ask(EXPLAIN, id=first, **request)

    assert answer == await client.ask("wallet_explainCalls", sessionId=first, **request)
    assert (answer["decision"], answer["rules"][0]["after"]["remaining"]) == ("allowed", "0x7")


async def test_waiting_calls_are_listed_approved_and_rejected_once(client: OrgClient) -> None:
    wallet, _ = await open_registered(client)
    await wallet.act(CHAIN, wallet.grants[0].permissions)
    await client.ask(RULES, id=wallet.grants[0].session_id, rules=[{"type": "approval"}])
    rejected = await send_waiting(wallet, 1)
    page = await client.ask(LIST, limit="1", account=wallet.account)
    assert page == await client.ask("wallet_listApprovals", limit=1, account=wallet.account)
    assert [each["id"] for each in page["approvals"]] == [rejected]
    assert await client.ask(REJECT, callId=rejected) == {"id": rejected, "state": "rejected"}
    approved = await send_waiting(wallet, 2)

    assert (await client.ask(APPROVE, callId=approved))["id"] == approved

    assert await wallet.status(approved) == 200
    for decision in (APPROVE, REJECT):
        error = await client.refusal(decision, callId=approved)
        assert (error.status, error.reason) == (409, "approval_ended")
    assert (await client.ask(LIST))["approvals"] == []


async def test_another_organization_and_an_unregistered_session_are_not_found(client: OrgClient) -> None:
    wallet, group = await open_registered(client)
    await wallet.act(CHAIN, wallet.grants[0].permissions)
    await client.ask(RULES, id=wallet.grants[0].session_id, rules=[{"type": "approval"}])
    waiting = await send_waiting(wallet, 1)
    unregistered = await wallet.grant_on(CHAIN)
    other = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))
    for by, name in ((other, group["sessions"][0]["id"]), (other, group["sessionGroupId"])):
        assert (await by.refusal(RULES, id=name, rules=[])).reason == "session_not_found"
        assert (await by.refusal(TAGS, id=name, tags=[])).reason == "session_not_found"
    for by, name in ((other, group["sessions"][0]["id"]), (client, unregistered.session_id)):
        error = await by.refusal(EXPLAIN, id=name, calls=[])
        assert (error.status, error.reason) == (404, "session_not_found")
    for decision in (APPROVE, REJECT):
        assert (await other.refusal(decision, callId=waiting)).reason == "approval_not_found"
    assert (await other.ask(LIST))["approvals"] == []
    assert [each["id"] for each in (await client.ask(LIST))["approvals"]] == [waiting]


async def test_a_malformed_rule_changes_nothing(client: OrgClient) -> None:
    wallet, group = await open_registered(client, CHAINS)

    error = await client.refusal(RULES, id=group["sessionGroupId"], rules=[DAILY, {"type": "recipients"}])

    assert (error.status, error.reason) == (400, "rule_malformed")
    for grant in wallet.grants:
        assert (await client.ask("getCreatedSession", id=grant.session_id)).get("rules", {}).get("rules", []) == []

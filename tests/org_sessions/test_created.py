"""Sessions that an organisation created, over REST: the answers are those of the JSON-RPC methods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.access.callers import by_token
from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.support.constants import CHAINS, FRIEND
from wallet_rpc.domain.access import Scope

LIST, GET = "listCreatedSessions", "getCreatedSession"
CHAIN = CHAINS[0]
LIMITED = (
    {"type": "native-token-transfer", "data": {"allowance": "0x64"}},
    {"type": "contract-access", "data": {"address": FRIEND}},
)


async def test_a_created_session_is_listed_and_read_as_by_json_rpc(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, permissions=LIMITED, tags=["agents"])
    (grant,) = wallet.grants

    listed = await client.ask(LIST, account=wallet.account, limit="5", chainId=str(CHAIN), tag="agents")
    found = await client.ask(GET, id=grant.session_id, callsLimit="5")

    by_rpc = await client.rpc("wallet_listSessions", {"account": wallet.account})
    assert without_block(listed) == without_block(by_rpc)
    assert [each["sessionId"] for each in listed["sessions"]] == [grant.session_id]
    assert without_block(found) == without_block(await client.rpc("wallet_getSession", {"sessionId": grant.session_id}))
    assert (found["state"], found["registration"]["organization"]) == ("pending", client.organization)


def without_block(answer: Any) -> Any:
    """Return an answer without the numbers of blocks, which pass meanwhile."""
    match answer:
        case dict():
            return {name: without_block(value) for name, value in answer.items() if name != "blockNumber"}
        case list():
            return [without_block(item) for item in answer]
        case _:
            return answer


async def test_a_registration_names_its_group_and_its_workflow_is_a_tag(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open(chains=(CHAIN,))
    group = await wallet.register(workflowId="nightly")

    (session,) = (await client.ask(LIST, tag="nightly"))["sessions"]
    registration = (await client.ask(GET, id=session["sessionId"]))["registration"]

    assert (session["tags"], session["isSigned"]) == (["nightly"], True)
    assert registration["groupId"] == group["sessionGroupId"]
    assert (registration["walletId"], registration["workflowId"]) == (wallet.account_id, "nightly")
    assert len(registration["holder"]) == 32


async def test_a_stop_is_the_state(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, permissions=LIMITED)
    (grant,) = wallet.grants
    await wallet.act(CHAIN, grant.permissions)
    named = {"sessionId": grant.session_id}

    async def state() -> str:
        return str((await client.ask(GET, id=grant.session_id))["state"])

    assert await state() == "installed"
    await client.rpc("wallet_pauseSession", named)
    assert await state() == "paused"
    assert (await client.ask(LIST, state="paused"))["sessions"][0]["sessionId"] == grant.session_id
    await client.rpc("wallet_resumeSession", named)
    assert await state() == "installed"
    await client.rpc("wallet_stopSessions", {"scope": {"account": wallet.account}, "mode": "pause"})
    assert await state() == "paused"
    await client.rpc("wallet_resumeSessions", {"scope": {"account": wallet.account}})
    await client.rpc("wallet_revokeSession", named)
    assert await state() == "revoked"


async def test_the_end_by_the_registration_or_the_grant_is_the_state(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open(chains=(CHAIN,))
    await wallet.register()
    (session,) = (await client.ask(LIST))["sessions"]
    at_its_end, after = client.at(session["validUntil"]), client.at(session["validUntil"] + 1)

    assert (await at_its_end.ask(GET, id=session["sessionId"]))["state"] == "pending"
    assert (await after.ask(GET, id=session["sessionId"]))["state"] == "expired"


async def test_tags_are_replaced_and_logged(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open(chains=(CHAIN,), tags=["a", "b"])
    (grant,) = wallet.grants
    tagged = await client.rpc("wallet_setSessionTags", {"sessionId": grant.session_id, "tags": ["c", "b", "c"]})

    assert tagged == {"sessionId": grant.session_id, "tags": ["b", "c"]}
    assert (await client.ask(LIST, tag="a"))["sessions"] == []
    assert [each["tags"] for each in (await client.ask(LIST, tag="c"))["sessions"]] == [["b", "c"]]
    log = client.store.for_organization(client.organization).audit
    assert "grant.tagged" in {entry.event.kind for entry in await log.entries(0, 100)}
    stranger = await client.without_key().reason("wallet_setSessionTags", sessionId=grant.session_id, tags=[])
    assert stranger == "session_not_found"


@pytest.mark.parametrize("tags", [[""], [" a"], ["a\n"], ["x" * 129], ["x"] * 17, "a"])
async def test_malformed_tags_are_rejected(client: OrgClient, tags: Any) -> None:
    error = await client.refusal("wallet_setSessionTags", sessionId="0x" + "11" * 16, tags=tags)
    assert error.code == -32602


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"limit": "101"}, "pagination"),
        ({"state": "lost"}, "malformed"),
        ({"cursor": "AAAA"}, "malformed"),
        ({"account": "0x12"}, "address_malformed"),
    ],
)
async def test_malformed_queries_are_rejected(client: OrgClient, request_: dict[str, str], reason: str) -> None:
    assert await client.reason(LIST, **request_) == reason


async def test_a_token_sees_the_sessions_of_its_own_wallet_only(client: OrgClient) -> None:
    own = await OrgWallet(client).open(chains=(CHAIN,))
    other = await OrgWallet(client).open(chains=(CHAIN,))
    key = client.ports.caller.key
    assert key is not None
    caller = by_token(Scope.WALLET_READ, wallet=own.owner.address, key=key)
    page = replace(client, ports=replace(client.ports, caller=caller))

    listed = await page.rpc("wallet_listSessions", {"account": own.account})
    assert [each["sessionId"] for each in listed["sessions"]] == [own.grants[0].session_id]
    assert await page.rpc("wallet_getSession", {"sessionId": own.grants[0].session_id})
    theirs = other.grants[0]
    by_entity = {"account": other.account, "chainId": hex(CHAIN), "entityId": theirs.entity_id}
    assert await page.reason("wallet_getSession", sessionId=theirs.session_id) == "session_not_found"
    assert await page.reason("wallet_getSession", **theirs.context) == "session_not_found"
    assert await page.reason("wallet_getSession", **by_entity) == "wallet_mismatch"
    assert await page.reason("wallet_listSessions", account=other.account) == "wallet_mismatch"
    for request in ({}, {"key": other.key.address}):
        assert await page.reason("wallet_listSessions", **request) == "session_filter"

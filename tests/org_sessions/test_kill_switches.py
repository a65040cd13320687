"""Kill switches: one call stops the sessions of an organisation, an account, a key or a tag."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_stopping import PREPARE, open_used_wallet, owner_signature
from tests.support.constants import CHAINS, FRIEND
from tests.support.keys import new_key
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.session_stop import ScopeKind, StopMode, StopRecord, StopScope

CHAIN = CHAINS[0]
STOP, RESUME, LIST = "wallet_stopSessions", "wallet_resumeSessions", "wallet_listStops"
REST_LIST, SET_TAGS = "listOrganizationStops", "wallet_setSessionTags"


async def scope_of(client: OrgClient, wallet: OrgWallet, kind: str) -> dict[str, Any]:
    """Return a scope that has the wallet's session."""
    if kind == "tag":
        assert await client.ports.store.session_index.set_tags(wallet.grants[0].record_id, ["payroll", "other"])
    values = {"organization": True, "account": wallet.account, "key": wallet.key.address, "tag": "payroll"}
    return {kind: values[kind]}


async def reason_of(wallet: OrgWallet, client: OrgClient | None = None, form: str = "permissions") -> str | None:
    """Return the reason with which the session is refused; None if it is not."""
    request = wallet.calls(CHAIN, getattr(wallet.grants[0], form))
    return await (client or wallet.client).reason(PREPARE, **request)


@pytest.mark.parametrize("kind", ["organization", "account", "key", "tag"])
@pytest.mark.parametrize("is_installed", [True, False], ids=["installed", "pending"])
async def test_a_kill_switch_stops_its_sessions_at_once(client: OrgClient, kind: str, is_installed: bool) -> None:
    wallet = await (open_used_wallet(client) if is_installed else open_funded_wallet(client, CHAIN))
    assert await reason_of(wallet) is None
    scope = await scope_of(client, wallet, kind)

    answer = await client.ask(STOP, scope=scope)

    assert (answer["stop"]["scope"], answer["stop"]["mode"]) == (scope, "pause")
    assert answer["stop"]["by"] == client.ports.caller.holder_digest
    forms = ["permissions", "grant_context", *(["installed_context"] if is_installed else [])]
    assert {await reason_of(wallet, form=form) for form in forms} == {"session_paused"}
    assert (await client.ask(LIST))["stops"] == [answer["stop"]]

    assert (await client.ask(RESUME, scope=scope))["removed"] == answer["stop"]
    assert await reason_of(wallet) is None
    assert (await client.ask(LIST))["stops"] == []


@pytest.mark.parametrize("kind", ["organization", "account", "key", "tag"])
async def test_a_kill_switch_that_revokes_is_final(client: OrgClient, kind: str) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await reason_of(wallet)
    scope = await scope_of(client, wallet, kind)
    await client.ask(STOP, scope=scope)
    await client.ask(STOP, scope=scope, mode="revoke")

    assert await reason_of(wallet) == "session_revoked"
    assert (await client.refusal(RESUME, scope=scope)).reason == "stop_is_final"
    assert (await client.refusal(STOP, scope=scope, mode="pause")).reason == "stop_is_final"
    assert await client.ask(STOP, scope=scope, mode="revoke")
    assert await reason_of(wallet) == "session_revoked"


@pytest.mark.parametrize("kind", ["organization", "account", "key", "tag"])
async def test_a_kill_switch_binds_other_callers_of_its_sessions_and_no_others(client: OrgClient, kind: str) -> None:
    wallet = await open_used_wallet(client)
    other = client.of(OrganizationId(f"org_caller{kind}"))
    scope = await scope_of(client, wallet, kind)
    await client.ask(STOP, scope=scope)
    assert await reason_of(wallet, other, "installed_context") == "session_paused"
    assert await reason_of(wallet, client.without_key(), "installed_context") == "session_paused"
    assert (await other.ask(LIST))["stops"] == []

    await client.ask(RESUME, scope=scope)
    await other.ask(STOP, scope=scope)
    assert await reason_of(wallet) is None, "an organisation does not stop a session that it does not control"


@pytest.mark.parametrize("is_used", [False, True])
async def test_a_tag_stops_a_session_whatever_form_names_it_first(client: OrgClient, is_used: bool) -> None:
    wallet = await open_funded_wallet(client, CHAIN, tags=["payroll"])
    grant, forms = wallet.grants[0], ["grant_context", "permissions"]
    if is_used:
        await wallet.act(CHAIN, grant.grant_context)
        forms.append("installed_context")
    await client.ask(STOP, scope={"tag": "payroll"})
    assert [await reason_of(wallet, form=form) for form in forms] == ["session_paused"] * len(forms)


async def test_a_session_keeps_the_tag_that_it_is_revoked_by(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, tags=["payroll", "other"])
    session = {"sessionId": wallet.grants[0].session_id}
    await client.ask(STOP, scope={"tag": "payroll"})
    assert await client.reason(SET_TAGS, **session, tags=["other"]) is None, "a pause ends with the tag"
    await client.ask(SET_TAGS, **session, tags=["other", "payroll"])
    await client.ask(STOP, scope={"tag": "payroll"}, mode="revoke")

    for tags in ([], ["other"], ["Payroll"]):
        assert (await client.refusal(SET_TAGS, **session, tags=tags)).reason == "stop_is_final"
    assert (await client.ask(SET_TAGS, **session, tags=["payroll"]))["tags"] == ["payroll"]
    assert await reason_of(wallet) == "session_revoked"


async def test_a_switch_that_is_set_while_its_tag_is_removed_holds(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, tags=["payroll"])
    stops = client.ports.store.stops
    read, reads = stops.switches, 0

    async def set_after_the_first_read(organization: OrganizationId | None = None) -> Any:
        nonlocal reads
        found, reads = await read(organization), reads + 1
        if reads == 1:
            await client.ask(STOP, scope={"tag": "payroll"}, mode="revoke")
        return found

    with patch.object(stops, "switches", set_after_the_first_read):
        refused = await client.refusal(SET_TAGS, sessionId=wallet.grants[0].session_id, tags=[])
    assert refused.reason == "stop_is_final"
    assert await reason_of(wallet) == "session_revoked"


async def test_a_caller_without_a_key_does_not_remove_the_tag_that_a_session_is_paused_by(client: OrgClient) -> None:
    anonymous = client.without_key()
    wallet = await open_funded_wallet(anonymous, CHAIN, tags=["payroll", "other"])
    session = {"sessionId": wallet.grants[0].session_id}
    scope = StopScope(kind=ScopeKind.TAG, value="payroll")
    await anonymous.ports.store.stops.set_switch(scope, StopRecord(mode=StopMode.PAUSE, at=0, by="cli"))
    assert (await anonymous.refusal(SET_TAGS, **session, tags=["other"])).reason == "api_key_required"
    assert (await anonymous.ask(SET_TAGS, **session, tags=["payroll"]))["tags"] == ["payroll"]
    assert await reason_of(wallet) == "session_paused"


async def test_a_kill_switch_and_its_end_are_events(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    start = (await client.ports.store.events.read("0-0", limit=1000)).last
    account = {"account": wallet.account}
    await client.ask(STOP, scope={"tag": "payroll"}, mode="revoke")
    assert (await client.refusal(RESUME, scope={"tag": "payroll"})).reason == "stop_is_final"
    await client.ask(STOP, scope=account)
    await client.ask(RESUME, scope=account)
    for action, method in (("pauseAccount", STOP), ("resumeAccount", RESUME)):
        signature = await owner_signature(wallet, action, account=wallet.account, chainId=hex(CHAIN))
        await client.ask(method, scope=account, chainId=hex(CHAIN), ownerSignature=signature)

    logged = [one.event for one in (await client.ports.store.events.read(start, limit=100)).events]

    name = f"account:{wallet.account}"
    assert [(str(one.type), *one.data.values(), one.chain_id) for one in logged] == [
        ("stop.set", "tag:payroll", "revoke", "organization", None),
        ("stop.set", name, "pause", "organization", None),
        ("stop.removed", name, "pause", "organization", None),
        ("stop.set", name, "pause", "owner", CHAIN),
        ("stop.removed", name, "pause", "owner", CHAIN),
    ]


@pytest.mark.parametrize("method", [STOP, RESUME])
async def test_the_chain_of_an_organisations_kill_switch_is_refused(client: OrgClient, method: str) -> None:
    error = await client.refusal(method, scope={"account": FRIEND}, chainId=hex(CHAIN))
    assert (error.reason, error.field) == ("stop_scope", "params.chainId")


async def test_other_scopes_do_not_stop_a_session(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    await client.ports.store.session_index.set_tags(wallet.grants[0].record_id, ["payroll"])
    for scope in ({"account": new_key().address}, {"key": new_key().address}, {"tag": "pay"}):
        await client.ask(STOP, scope=scope)
    assert await reason_of(wallet) is None
    assert len((await client.ask(LIST))["stops"]) == 3


async def test_switches_are_listed_in_pages(client: OrgClient) -> None:
    tags = [f"tag {number}" for number in range(5)]
    for tag in tags:
        await client.ask(STOP, scope={"tag": tag})
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await client.ask(LIST, limit=2, **cursor)
        assert len(page["stops"]) <= 2
        found += [stop["scope"]["tag"] for stop in page["stops"]]
        if "cursor" not in page:
            break
        cursor = {"cursor": page["cursor"]}
    assert found == tags


@pytest.mark.parametrize("scope", [{}, {"organization": True, "tag": "a"}, {"account": FRIEND, "key": FRIEND}])
async def test_a_scope_names_exactly_one_set(client: OrgClient, scope: dict[str, Any]) -> None:
    for method in (STOP, RESUME):
        assert (await client.refusal(method, scope=scope)).reason == "stop_scope"


async def test_a_caller_without_a_key_sets_no_switch(client: OrgClient) -> None:
    anyone = client.without_key()
    for method in (STOP, RESUME):
        error = await anyone.refusal(method, scope={"organization": True})
        assert error.reason == "owner_signature_required"
    assert (await client.refusal(RESUME, scope={"organization": True})).reason == "stop_not_found"


@pytest.mark.parametrize("mode", ["pause", "revoke"])
async def test_the_owner_stops_all_sessions_of_the_account_for_everyone(client: OrgClient, mode: str) -> None:
    wallet = await open_used_wallet(client)
    anyone = client.without_key()
    account = {"account": wallet.account, "chainId": hex(CHAIN)}
    request = {"scope": {"account": wallet.account}, "chainId": hex(CHAIN)}

    signature = await owner_signature(wallet, f"{mode}Account", by=new_key(), **account)
    assert (
        await anyone.refusal(STOP, **request, mode=mode, ownerSignature=signature)
    ).reason == "owner_signature_invalid"
    signature = await owner_signature(wallet, f"{mode}Account", **account)
    await anyone.ask(STOP, **request, mode=mode, ownerSignature=signature)

    refusal = {"pause": "session_paused", "revoke": "session_revoked"}[mode]
    assert {await reason_of(wallet, by, "installed_context") for by in (client, anyone)} == {refusal}
    assert await client.reason("wallet_resumeSession", sessionId=wallet.grants[0].session_id) in {None, refusal}
    assert await reason_of(wallet) == refusal
    assert await wallet.prepare({"to": wallet.owner.address})

    signature = await owner_signature(wallet, "resumeAccount", **account)
    await anyone.ask(RESUME, **request, ownerSignature=signature)
    assert await reason_of(wallet) == (None if mode == "pause" else refusal)


async def test_the_owners_stop_of_the_account_is_listed_and_named(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    anyone = client.without_key()
    owned = {"account": wallet.account, "chainId": hex(CHAIN)}
    request = {"scope": {"account": wallet.account}, "chainId": hex(CHAIN)}

    async def change(method: str, action: str, **fields: str) -> Any:
        return await anyone.ask(
            method, **request, **fields, ownerSignature=await owner_signature(wallet, action, **owned)
        )

    async def read() -> tuple[Any, Any, Any]:
        session = await client.ask("wallet_getSession", sessionId=wallet.grants[0].session_id)
        return session["state"], session.get("pausedBy", []), session.get("stops", [])

    assert await read() == ("installed", [], [])
    paused = (await change(STOP, "pauseAccount"))["stop"]
    assert (paused["scope"], paused["by"], paused["chainId"]) == ({"account": wallet.account}, "owner", hex(CHAIN))
    assert await read() == ("paused", ["owner"], [paused])
    for by in (client, anyone):
        assert (await by.ask(LIST, account=wallet.account))["stops"] == [paused]
        assert (await by.ask(LIST, **owned))["stops"] == [paused]
    assert (await client.ask(REST_LIST, account=wallet.account))["stops"] == [paused]
    assert (await client.ask(REST_LIST, account=wallet.account, chainId=str(CHAIN)))["stops"] == [paused]
    assert (await client.ask(REST_LIST, account=wallet.account, chainId=str(CHAINS[1])))["stops"] == []
    assert await client.reason(REST_LIST, account=wallet.account, chainId="5") == "unsupported_chain"
    assert await client.reason(REST_LIST, chainId=str(CHAIN)) == "stop_scope"
    assert (await client.ask(LIST, account=wallet.account, chainId=hex(CHAINS[1])))["stops"] == []
    assert (await client.ask(LIST, account=FRIEND))["stops"] == []
    assert (await client.ask(LIST))["stops"] == []

    own = (await client.ask(STOP, scope=request["scope"]))["stop"]
    await client.ask("wallet_pauseSession", sessionId=wallet.grants[0].session_id)
    assert await read() == ("paused", ["organization", "owner"], [paused, own])
    first = await client.ask(LIST, account=wallet.account, limit=1)
    second = await client.ask(LIST, account=wallet.account, limit=1, cursor=first["cursor"])
    assert (first["stops"], second["stops"], "cursor" in second) == ([own], [paused], False)
    assert (await anyone.ask(LIST, account=wallet.account))["stops"] == [paused]

    await client.ask(RESUME, scope=request["scope"])
    await client.ask("wallet_resumeSession", sessionId=wallet.grants[0].session_id)
    await change(RESUME, "resumeAccount")
    assert await read() == ("installed", [], [])
    await change(STOP, "revokeAccount", mode="revoke")
    revoked = {"scope": request["scope"], "mode": "revoke", "by": "owner", "chainId": hex(CHAIN)}
    assert await read() == ("revoked", [], [revoked])
    assert (await client.ask(LIST, account=wallet.account))["stops"] == [revoked]


async def test_a_kill_switch_of_another_organisation_is_not_named(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    other = client.of(OrganizationId("org_listing_other"))
    await client.ask(STOP, scope={"key": wallet.key.address})
    named = {"account": wallet.account, "chainId": hex(CHAIN), "entityId": wallet.grants[0].entity_id}
    found = await other.ask("wallet_getSession", **named)
    assert (found["state"], found["pausedBy"], found.get("stops", [])) == ("paused", ["another organization"], [])
    found = await client.ask("wallet_getSession", **named)
    assert (found["pausedBy"], found["stops"]) == (["organization"], (await client.ask(LIST))["stops"])


async def test_a_list_names_the_account_of_a_chain(client: OrgClient) -> None:
    error = await client.refusal(LIST, chainId=hex(CHAIN))
    assert (error.reason, error.field) == ("stop_scope", "params.chainId")
    assert "0x3039" in str(await client.refusal(LIST, account=FRIEND, chainId="0x3039"))

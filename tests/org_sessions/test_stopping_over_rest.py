"""Stops over REST: sessions and groups of an organisation, and its kill switches."""

from __future__ import annotations

from typing import Any

import pytest

from tests.org_sessions.org_client import REVOKE, OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_stopping import PREPARE
from tests.support.constants import CHAINS
from wallet_rpc.domain.access import OrganizationId

PAUSE, RESUME = "pauseOrganizationSession", "resumeOrganizationSession"
SET, LIST, REMOVE = "setOrganizationStop", "listOrganizationStops", "removeOrganizationStop"


async def reasons(wallet: OrgWallet) -> list[str | None]:
    """Return with which reason each session of the wallet is refused."""
    calls = zip(CHAINS, wallet.grants, strict=False)
    return [await wallet.client.reason(PREPARE, **wallet.calls(chain, grant.permissions)) for chain, grant in calls]


async def test_one_session_or_a_whole_group_is_paused_and_resumed(client: OrgClient, wallet: OrgWallet) -> None:
    group = await wallet.register()
    before = await reasons(wallet)
    assert "session_paused" not in before
    first = group["sessions"][0]

    answer = await client.ask(PAUSE, id=first["id"])
    assert [(each["id"], each["state"]) for each in answer["sessions"]] == [(first["id"], "paused")]
    assert await reasons(wallet) == ["session_paused", before[1]]
    answer = await client.ask(PAUSE, id=group["sessionGroupId"])
    assert [each["pausedBy"] for each in answer["sessions"]] == [["organization"]] * 2
    assert await reasons(wallet) == ["session_paused"] * 2

    answer = await client.ask(RESUME, id=group["sessionGroupId"])
    assert [each["state"] for each in answer["sessions"]] == ["active"] * 2
    assert await reasons(wallet) == before


async def test_a_revoked_session_of_a_group_stays_revoked(client: OrgClient, wallet: OrgWallet) -> None:
    group = await wallet.register()
    await client.ask(REVOKE, id=group["sessions"][0]["id"])
    for method in (PAUSE, RESUME):
        error = await client.refusal(method, id=group["sessions"][0]["id"])
        assert (error.status, error.reason) == (409, "session_already_revoked")
        answer = await client.ask(method, id=group["sessionGroupId"])
        assert answer["sessions"][0]["state"] == "revoked"


async def test_a_registered_session_is_controlled_before_its_first_use(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAINS[0])
    await wallet.register()
    await wallet.send(await wallet.prepare({"to": wallet.owner.address}), wallet.owner)  # deploys the account
    await client.ask(SET, scope={"key": wallet.key.address})
    other = client.of(OrganizationId("org_first"))
    assert await other.reason(PREPARE, **wallet.calls(CHAINS[0], wallet.grants[0].grant_context)) == "session_paused"


async def test_kill_switches_are_set_listed_and_removed(client: OrgClient) -> None:
    scopes: list[dict[str, Any]] = [
        {"account": "0x" + "aa" * 20},
        {"key": "0x" + "bb" * 20},
        {"organization": True},
        {"tag": "payroll"},
    ]
    stops = [(await client.ask(SET, scope=scope))["stop"] for scope in scopes]
    assert (await client.ask(LIST))["stops"] == (await client.ask("wallet_listStops"))["stops"] == stops
    for scope, stop in zip(scopes, stops, strict=True):
        query: dict[str, Any] = {"organization": "true"} if "organization" in scope else scope
        assert (await client.ask(REMOVE, **query))["removed"] == stop
        assert (await client.refusal(REMOVE, **query)).reason == "stop_not_found"
    assert (await client.ask(LIST))["stops"] == []


@pytest.mark.parametrize("query", [{}, {"tag": "a", "organization": "true"}])
async def test_a_query_names_exactly_one_scope(client: OrgClient, query: dict[str, str]) -> None:
    assert (await client.refusal(REMOVE, **query)).reason == "stop_scope"

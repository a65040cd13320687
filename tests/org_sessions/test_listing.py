"""Reading registered sessions: pages of active sessions, one session, one group; never the signed grants."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from tests.org_sessions.org_client import GET, LIST, REVOKE, OrgClient, OrgWallet
from tests.support.constants import CHAINS, FRIEND
from tests.support.registration import timestamp_in
from wallet_rpc.domain.access import OrganizationId

GROUP = "sgrp_01ARZ3NDEKTSV4RRFFQ69G5FAV"


async def register_wallet(client: OrgClient, **more: Any) -> tuple[OrgWallet, dict[str, Any]]:
    wallet = await OrgWallet(client).open()
    return wallet, await wallet.register(**more)


async def test_an_empty_list_is_a_page(client: OrgClient) -> None:
    assert await client.ask(LIST) == {"hasMore": False, "items": [], "limit": 20, "offset": 0}


async def test_an_item_has_every_field_but_the_grant(client: OrgClient) -> None:
    wallet, made = await register_wallet(client, workflowId="flow")

    items = (await client.ask(LIST))["items"]

    assert {each["chainId"]: each for each in items} == {
        part["chainId"]: {
            "chainId": part["chainId"],
            "createdAt": made["createdAt"],
            "expiresAt": part["expiresAt"],
            "id": part["id"],
            "policies": {"note": "of the tests"},
            "sessionAddress": wallet.key.address,
            "sessionGroupId": made["sessionGroupId"],
            "walletId": wallet.account_id,
            "workflowId": "flow",
        }
        for part in made["sessions"]
    }


async def test_a_workflow_is_left_out_where_there_is_none(client: OrgClient) -> None:
    await register_wallet(client)

    assert all("workflowId" not in each for each in (await client.ask(LIST))["items"])


async def test_pages_follow_each_other_newest_first(client: OrgClient) -> None:
    groups = []
    for number in range(3):
        client.clock.ahead_seconds = number
        groups.append((await register_wallet(client))[1])
    newest_first = [
        part["id"] for group in reversed(groups) for part in sorted(group["sessions"], key=lambda part: str(part["id"]))
    ]

    whole = await client.ask(LIST, limit="100")
    pages = [await client.ask(LIST, limit="2", offset=str(offset)) for offset in (0, 2, 4, 6)]

    assert [each["id"] for each in whole["items"]] == newest_first
    assert [each for page in pages for each in page["items"]] == whole["items"]
    assert [page["hasMore"] for page in pages] == [True, True, False, False]
    assert (pages[1]["limit"], pages[1]["offset"]) == (2, 2)


@pytest.mark.parametrize("name", ["limit", "offset"])
@pytest.mark.parametrize("value", ["-1", "+1", "1.0", "1e1", " 1", "1 ", "010", "", "0x1", "\u0661", "1_0", "9" * 30])
async def test_limit_and_offset_must_be_plain_digits(client: OrgClient, name: str, value: str) -> None:
    assert (await client.refusal(LIST, **{name: value})).reason == "pagination"


@pytest.mark.parametrize("limit", ["0", "101"])
async def test_a_page_has_one_to_a_hundred(client: OrgClient, limit: str) -> None:
    error = await client.refusal(LIST, limit=limit)

    assert error.reason == "pagination"
    assert [detail["field"] for detail in error.data["details"]] == ["limit"]


async def test_each_filter_returns_only_matching_sessions(client: OrgClient) -> None:
    wallet, made = await register_wallet(client, workflowId="one")
    await register_wallet(client, workflowId="two")
    filters = {
        "walletId": wallet.account_id,
        "sessionAddress": wallet.key.address.lower(),
        "workflowId": "one",
        "sessionGroupId": made["sessionGroupId"],
    }
    for name, value in filters.items():
        items = (await client.ask(LIST, **{name: value}))["items"]
        assert {each["sessionGroupId"] for each in items} == {made["sessionGroupId"]}, name
        assert len(items) == len(CHAINS)
    (on_chain,) = (await client.ask(LIST, **filters, chainId=str(CHAINS[1])))["items"]
    assert on_chain["chainId"] == CHAINS[1]
    assert (await client.ask(LIST, workflowId="three"))["items"] == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("chainId", "0x7a69", "validation"),
        ("chainId", "0", "validation"),
        ("sessionAddress", "0x12", "address_malformed"),
        ("sessionGroupId", "sgrp_1", "validation"),
        ("walletId", "", "malformed"),
        ("workflowId", "w" * 129, "malformed"),
    ],
)
async def test_a_malformed_filter_is_rejected(client: OrgClient, name: str, value: str, reason: str) -> None:
    error = await client.refusal(LIST, **{name: value})

    assert error.reason == reason
    assert [detail["field"] for detail in error.data["details"]] == [name]


async def test_one_session_and_one_group_report_their_status(client: OrgClient) -> None:
    wallet, made = await register_wallet(client, workflowId="flow", expiresAt=timestamp_in(100))
    first, second = (part["id"] for part in made["sessions"])
    item = next(each for each in (await client.ask(LIST))["items"] if each["id"] == first)
    more = {"policies": {"note": "of the tests"}, "workflowId": "flow", "expiresAt": made["sessions"][0]["expiresAt"]}

    assert await client.ask(GET, id=first) == {**item, "account": wallet.account, "status": "active"}
    assert await client.ask(GET, id=made["sessionGroupId"]) == {**made, **more, "status": "active"}

    revocation = await client.ask(REVOKE, id=first)
    assert (await client.ask(GET, id=first))["revokedAt"] == revocation["revokedAt"]
    assert await status(client, first, second, made["sessionGroupId"]) == ["revoked", "active", "active"]
    client.clock.ahead_seconds = 100
    assert await status(client, first, second, made["sessionGroupId"]) == ["revoked", "expired", "expired"]
    assert (await client.ask(LIST))["items"] == []


async def status(client: OrgClient, *ids: str) -> list[str]:
    return [(await client.ask(GET, id=each))["status"] for each in ids]


async def test_no_answer_holds_a_signature(client: OrgClient) -> None:
    wallet, made = await register_wallet(client)

    answers = [
        made,
        await client.ask(LIST),
        await client.ask(GET, id=made["sessionGroupId"]),
        *[await client.ask(GET, id=part["id"]) for part in made["sessions"]],
        await client.ask(REVOKE, id=made["sessionGroupId"]),
    ]

    text = json.dumps(answers)
    assert not any(grant.signature[2:] in text for grant in wallet.grants)


async def test_another_organisation_sees_nothing(client: OrgClient) -> None:
    _, made = await register_wallet(client)
    other = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))

    assert (await other.ask(LIST))["items"] == []
    for name in (made["sessionGroupId"], made["sessions"][0]["id"], GROUP, "0x" + "11" * 16):
        for method in (GET, REVOKE):
            error = await other.refusal(method, id=name)
            assert (error.reason, error.status, error.message) == ("session_not_found", 404, "session not found")
    assert (await client.ask(GET, id=made["sessionGroupId"]))["status"] == "active"


@pytest.mark.parametrize(
    "name", ["", "nonsense", "0x" + "11" * 15, "sgrp_", GROUP.lower(), GROUP + "A", "sgrp_" + "U" * 26]
)
async def test_a_malformed_id_is_rejected(client: OrgClient, name: str) -> None:
    for method in (GET, REVOKE):
        error = await client.refusal(method, id=name)
        assert (error.reason, error.status) == ("validation", 400)
        assert [detail["field"] for detail in error.data["details"]] == ["id"]


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        (LIST, {"chainId": "5"}, "chainId"),
        ("listCreatedSessions", {"chainId": "5"}, "chainId"),
        ("wallet_listSessions", {"chainId": "0x5"}, "params.chainId"),
        ("wallet_getGrantedExecutionPermissions", {"filter": {"chainId": "0x5"}}, "params.filter.chainId"),
        ("wallet_listStops", {"account": FRIEND, "chainId": "0x5"}, "params.chainId"),
    ],
)
async def test_a_list_of_a_chain_that_is_not_configured_is_refused(
    client: OrgClient, method: str, request_: dict[str, Any], field: str
) -> None:
    error = await client.refusal(method, **request_)

    assert (error.code, error.reason, error.field) == (5710, "unsupported_chain", field)
    assert error.text == f"expected a configured chain, one of {', '.join(map(hex, CHAINS))}, got 0x5"

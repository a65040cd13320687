"""Registering sessions: groups, their responses, and the wallet that a request names."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
import uuid
from typing import Any

import pytest

from tests.org_sessions.org_client import CREATE, GET, LIST, OrgClient, OrgWallet
from tests.support.constants import CHAINS, FRIEND, HOUR
from tests.support.registration import timestamp_in
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.times import read_time
from wallet_rpc.primitives import Address


def serialize_as_json(wallet: OrgWallet, number: int, **more: Any) -> str:
    """Return the JSON form of a grant."""
    grant = wallet.grants[number]
    value = {"v": 1, "sessionId": grant.session_id, "signature": grant.signature, **more}
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_two_chains_become_one_group_of_sessions(wallet: OrgWallet) -> None:
    before = int(time.time())
    made = await wallet.register()

    assert set(made) == {"createdAt", "sessionAddress", "sessionGroupId", "sessions", "walletId"}
    assert [(each["chainId"], each["id"]) for each in made["sessions"]] == [
        (grant.chain, grant.session_id) for grant in wallet.grants
    ]
    assert (made["walletId"], made["sessionAddress"]) == (wallet.account_id, wallet.key.address)
    assert before <= read_time(made["createdAt"]) <= time.time()
    assert made["createdAt"].endswith(".000Z")


async def test_the_same_sessions_again_are_the_same_group_unchanged(wallet: OrgWallet) -> None:
    made = await wallet.register(workflowId="flow")
    wallet.client.clock.ahead_seconds = 60
    reversed_installs = list(reversed(wallet.body()["installs"]))

    again = await wallet.register(installs=reversed_installs, policies={"other": 1}, expiresAt=timestamp_in(HOUR // 4))

    assert again == made
    (group,) = {each["sessionGroupId"] for each in (await wallet.client.ask(LIST))["items"]}
    found = await wallet.client.ask(GET, id=group)
    assert (found["policies"], found["workflowId"]) == ({"note": "of the tests"}, "flow")


async def test_equal_concurrent_registrations_all_return_one_group(wallet: OrgWallet) -> None:
    made = await asyncio.gather(*(wallet.register() for _ in range(12)))

    assert all(each == made[0] for each in made)
    assert len((await wallet.client.ask(LIST))["items"]) == len(CHAINS)


@pytest.mark.parametrize("form", ["plain", "with account and chain"])
async def test_a_grant_in_json_is_registered_too(wallet: OrgWallet, form: str) -> None:
    more: dict[str, Any] = {} if form == "plain" else {"account": wallet.account, "chainId": float(CHAINS[0])}
    installs = [{"chainId": float(CHAINS[0]), "serialized": serialize_as_json(wallet, 0, **more)}]

    made = await wallet.register(installs=installs)

    assert [each["id"] for each in made["sessions"]] == [wallet.grants[0].session_id]


async def test_a_session_ends_with_the_request_or_with_its_grant_whichever_is_first(client: OrgClient) -> None:
    now = int(time.time())
    wallet = await OrgWallet(client).open(expirySec=now + 100)
    endless = await OrgWallet(client).open(expirySec=0)

    early = await wallet.register(expiresAt=timestamp_in(HOUR))
    late = await endless.register(expiresAt=timestamp_in(HOUR))

    assert [read_time(each["expiresAt"]) for each in early["sessions"]] == [now + 100] * len(CHAINS)
    assert all(abs(read_time(each["expiresAt"]) - now - HOUR) <= 2 for each in late["sessions"])


async def test_a_registered_session_without_end_is_stored_permanently(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open(expirySec=0)
    store = client.store.for_organization(client.organization)
    location = (Address.parse(wallet.account), CHAINS[0])
    unsigned = store.unsigned_sessions.session_key(*location, wallet.grants[0].record_id)
    link = client.store._link  # only Redis reports the expiry of a key
    assert await link.command("TTL", unsigned) > 0

    await wallet.register()

    assert await link.command("EXISTS", unsigned) == 0
    assert await link.command("TTL", store.sessions.session_key(*location, wallet.grants[0].record_id)) == -1


async def test_policies_are_returned_unchanged(wallet: OrgWallet) -> None:
    policies: dict[str, Any] = {
        "a": None,
        "b": [None, 1.5, -0.0, 10**30, "ß\u0000\U0001f600"],
        "c": {"__proto__": {}},
        "": True,
    }

    await wallet.register(policies=policies)

    items = (await wallet.client.ask(LIST))["items"]
    assert [json.dumps(each["policies"]) for each in items] == [json.dumps(policies)] * len(CHAINS)


async def test_policies_may_repeat_the_permissions_of_the_grant(client: OrgClient) -> None:
    permissions = [
        {"type": "native-token-transfer", "data": {"allowance": "0x0a"}},
        {"type": "contract-access", "data": {"address": FRIEND}},
    ]
    wallet = await OrgWallet(client).open(permissions=permissions)
    respelled = json.loads(json.dumps(permissions).replace("0x0a", "0xA").replace(FRIEND, "0x" + FRIEND[2:].upper()))

    assert await wallet.register(policies={"permissions": respelled, "more": 1})


async def test_a_wallet_is_named_by_its_id_or_by_its_address(client: OrgClient) -> None:
    for name in ("id", "account", "lower"):
        wallet = await OrgWallet(client).open(chains=CHAINS[:1])
        wallet_id = {"id": wallet.account_id, "account": wallet.account, "lower": wallet.account.lower()}[name]
        assert (await wallet.register(walletId=wallet_id))["walletId"] == wallet_id


async def test_of_several_accounts_with_one_id_the_account_of_the_sessions_is_used(client: OrgClient) -> None:
    tag = str(uuid.uuid4())
    wallets = [OrgWallet(client) for _ in range(3)]
    for wallet in wallets:
        await wallet.request_account(id=tag)
        assert wallet.account_id == tag
        wallet.grants = [await wallet.grant_on(CHAINS[0])]

    for wallet in reversed(wallets):
        made = await wallet.register()
        assert (await client.ask(GET, id=made["sessions"][0]["id"]))["account"] == wallet.account


async def test_an_account_that_is_on_chain_need_not_be_recorded(client: OrgClient) -> None:
    elsewhere = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))
    wallet = await OrgWallet(elsewhere).open(chains=CHAINS[:1])
    await wallet.act(CHAINS[0], wallet.grants[0].permissions)  # deploys the account
    wallet.client = client
    wallet.grants = [await wallet.grant_on(CHAINS[0])]

    assert (await client.refusal(CREATE, **wallet.body())).reason == "wallet_not_found"
    made = await wallet.register(walletId=wallet.account)

    assert [each["id"] for each in made["sessions"]] == [wallet.grants[0].session_id]


@pytest.mark.parametrize(
    "name",
    [
        "11111111-2222-4333-8444-555555555555",
        FRIEND,
        "DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy",
        "my wallet",
        "0x000000000000000000000000000000000000000000",
    ],
)
async def test_another_wallet_is_not_found(wallet: OrgWallet, name: str) -> None:
    error = await wallet.client.refusal(CREATE, **wallet.body(walletId=name))

    assert (error.reason, error.status) == ("wallet_not_found", 404)


async def test_a_contract_of_another_kind_is_no_wallet(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open()

    error = await client.refusal(CREATE, **wallet.body(walletId="0x0000000071727De22E5E9d8BAf0edAc6f37da032"))

    assert error.reason == "wallet_not_found"


async def test_sessions_of_another_organisation_cannot_be_registered(wallet: OrgWallet) -> None:
    other = wallet.client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))
    assert (await other.refusal(CREATE, **wallet.body())).reason == "wallet_not_found"

    await other.ask("wallet_requestAccount", signerAddress=wallet.owner.address)
    error = await other.refusal(CREATE, **wallet.body(walletId=wallet.account))

    assert error.reason == "grant_disagrees"
    assert await wallet.register()


async def test_a_registered_session_needs_no_signature_any_more(wallet: OrgWallet) -> None:
    first, second = wallet.grants
    named = {"sessionId": first.session_id}
    assert (await wallet.client.refusal("wallet_prepareCalls", **wallet.calls(first.chain, named))).message == (
        "params.capabilities.permissions.signature: required, but absent"
    )

    await wallet.register()

    call_id = await wallet.act(first.chain, named, value="0x0")
    assert (await wallet.client.ask("wallet_getCallsStatus", callId=call_id))["status"] == 200
    keyed = {
        **wallet.calls(second.chain, {"sessionId": second.session_id}),
        "key": {"type": "secp256k1", "publicKey": wallet.key.address},
    }
    assert (await wallet.client.ask("wallet_prepareCalls", **keyed))["digest"]


async def test_callers_without_a_key_of_that_organisation_must_send_the_signature(wallet: OrgWallet) -> None:
    await wallet.register()
    grant = wallet.grants[0]
    named = {"sessionId": grant.session_id}
    for stranger in (wallet.client.of(OrganizationId("org_other")), wallet.client.without_key()):
        error = await stranger.refusal("wallet_prepareCalls", **wallet.calls(grant.chain, named))
        assert error.message == "params.capabilities.permissions.signature: required, but absent"

"""Rotation of a session's key on chain: the limits and what was spent continue under the new key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_stopping import PAUSE, PREPARE, REVOKE, open_used_wallet, owner_signature
from tests.support.constants import CHAINS, FRIEND
from tests.support.keys import new_key
from tests.support.wallet import AsyncWallet
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.contracts import NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.module_views import encode_limits
from wallet_rpc.domain.session_reference import SessionQuery
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address

CHAIN = CHAINS[0]
ROTATE = "wallet_rotateSessionKey"
LIMITED: list[dict[str, Any]] = [
    {"type": "native-token-transfer", "data": {"allowance": hex(100)}},
    {"type": "contract-access", "data": {"address": FRIEND}},
]


def rotation(wallet: OrgWallet, key: str, **fields: Any) -> dict[str, Any]:
    return {"sessionId": wallet.grants[0].session_id, "newKey": {"type": "secp256k1", "publicKey": key}, **fields}


async def rotate(client: OrgClient, wallet: OrgWallet, key: str) -> dict[str, Any]:
    """Have the owner send the operation, and return the answer of the last request."""
    answer = await client.ask(ROTATE, **rotation(wallet, key))
    assert answer["state"] == "prepared"
    assert await wallet.status(await AsyncWallet.send(wallet, answer["operation"], wallet.owner)) == 200
    final: dict[str, Any] = await client.ask(ROTATE, **rotation(wallet, key))
    return final


async def left_of_native(client: OrgClient, wallet: OrgWallet) -> int:
    data = encode_limits(wallet.grants[0].entity_id, Address.parse(wallet.account))
    return int.from_bytes(await client.ports.chains[CHAIN].node.call(NATIVE_TOKEN_LIMIT_MODULE, data), "big")


async def test_a_new_key_takes_over_with_the_limits_and_what_was_spent(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, permissions=LIMITED)
    grant = wallet.grants[0]
    await wallet.act(CHAIN, grant.permissions, value=hex(30))
    assert await left_of_native(client, wallet) == 70
    old, new = wallet.key, new_key()

    final = await rotate(client, wallet, new.address)

    assert (final["state"], final["currentKey"]) == ("final", new.address)
    assert await left_of_native(client, wallet) == 70
    for form in (grant.permissions, grant.context, grant.installed_context):
        prepared = await client.ask(PREPARE, **wallet.calls(CHAIN, form))
        with pytest.raises(WalletError) as refused:
            await wallet.send(prepared, old, form)
        assert refused.value.reason == "signature_invalid"
    wallet.key = new
    await wallet.act(CHAIN, grant.permissions, value=hex(70))
    assert await left_of_native(client, wallet) == 0
    assert await client.reason(PREPARE, **wallet.calls(CHAIN, grant.permissions, value=hex(1))) is not None


async def test_the_index_and_kill_switches_know_the_new_key(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    grant, old, new = wallet.grants[0], wallet.key, new_key()
    await client.ports.store.session_index.set_tags(grant.record_id, ["payroll"])
    await client.ask("wallet_stopSessions", scope={"key": old.address})
    assert await client.reason(PREPARE, **wallet.calls(CHAIN, grant.permissions)) == "session_paused"

    await rotate(client, wallet, new.address)

    assert await client.reason(PREPARE, **wallet.calls(CHAIN, grant.permissions)) is None
    await client.ask("wallet_stopSessions", scope={"key": new.address})
    assert await client.reason(PREPARE, **wallet.calls(CHAIN, grant.permissions)) == "session_paused"
    index, found = client.ports.store.session_index, []
    for key in (old, new):
        query = SessionQuery(key=Address.parse(key.address))
        page = await index.page(query, now=client.clock.now(), after=b"", limit=9)
        found.append([entry.id for entry in page.sessions])
    assert found == [[], [grant.record_id]]
    assert await index.tags([grant.record_id]) == (("payroll",),)


async def test_a_pending_grant_is_signed_anew(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, permissions=LIMITED)
    old, new = wallet.grants[0], new_key()

    answer = await client.ask(ROTATE, **rotation(wallet, new.address))

    assert (answer["state"], answer["currentKey"]) == ("newGrant", wallet.key.address)
    assert answer["replacement"]["sessionId"] != old.session_id
    replaced = wallet.sign_grant(answer["replacement"], new)
    assert await wallet.status(await AsyncWallet.send(wallet, answer["operation"], wallet.owner)) == 200
    assert await client.reason(PREPARE, **wallet.calls(CHAIN, old.permissions)) == "session_not_on_chain"
    wallet.key = new
    await wallet.act(CHAIN, replaced.permissions, value=hex(100))


async def test_a_grant_that_is_signed_anew_keeps_rules_and_tags(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, tags=["payroll"])
    session = {"account": wallet.account, "chainId": hex(CHAIN), "entityId": wallet.grants[0].entity_id}
    by_owner, own = [[{"type": "calls", "period": period, "limit": 1}] for period in ("day", "total")]
    signature = await owner_signature(wallet, "setRules", rules=by_owner, **session)
    await client.ask("wallet_setSessionRules", rules=by_owner, ownerSignature=signature, **session)
    await client.ask("wallet_setSessionRules", rules=own, **session)
    before = await client.ask("wallet_getSession", **session)

    answer = await client.ask(ROTATE, **rotation(wallet, new_key().address))

    after = await client.ask("wallet_getSession", sessionId=answer["replacement"]["sessionId"])
    assert (after["rules"], after["tags"]) == (before["rules"], ["payroll"])
    assert [each["byOwner"] for each in after["rules"]["rules"]] == [False, True]


@pytest.mark.parametrize("by", ["organization", "another organization", "owner"])
async def test_a_grant_that_is_signed_anew_is_as_paused_as_the_replaced_one(client: OrgClient, by: str) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    grant, new = wallet.grants[0], new_key()
    named = {"account": wallet.account, "chainId": hex(CHAIN)}
    other = client.of(OrganizationId(f"org_pausing_{by[:3]}"))
    await other.rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})
    if by == "owner":
        signature = await owner_signature(wallet, "pause", entityId=grant.entity_id, **named)
        await client.ask(PAUSE, sessionId=grant.session_id, ownerSignature=signature)
    else:
        await (client if by == "organization" else other).ask(PAUSE, **grant.grant_context, **named)

    answer = await client.ask(ROTATE, **rotation(wallet, new.address))

    replaced = wallet.sign_grant(answer["replacement"], new)
    found = await client.ask("wallet_getSession", sessionId=replaced.session_id)
    assert (found["state"], found["pausedBy"]) == ("paused", [by])
    request = wallet.calls(CHAIN, replaced.permissions)
    assert await client.reason(PREPARE, **request) == "session_paused"
    successor = {**named, "entityId": int(replaced.message["nonce"], 16) >> 72 & 0xFFFFFFFF}
    if by == "owner":
        successor["ownerSignature"] = await owner_signature(wallet, "resume", **successor)
    await (other if by == "another organization" else client).ask("wallet_resumeSession", **successor)
    assert await client.reason(PREPARE, **request) is None


async def test_who_controls_a_grant_controls_the_one_that_is_signed_anew(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    other, new = client.of(OrganizationId("org_controlling_too")), new_key()
    await other.rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})
    assert await other.reason(PREPARE, **wallet.calls(CHAIN, wallet.grants[0].grant_context)) is None
    answer = await client.ask(ROTATE, **rotation(wallet, new.address))
    request = wallet.calls(CHAIN, wallet.sign_grant(answer["replacement"], new).permissions)
    assert await client.reason(PREPARE, **request) is None
    await other.ask("wallet_stopSessions", scope={"key": new.address})
    assert await client.reason(PREPARE, **request) == "session_paused"


@pytest.mark.parametrize(
    ("key", "reason"), [("zero", "zero_address"), ("account", "account_as_key")], ids=["zero", "account"]
)
async def test_a_key_that_cannot_sign_does_not_take_over(client: OrgClient, key: str, reason: str) -> None:
    wallet = await open_used_wallet(client)
    value = "0x" + 40 * "0" if key == "zero" else wallet.account
    assert await client.reason(ROTATE, **rotation(wallet, value)) == reason


async def test_a_session_that_is_gone_or_revoked_has_no_new_key(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    revoked = await client.ask(REVOKE, sessionId=wallet.grants[0].session_id)
    assert await client.reason(ROTATE, **rotation(wallet, new_key().address)) == "session_revoked"

    other = await open_used_wallet(client)
    answer = revoked["removal"]
    assert answer["data"]["sender"] == wallet.account
    named = {"account": other.account, "chainId": hex(CHAIN), "entityId": 77}
    fields = {"newKey": {"type": "secp256k1", "publicKey": new_key().address}}
    assert await client.reason(ROTATE, **named, **fields) == "session_not_on_chain"

"""Pause, resumption and revocation of sessions, by organisations and by owners, at the entries of the Wallet API."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.support.constants import CHAINS, HOUR
from tests.support.keys import new_key, sign_request
from wallet_rpc.domain.access import OrganizationId

CHAIN = CHAINS[0]
PAUSE, RESUME, REVOKE = "wallet_pauseSession", "wallet_resumeSession", "wallet_revokeSession"
PREPARE, SEND = "wallet_prepareCalls", "wallet_sendPreparedCalls"


async def open_used_wallet(client: OrgClient, **fields: Any) -> OrgWallet:
    """Return a wallet whose session is installed."""
    wallet = await open_funded_wallet(client, CHAIN, **fields)
    await wallet.act(CHAIN, wallet.grants[0].permissions)
    return wallet


async def owner_signature(wallet: OrgWallet, action: str, by: Any = None, **selector: Any) -> dict[str, Any]:
    """Return the owner's signature of a change."""
    prepared = await wallet.client.ask("wallet_prepareSessionChange", action=action, **selector)
    signature = sign_request(by or wallet.owner, prepared["signatureRequest"])
    return {"nonce": prepared["nonce"], "deadline": prepared["deadline"], "signature": signature}


def name_by_entity(wallet: OrgWallet) -> dict[str, Any]:
    """Name the wallet's session by its entity id."""
    return {"account": wallet.account, "chainId": hex(CHAIN), "entityId": wallet.grants[0].entity_id}


@pytest.mark.parametrize("form", ["permissions", "context", "grant_context", "installed_context"])
async def test_a_paused_session_is_refused_in_every_form_until_it_is_resumed(client: OrgClient, form: str) -> None:
    wallet = await open_used_wallet(client)
    grant = wallet.grants[0]
    request = wallet.calls(CHAIN, getattr(grant, form))
    to_send = wallet.sign(await client.ask(PREPARE, **request), wallet.key, getattr(grant, form))

    answer = await client.ask(PAUSE, sessionId=grant.session_id)

    assert (answer["state"], answer["pausedBy"]) == ("paused", ["organization"])
    for method, body in ((PREPARE, request), (SEND, to_send)):
        error = await client.refusal(method, **body)
        assert (error.code, error.reason) == (4100, "session_paused")
    assert (await client.ask(RESUME, sessionId=grant.session_id))["state"] == "active"
    assert await client.ask(SEND, **to_send)


async def test_a_revoked_session_is_neither_resumed_nor_paused(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    session = {"sessionId": wallet.grants[0].session_id}
    assert (await client.ask(REVOKE, **session))["state"] == "revoked"

    for method in (PAUSE, RESUME):
        assert (await client.refusal(method, **session)).reason == "session_revoked"
    error = await client.refusal(PREPARE, **wallet.calls(CHAIN, wallet.grants[0].permissions))
    assert error.reason == "session_revoked"


async def test_the_owner_may_always_call(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    await client.ask(REVOKE, sessionId=wallet.grants[0].session_id)
    await client.ask("wallet_stopSessions", scope={"organization": True})
    call_id = await wallet.send(await wallet.prepare({"to": wallet.owner.address}), wallet.owner)
    assert await wallet.status(call_id) == 200


async def test_another_organisation_can_neither_name_nor_stop_a_session(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    grant = wallet.grants[0]
    stranger = client.of(OrganizationId("org_stranger"))
    by_entity = name_by_entity(wallet)

    for method in (PAUSE, RESUME, REVOKE):
        assert (await stranger.refusal(method, sessionId=grant.session_id)).reason == "session_not_found"
        assert (await stranger.refusal(method, **by_entity)).reason == "session_not_controlled"
        forged = await owner_signature(wallet, "pause", by=new_key(), **by_entity)
        error = await stranger.refusal(method, **by_entity, ownerSignature=forged)
        assert error.reason == "owner_signature_invalid"
    assert await client.ask(PREPARE, **wallet.calls(CHAIN, grant.permissions))


async def test_an_organisation_that_presents_the_grant_controls_the_session_too(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    grant = wallet.grants[0]
    other = client.of(OrganizationId("org_other"))
    named = {**grant.grant_context, "account": wallet.account, "chainId": hex(CHAIN)}

    assert (await other.ask(PAUSE, **named))["pausedBy"] == ["organization"]
    assert (await client.ask(PAUSE, sessionId=grant.session_id))["pausedBy"] == ["another organization", "organization"]
    assert (await client.ask(RESUME, sessionId=grant.session_id))["pausedBy"] == ["another organization"]
    assert (await client.refusal(PREPARE, **wallet.calls(CHAIN, grant.permissions))).reason == "session_paused"


async def test_the_owner_pauses_without_a_key_and_only_the_owner_resumes(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    grant = wallet.grants[0]
    anyone = client.without_key()
    by_entity = name_by_entity(wallet)
    assert (await anyone.refusal(PAUSE, **by_entity)).reason == "owner_signature_required"

    signature = await owner_signature(wallet, "pause", **by_entity)
    assert (await anyone.ask(PAUSE, **by_entity, ownerSignature=signature))["pausedBy"] == ["owner"]
    assert (await client.ask(RESUME, sessionId=grant.session_id))["state"] == "paused"

    signature = await owner_signature(wallet, "resume", **by_entity)
    assert (await anyone.ask(RESUME, **by_entity, ownerSignature=signature))["state"] == "active"


async def test_a_signed_change_is_accepted_once_and_for_its_own_change_only(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    other = await open_used_wallet(client)
    anyone = client.without_key()
    by_entity = name_by_entity(wallet)
    signature = await owner_signature(wallet, "pause", **by_entity)

    refused = [
        (RESUME, by_entity, signature),
        (REVOKE, by_entity, signature),
        (PAUSE, {**by_entity, "entityId": wallet.grants[0].entity_id + 1}, signature),
        (PAUSE, {**by_entity, "chainId": hex(CHAINS[1])}, signature),
        (PAUSE, {**by_entity, "account": other.account}, signature),
        (PAUSE, by_entity, {**signature, "nonce": "0x1"}),
        (PAUSE, by_entity, {**signature, "deadline": signature["deadline"] + 1}),
    ]
    for method, session, given in refused:
        error = await anyone.refusal(method, **session, ownerSignature=given)
        assert error.reason == "owner_signature_invalid", (method, session)

    assert await anyone.ask(PAUSE, **by_entity, ownerSignature=signature)
    for client_ in (anyone, client):
        assert (await client_.refusal(PAUSE, **by_entity, ownerSignature=signature)).reason == "consent_used"


async def test_a_signed_change_has_an_end(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    by_entity = name_by_entity(wallet)
    signature = await owner_signature(wallet, "pause", **by_entity)
    late = client.at(signature["deadline"] + 1)
    assert (await late.refusal(PAUSE, **by_entity, ownerSignature=signature)).reason == "consent_expired"
    assert await client.at(signature["deadline"]).ask(PAUSE, **by_entity, ownerSignature=signature)
    far = int(time.time()) + 25 * HOUR
    error = await client.refusal("wallet_prepareSessionChange", action="pause", **by_entity, deadline=far)
    assert error.reason == "consent_deadline"


async def test_the_session_key_may_revoke_itself_and_nothing_else(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    anyone = client.without_key()
    by_entity = name_by_entity(wallet)
    for action, method in (("pause", PAUSE), ("resume", RESUME)):
        signature = await owner_signature(wallet, action, by=wallet.key, **by_entity)
        error = await anyone.refusal(method, **by_entity, ownerSignature=signature)
        assert error.reason == "owner_signature_invalid"
    signature = await owner_signature(wallet, "revoke", by=wallet.key, **by_entity)
    assert (await anyone.ask(REVOKE, **by_entity, ownerSignature=signature))["state"] == "revoked"


async def test_a_revocation_is_the_status_of_a_registered_session(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    await wallet.register()
    grant = wallet.grants[0]
    await client.ask(REVOKE, sessionId=grant.session_id)
    assert (await client.ask("getOrganizationSession", id=grant.session_id))["status"] == "revoked"


async def test_each_change_is_on_the_audit_log(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    grant = wallet.grants[0]
    by_entity = name_by_entity(wallet)
    for method in (PAUSE, RESUME):
        await client.ask(method, sessionId=grant.session_id)
    signature = await owner_signature(wallet, "pause", **by_entity)
    await client.ask(PAUSE, **by_entity, ownerSignature=signature)
    await client.ask("wallet_stopSessions", scope={"tag": "a"})
    await client.ask("wallet_resumeSessions", scope={"tag": "a"})
    await client.ask(REVOKE, sessionId=grant.session_id)

    audit = client.store.for_organization(client.organization).audit
    events = [entry.event for entry in await audit.entries(0, 99)]
    stops = [(each.kind.value, each.facts.get("by"), each.facts.get("scope")) for each in events]
    assert [each for each in stops if each[0] not in {"grant.requested", "call.sent", "denied"}] == [
        ("session.paused", "organization", None),
        ("session.resumed", "organization", None),
        ("session.paused", "owner", None),
        ("stop.set", None, "tag:a"),
        ("stop.removed", None, "tag:a"),
        ("grant.revoked", "organization", None),
    ]
    assert {each.actor for each in events} == {client.ports.caller.name}


@pytest.mark.parametrize("context", ["0x", "0xff", "0x00"])
async def test_an_error_names_the_permission_context(client: OrgClient, context: str) -> None:
    error = await client.refusal("wallet_revokeExecutionPermission", permissionContext=context)
    assert (error.reason, error.field) == ("context_malformed", "params.permissionContext")

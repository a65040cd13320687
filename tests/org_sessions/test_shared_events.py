"""Events of a change in the log of each organisation that controls the session, wherever the change was made."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_rotating import rotate
from tests.org_sessions.test_stopping import (
    CHAIN,
    PAUSE,
    RESUME,
    REVOKE,
    name_by_entity,
    open_used_wallet,
    owner_signature,
)
from tests.support.keys import new_key
from tests.support.wallet import AsyncWallet
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.event import Event
from wallet_rpc.ports.events import FIRST_EVENT

RULES: list[dict[str, Any]] = [{"type": "calls", "period": "day", "limit": 3}]
BY_OTHER = {"by": "another organization"}


@dataclass
class Parties:
    """A session that two organisations control, and one that controls none."""

    wallet: OrgWallet
    creator: OrgClient
    holder: OrgClient
    """The organisation to which the owner's grant was presented as a context."""
    stranger: OrgClient

    @property
    def entity(self) -> dict[str, Any]:
        return name_by_entity(self.wallet)

    @property
    def entity_id(self) -> dict[str, Any]:
        return {"entityId": self.wallet.grants[0].entity_id}

    async def read_changes(self, client: OrgClient, subject: str) -> list[Event]:
        page = await client.ports.store.events.read(FIRST_EVENT, limit=100)
        return [each.event for each in page.events if str(each.event.type).partition(".")[0] in subject.split()]


@pytest.fixture
async def parties(client: OrgClient) -> Parties:
    wallet = await open_used_wallet(client)
    holder, stranger = (client.of(OrganizationId(f"org_{secrets.token_hex(10)}")) for _ in range(2))
    named = {"account": wallet.account, "chainId": hex(CHAIN), **wallet.grants[0].grant_context}
    for method in (PAUSE, RESUME):
        await holder.ask(method, **named)
    return Parties(wallet, client, holder, stranger)


@pytest.mark.parametrize(
    ("method", "action", "kind"),
    [
        (PAUSE, "pause", "session.paused"),
        (RESUME, "resume", "session.resumed"),
        (REVOKE, "revoke", "session.revoked"),
    ],
)
async def test_each_controlling_organization_has_the_event_of_a_change_that_the_owner_signed_elsewhere(
    parties: Parties, method: str, action: str, kind: str
) -> None:
    signature = await owner_signature(parties.wallet, action, **parties.entity)

    await parties.stranger.ask(method, ownerSignature=signature, **parties.entity)

    for client, session_id in ((parties.creator, parties.wallet.grants[0].record_id), (parties.holder, None)):
        last = (await parties.read_changes(client, "session"))[-1]
        assert (last.type, last.session_id) == (kind, session_id)
        assert (str(last.account), last.chain_id) == (parties.wallet.account, CHAIN)
        assert (last.data, last.is_certain) == ({**parties.entity_id, "by": "owner"}, True)
    assert [each.type for each in await parties.read_changes(parties.stranger, "session")] == [kind]


async def test_a_change_by_another_organization_names_none(parties: Parties) -> None:
    before = len(await parties.read_changes(parties.creator, "session"))
    await parties.holder.ask(PAUSE, **parties.entity)
    await parties.holder.ask(RESUME, **parties.entity)
    await parties.holder.ask(REVOKE, **parties.entity)

    found = (await parties.read_changes(parties.creator, "session"))[before:]
    assert [each.type for each in found] == ["session.paused", "session.resumed", "session.revoked"]
    assert all(each.data == {**parties.entity_id, **BY_OTHER} for each in found)
    assert all(each.session_id == parties.wallet.grants[0].record_id for each in found)
    own = (await parties.read_changes(parties.holder, "session"))[-1]
    assert own.data["by"] == "organization"


async def test_the_revocation_of_a_registered_session_is_logged_for_the_others(parties: Parties) -> None:
    group = await parties.wallet.register()
    await parties.creator.ask("revokeOrganizationSession", id=group["sessionGroupId"])

    last = (await parties.read_changes(parties.holder, "session"))[-1]
    assert (last.type, last.session_id, last.data) == ("session.revoked", None, {**parties.entity_id, **BY_OTHER})


async def test_an_event_of_rules_has_their_number_only_if_the_owner_set_them(parties: Parties) -> None:
    signature = await owner_signature(parties.wallet, "setRules", rules=RULES, **parties.entity)
    await parties.stranger.ask("wallet_setSessionRules", rules=RULES, ownerSignature=signature, **parties.entity)
    await parties.holder.ask("wallet_setSessionRules", rules=RULES * 2, **parties.entity)

    by_owner, by_other = await parties.read_changes(parties.creator, "rule")
    assert by_owner.data == {**parties.entity_id, "rules": 1, "byOwner": True}
    assert by_other.data == {**parties.entity_id, "byOwner": False}
    assert [each.data["rules"] for each in await parties.read_changes(parties.holder, "rule")] == [1, 2]


async def test_a_stop_of_the_account_is_logged_once_for_each_organization_of_its_sessions(parties: Parties) -> None:
    scope = {"scope": {"account": parties.wallet.account}, "chainId": hex(CHAIN)}
    account = {"account": parties.wallet.account, "chainId": hex(CHAIN)}
    for method, action in (("wallet_stopSessions", "pauseAccount"), ("wallet_resumeSessions", "resumeAccount")):
        signature = await owner_signature(parties.wallet, action, **account)
        await parties.stranger.ask(method, ownerSignature=signature, **scope)

    for client in (parties.creator, parties.holder, parties.stranger):
        found = await parties.read_changes(client, "stop")
        assert [each.type for each in found] == ["stop.set", "stop.removed"]
        assert all((str(each.account), each.session_id) == (parties.wallet.account, None) for each in found)
        assert all((each.data["by"], each.data["mode"]) == ("owner", "pause") for each in found)


async def test_a_new_key_and_a_removal_are_logged_once(parties: Parties) -> None:
    old, key = parties.wallet.key.address, new_key().address
    await rotate(parties.creator, parties.wallet, key)
    for client in (parties.holder, parties.creator, parties.holder):
        answer = await client.ask(
            "wallet_rotateSessionKey", newKey={"type": "secp256k1", "publicKey": key}, **parties.entity
        )
        assert answer["state"] == "final"
    removal = (await parties.holder.ask(REVOKE, **parties.entity))["removal"]
    status = await AsyncWallet.send(parties.wallet, removal, parties.wallet.owner)
    assert await parties.wallet.status(status) == 200
    named = {"account": parties.wallet.account, "chainId": hex(CHAIN), **parties.wallet.grants[0].grant_context}
    for client in (parties.creator, parties.holder):
        assert (await client.ask(REVOKE, **(parties.entity if client is parties.creator else named)))["onChain"]

    for client in (parties.creator, parties.holder):
        found = [
            (each.type, each.data)
            for each in await parties.read_changes(client, "session")
            if each.type in {"session.rotated", "session.removed"}
        ]
        facts = {**parties.entity_id, "key": key, "previousKey": old}
        assert found == [("session.rotated", facts), ("session.removed", parties.entity_id)]


async def test_a_change_that_fails_is_logged_nowhere(parties: Parties) -> None:
    await parties.holder.ask(REVOKE, **parties.entity)
    before = len(await parties.read_changes(parties.creator, "session"))

    assert await parties.holder.reason(PAUSE, **parties.entity) == "session_revoked"

    assert len(await parties.read_changes(parties.creator, "session")) == before


async def test_the_creator_of_an_unused_session_has_the_event_too(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    unused = await wallet.grant_on(CHAIN)
    stranger = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))
    entity = {**name_by_entity(wallet), "entityId": unused.entity_id}
    signature = await owner_signature(wallet, "revoke", **entity)

    await client.without_key().ask(REVOKE, ownerSignature=signature, **entity)

    page = await client.ports.store.events.read(FIRST_EVENT, limit=100)
    last = page.events[-1].event
    assert (last.type, last.session_id, last.data["by"]) == ("session.revoked", unused.record_id, "owner")
    assert (await stranger.ports.store.events.read(FIRST_EVENT, limit=9)).events == ()


async def test_the_creator_of_an_unused_session_has_the_event_of_a_stop_of_the_account(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    anyone = client.without_key()
    await anyone.rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})
    account = {"account": wallet.account, "chainId": hex(CHAIN)}
    signature = await owner_signature(replace(wallet, client=anyone), "pauseAccount", **account)
    scope = {"scope": {"account": wallet.account}, "chainId": hex(CHAIN)}

    await anyone.ask("wallet_stopSessions", ownerSignature=signature, **scope)

    last = (await client.ports.store.events.read(FIRST_EVENT, limit=100)).events[-1].event
    assert (last.type, str(last.account), last.data["by"]) == ("stop.set", wallet.account, "owner")

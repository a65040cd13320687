"""Sessions whose rules were deleted before the owner's signature came: denied at every entry, never unbounded."""

from __future__ import annotations

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet
from tests.rules.ruled import CHAIN, PREPARE, SET_RULES, act, denial, open_ruled, owner_signature, pay, prepare
from tests.rules.test_entries import DAILY, FORMS, sign_raw, try_send
from tests.support.constants import ENTRY_POINT
from wallet_rpc.adapters.redis_rules import RedisRules
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address, EntityId
from wallet_rpc.services import raw_operations

PERMANENT = -1
"""The time to live of a key that Redis keeps."""


def rules_of(wallet: OrgWallet) -> tuple[RedisRules, SessionReference]:
    """Return the storage of the rules, and the wallet's session."""
    rules = wallet.client.ports.store.rules
    assert isinstance(rules, RedisRules)
    entity_id = EntityId(wallet.grants[0].entity_id)
    return rules, SessionReference(account=Address.parse(wallet.account), chain_id=CHAIN, entity_id=entity_id)


async def read_lifetime(wallet: OrgWallet) -> int:
    """Return the seconds for which the rules are stored from now on."""
    rules, session = rules_of(wallet)
    return int(await rules._link.command("TTL", rules.rules_key(session)))


@pytest.mark.parametrize("form", ["permissions", "context", "grant_context"])
async def test_the_owners_signature_keeps_rules_that_a_caller_without_key_left(client: OrgClient, form: str) -> None:
    wallet = await open_ruled(client.without_key(), DAILY, expirySec=0)
    assert 0 < await read_lifetime(wallet) <= client.ports.rules.unsigned_seconds
    forged = wallet.grants[0].signature[:-4] + "001b"
    named = {"sessionId": wallet.grants[0].session_id, "signature": forged}
    assert await wallet.client.reason(PREPARE, **wallet.calls(CHAIN, named)) == "session_signature_invalid"
    assert await read_lifetime(wallet) != PERMANENT

    presenter = client.of(OrganizationId("org_presenter")) if form == "grant_context" else wallet.client
    await presenter.rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})
    await prepare(wallet, pay(1), client=presenter, form=form)
    assert await read_lifetime(wallet) == PERMANENT


async def test_rules_that_the_creator_sets_before_the_signature_are_kept_by_it_too(client: OrgClient) -> None:
    wallet = await open_ruled(client, expirySec=0)
    rules, session = rules_of(wallet)
    named = {"sessionId": wallet.grants[0].session_id}
    for given in ([DAILY], [], [DAILY]):
        await client.ask(SET_RULES, **named, rules=given)
        assert not await rules.is_forgotten(session)
    assert 0 < await read_lifetime(wallet) <= client.ports.rules.unsigned_seconds
    await prepare(wallet, pay(1))
    assert await read_lifetime(wallet) == PERMANENT

    for organization in (client.organization, OrganizationId("org_presenter")):
        signed, presenter = await open_ruled(client, expirySec=0), client.of(organization)
        await presenter.rpc("wallet_requestAccount", {"signerAddress": signed.owner.address})
        await prepare(signed, pay(1), client=presenter, form="grant_context")
        await client.ask(SET_RULES, sessionId=signed.grants[0].session_id, rules=[DAILY])
        assert await read_lifetime(signed) == PERMANENT


async def test_a_session_whose_rules_were_deleted_unsigned_is_denied(client: OrgClient) -> None:
    wallet = await open_ruled(client, DAILY)
    assert await act(wallet, pay(1)) == 200
    prepared = await prepare(wallet, pay(2))
    signed = wallet.sign(prepared, wallet.key, wallet.grants[0].permissions)
    raw = [await sign_raw(wallet, pay(2)), ENTRY_POINT]
    rules, session = rules_of(wallet)
    await rules._link.command("DEL", rules.rules_key(session))
    await rules._link.command("SADD", rules.forgotten_key(session), session.entity_id)

    assert {(await denial(wallet, pay(1), form=form)).reason for form in FORMS} == {"rules_forgotten"}
    assert await try_send(wallet, signed) == "rules_forgotten"
    with pytest.raises(WalletError) as denied:
        await raw_operations.send_raw_operation(client.without_key().ports, CHAIN, raw)
    assert denied.value.reason == "rules_forgotten"
    session_id = wallet.grants[0].session_id
    assert await client.reason(SET_RULES, sessionId=session_id, rules=[]) == "rules_forgotten"
    signature = await owner_signature(wallet, "setRules", rules=[DAILY])
    await client.ask(SET_RULES, sessionId=session_id, rules=[DAILY], ownerSignature=signature)
    assert await act(wallet, pay(2)) == 200

"""Submission tickets over real HTTP and chains: every form that can be sent, and what a token cannot send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.client import FRIEND, RpcError, Wallet, new_key
from tests.e2e.delegating import DELEGATE_V1_1
from tests.e2e.standards import Json, ask, keyed_request, raw
from tests.tenants.holding import TOKEN_SIGNER, a_wallet, an_external, by_key, expire, token_client, with_token
from tests.tenants.tenant import Tenant
from wallet_rpc.domain.access import Scope
from wallet_rpc.domain.authorization import Authorization
from wallet_rpc.primitives import Address

SEND = "wallet_sendPreparedCalls"
REQUIRED = (403, "submission_ticket_required")
INVALID = (403, "submission_ticket_invalid")
EXPIRED = (403, "submission_ticket_expired")


def with_ticket(signed: Json, prepared: Json) -> Json:
    return {**signed, "submissionTicket": prepared["submissionTicket"]}


def keyed_send(prepared: Json, wallet: Wallet, **more: Any) -> Json:
    signature = raw(wallet.owner, prepared["digest"])
    return {"context": prepared["context"], "key": prepared["key"], "signature": signature, **more}


def test_a_token_sends_what_was_built_for_it_once(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared = wallet.prepare({"to": FRIEND})
    signed = wallet.sign(prepared, wallet.owner, None)

    without = page.refusal(SEND, signed)
    sent = [ask(page, SEND, with_ticket(signed, prepared)) for _ in range(2)]
    inside = {"capabilities": {"submissionTicket": prepared["submissionTicket"]}}
    sent.append(ask(page, SEND, {**signed, **inside}))

    assert without == REQUIRED
    assert len({one["id"] for one in sent}) == 1
    assert wallet.wait_until_final(sent[0]["id"])["status"] == 200


def test_the_ticket_of_the_request_wins_over_that_of_its_capabilities(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared = wallet.prepare({"to": FRIEND})
    signed = with_ticket(wallet.sign(prepared, wallet.owner, None), prepared)

    wrong_inside = {**signed, "capabilities": {"submissionTicket": "wrong"}}
    wrong_outside = {**signed, "capabilities": {"submissionTicket": prepared["submissionTicket"]}}

    assert page.refusal(SEND, {**wrong_outside, "submissionTicket": ""}) == INVALID
    assert ask(page, SEND, wrong_inside)["id"]


def test_an_array_has_one_ticket_which_covers_it(tenant: Tenant) -> None:
    account, page = with_token(an_external(tenant), tenant)
    prepared = account.prepare({"to": FRIEND, "value": "0x1"})
    signed = account.sign_array(prepared)

    assert prepared["type"] == "array"
    assert not any("submissionTicket" in part for part in prepared["data"])
    assert page.refusal(SEND, signed) == REQUIRED
    sent = ask(page, SEND, with_ticket(signed, prepared))
    assert account.wait_until_final(sent["id"])["status"] == 200


def test_a_ticket_without_an_authorization_sends_none(tenant: Tenant) -> None:
    owned = an_external(tenant)
    assert owned.delegate()["status"] == 200
    account, page = with_token(owned, tenant)
    prepared = account.prepare({"to": FRIEND}, gasParamsOverride={"preVerificationGas": hex(100_000)})
    authorization = {
        "type": "authorization",
        "data": {"address": DELEGATE_V1_1, "nonce": hex(owned.count())},
        "chainId": account.chain_id,
    }
    digest = Authorization(31337, Address.parse(DELEGATE_V1_1), owned.count()).digest
    forged = account.sign_authorization({**authorization, "signatureRequest": {"rawPayload": digest.hex0x()}})
    array = {"type": "array", "data": [forged, account.sign(prepared, account.owner, None)]}

    assert page.refusal(SEND, with_ticket(array, prepared)) == INVALID
    assert not owned.is_delegated_to(DELEGATE_V1_1)


def test_a_removal_of_a_delegation_needs_its_own_ticket(tenant: Tenant) -> None:
    kept = an_external(tenant)
    assert kept.delegate()["status"] == 200
    account, page = with_token(kept, tenant)
    call, removal = account.prepare({"to": FRIEND}), account.prepare_removal()
    signed = account.sign_authorization(removal)

    assert page.refusal(SEND, signed) == REQUIRED
    assert page.refusal(SEND, with_ticket(signed, call)) == INVALID
    sent = [ask(page, SEND, with_ticket(signed, removal)) for _ in range(2)]
    assert sent[0]["id"] == sent[1]["id"]
    assert account.wait_until_final(sent[0]["id"])["status"] == 200
    assert kept.code() == "0x"


def test_a_removal_in_the_keyed_form_carries_its_ticket(tenant: Tenant) -> None:
    kept = an_external(tenant)
    assert kept.delegate()["status"] == 200
    account, page = with_token(kept, tenant)
    zero = {"delegation": "0x" + "00" * 20}
    request = keyed_request(account, account.owner, eip7702Auth=zero)

    prepared = ask(page, "wallet_prepareCalls", request)
    (sent,) = ask(page, SEND, keyed_send(prepared, account))

    assert "submissionTicket" in prepared
    assert account.wait_until_final(sent["id"])["status"] == 200


def test_a_context_carries_its_ticket(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared, other = (
        ask(page, "wallet_prepareCalls", keyed_request(wallet, wallet.owner, {"to": FRIEND, "value": value}))
        for value in ("0x0", "0x1")
    )
    unticketed = ask(by_key(tenant), "wallet_prepareCalls", keyed_request(wallet, wallet.owner, {"to": FRIEND}))

    assert "submissionTicket" not in unticketed
    assert page.refusal(SEND, keyed_send(unticketed, wallet)) == REQUIRED
    assert page.refusal(SEND, keyed_send(prepared, wallet, submissionTicket="")) == INVALID
    of_other = {"submissionTicket": other["submissionTicket"]}
    assert page.refusal(SEND, keyed_send(prepared, wallet, **of_other)) == INVALID
    assert page.refusal(SEND, keyed_send(prepared, wallet, capabilities=of_other)) == INVALID
    own = {"submissionTicket": prepared["submissionTicket"]}
    sent = [
        ask(page, SEND, keyed_send(prepared, wallet, **more))
        for more in ({}, own, {"capabilities": own}, {**own, "capabilities": of_other})
    ]
    assert len({one[0]["id"] for one in sent}) == 1


def test_a_session_sends_under_its_own_ticket(tenant: Tenant) -> None:
    kept = a_wallet(tenant)
    grant, other = kept.grant({"type": "root"}), kept.grant({"type": "root"})
    wallet, page = with_token(kept, tenant)
    prepared = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    signed = with_ticket(wallet.sign(prepared, grant.key, grant.permissions), prepared)

    for permissions in (other.permissions, other.context, None):
        capabilities = {} if permissions is None else {"permissions": permissions}
        assert page.refusal(SEND, {**signed, "capabilities": capabilities}) == INVALID
    sent = [
        ask(page, SEND, {**signed, "capabilities": {"permissions": permissions}})
        for permissions in (grant.context, grant.permissions)
    ]
    assert sent[0]["id"] == sent[1]["id"]
    assert wallet.wait_until_final(sent[0]["id"])["status"] == 200


def test_a_ticket_is_for_nothing_but_what_was_built(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    mine, other = wallet.prepare({"to": FRIEND}), wallet.prepare({"to": FRIEND, "value": "0x1"})
    ticket = mine["submissionTicket"]
    dearer = {**mine, "data": {**mine["data"], "maxFeePerGas": "0x1"}}
    elsewhere = {**mine, "chainId": "0x66eee"}
    payload, _, seal = ticket.partition(".")

    for signed in (
        with_ticket(wallet.sign(mine, wallet.owner, None), other),
        with_ticket(wallet.sign(dearer, wallet.owner, None), mine),
        with_ticket(wallet.sign(elsewhere, wallet.owner, None), mine),
        *(
            {**wallet.sign(mine, wallet.owner, None), "submissionTicket": wrong}
            for wrong in ("", "x", payload, f"{payload}.{seal[::-1]}", f"{payload}x.{seal}", ticket + "=", ticket * 99)
        ),
    ):
        assert page.refusal(SEND, signed) == INVALID
    read = TOKEN_SIGNER.read_ticket(ticket)
    for changed in (replace(read, chain_id=421614), replace(read, wallet=read.wallet.parse(FRIEND))):
        signed = {**wallet.sign(mine, wallet.owner, None), "submissionTicket": TOKEN_SIGNER.sign_ticket(changed)}
        assert page.refusal(SEND, signed) == INVALID
    with pytest.raises(RpcError, match="account signature"):  # a ticket does not stand for the signature
        ask(page, SEND, with_ticket(wallet.sign(mine, new_key(), None), mine))


def test_an_old_ticket_repeats_what_was_sent_and_sends_nothing_new(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared = wallet.prepare({"to": FRIEND})
    signed = wallet.sign(prepared, wallet.owner, None)
    old = {**signed, "submissionTicket": expire(prepared["submissionTicket"])}

    before = page.refusal(SEND, old)
    sent = ask(page, SEND, with_ticket(signed, prepared))
    pending = ask(page, SEND, old)
    assert wallet.wait_until_final(sent["id"])["status"] == 200
    landed = ask(page, SEND, old)

    assert before == EXPIRED
    assert sent["id"] == pending["id"] == landed["id"]


def test_an_old_ticket_repeats_a_removal_that_was_sent(tenant: Tenant) -> None:
    kept = an_external(tenant)
    assert kept.delegate()["status"] == 200
    account, page = with_token(kept, tenant)
    removal = account.prepare_removal()
    signed = account.sign_authorization(removal)
    old = {**signed, "submissionTicket": expire(removal["submissionTicket"])}

    assert page.refusal(SEND, old) == EXPIRED
    sent = ask(page, SEND, with_ticket(signed, removal))
    assert ask(page, SEND, old)["id"] == sent["id"]


def test_a_key_gets_no_ticket_and_needs_none(tenant: Tenant) -> None:
    wallet = a_wallet(tenant)
    prepared = wallet.prepare({"to": FRIEND})  # held to the hosted service's schema
    signed = wallet.sign(prepared, wallet.owner, None)

    assert "submissionTicket" not in prepared
    for ticket in ("wrong", None, ""):
        assert ask(wallet.client, SEND, {**signed, "submissionTicket": ticket})["id"]


def test_an_estimate_has_no_ticket(tenant: Tenant) -> None:
    wallet, _ = with_token(a_wallet(tenant), tenant)
    policy = {"policyId": "11111111-2222-4333-8444-555555555555", "onlyEstimation": True}
    assert "submissionTicket" not in wallet.prepare({"to": FRIEND}, paymasterService=policy)


def test_a_token_that_only_submits_sends_only_what_was_built_here(tenant: Tenant) -> None:
    """Whatever the owner signs elsewhere, on a page that a stranger controls, does not leave by this server."""
    wallet = a_wallet(tenant)
    elsewhere = wallet.prepare({"to": FRIEND, "value": "0x1"})
    signed = wallet.sign(elsewhere, wallet.owner, None)
    page = token_client(tenant, wallet.owner.address, Scope.TRANSACTIONS_SUBMIT)

    assert page.refusal("wallet_prepareCalls", {}) == (403, "insufficient_scope")
    assert page.refusal(SEND, signed) == REQUIRED


def test_a_missing_ticket_in_a_batch_is_that_entrys_alone(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared = wallet.prepare({"to": FRIEND})
    signed = wallet.sign(prepared, wallet.owner, None)
    batch = [
        {"jsonrpc": "2.0", "id": number, "method": SEND, "params": [params]}
        for number, params in enumerate([signed, with_ticket(signed, prepared)])
    ]

    answer = page.http.post(page.url, json=batch, headers=page.headers)

    assert answer.status_code == 200
    refused, sent = sorted(answer.json(), key=lambda one: int(one["id"]))
    assert (refused["error"]["code"], refused["error"]["data"]["statusCode"]) == (4100, 403)
    assert sent["result"]["id"]

"""Submission tickets over real HTTP and chains: every form that can be sent, and requests that a token cannot send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.delegating import DELEGATE_V1_1
from tests.e2e.standards import Json, ask, keyed_request
from tests.support.constants import FRIEND, POLICY
from tests.support.keys import new_key, sign_digest
from tests.support.rpc_client import RpcError
from tests.support.wallet import Wallet
from tests.tenants.holding import TOKEN_SIGNER, a_wallet, an_external, expire, token_client, with_token
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
    signature = sign_digest(wallet.owner, prepared["digest"])
    return {"context": prepared["context"], "key": prepared["key"], "signature": signature, **more}


def test_a_token_sends_its_prepared_operation_once(tenant: Tenant) -> None:
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


def test_the_ticket_of_the_request_takes_precedence_over_its_capabilities(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared = wallet.prepare({"to": FRIEND})
    signed = with_ticket(wallet.sign(prepared, wallet.owner, None), prepared)

    bad_in_capabilities = {**signed, "capabilities": {"submissionTicket": "wrong"}}
    good_in_capabilities = {**signed, "capabilities": {"submissionTicket": prepared["submissionTicket"]}}

    assert page.refusal(SEND, {**good_in_capabilities, "submissionTicket": ""}) == INVALID
    assert ask(page, SEND, bad_in_capabilities)["id"]


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
    external = an_external(tenant)
    assert external.delegate()["status"] == 200
    account, page = with_token(external, tenant)
    prepared = account.prepare({"to": FRIEND}, gasParamsOverride={"preVerificationGas": hex(100_000)})
    authorization = {
        "type": "authorization",
        "data": {"address": DELEGATE_V1_1, "nonce": hex(external.count())},
        "chainId": account.chain_id,
    }
    digest = Authorization(31337, Address.parse(DELEGATE_V1_1), external.count()).digest
    forged = account.sign_authorization({**authorization, "signatureRequest": {"rawPayload": digest.hex0x()}})
    array = {"type": "array", "data": [forged, account.sign(prepared, account.owner, None)]}

    assert page.refusal(SEND, with_ticket(array, prepared)) == INVALID
    assert not external.is_delegated_to(DELEGATE_V1_1)


def test_a_removal_of_a_delegation_needs_its_own_ticket(tenant: Tenant) -> None:
    external = an_external(tenant)
    assert external.delegate()["status"] == 200
    account, page = with_token(external, tenant)
    call = account.prepare({"to": FRIEND})
    removal = account.prepare_removal()
    signed = account.sign_authorization(removal)

    assert page.refusal(SEND, signed) == REQUIRED
    assert page.refusal(SEND, with_ticket(signed, call)) == INVALID
    sent = [ask(page, SEND, with_ticket(signed, removal)) for _ in range(2)]
    assert sent[0]["id"] == sent[1]["id"]
    assert account.wait_until_final(sent[0]["id"])["status"] == 200
    assert external.code() == "0x"


def test_a_removal_in_the_keyed_form_carries_its_ticket(tenant: Tenant) -> None:
    external = an_external(tenant)
    assert external.delegate()["status"] == 200
    account, page = with_token(external, tenant)
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
    unticketed = ask(tenant.client(), "wallet_prepareCalls", keyed_request(wallet, wallet.owner, {"to": FRIEND}))

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
    granting = a_wallet(tenant)
    grant = granting.grant({"type": "root"})
    other = granting.grant({"type": "root"})
    wallet, page = with_token(granting, tenant)
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


def test_a_ticket_is_valid_for_its_own_operation_only(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    own = wallet.prepare({"to": FRIEND})
    other = wallet.prepare({"to": FRIEND, "value": "0x1"})
    ticket = own["submissionTicket"]
    repriced = {**own, "data": {**own["data"], "maxFeePerGas": "0x1"}}
    elsewhere = {**own, "chainId": "0x66eee"}
    payload, _, signature = ticket.partition(".")

    for signed in (
        with_ticket(wallet.sign(own, wallet.owner, None), other),
        with_ticket(wallet.sign(repriced, wallet.owner, None), own),
        with_ticket(wallet.sign(elsewhere, wallet.owner, None), own),
        *(
            {**wallet.sign(own, wallet.owner, None), "submissionTicket": invalid}
            for invalid in (
                "",
                "x",
                payload,
                f"{payload}.{signature[::-1]}",
                f"{payload}x.{signature}",
                ticket + "=",
                ticket * 99,
            )
        ),
    ):
        assert page.refusal(SEND, signed) == INVALID
    read = TOKEN_SIGNER.read_ticket(ticket)
    for changed in (replace(read, chain_id=421614), replace(read, wallet=read.wallet.parse(FRIEND))):
        signed = {**wallet.sign(own, wallet.owner, None), "submissionTicket": TOKEN_SIGNER.sign_ticket(changed)}
        assert page.refusal(SEND, signed) == INVALID
    with pytest.raises(RpcError, match="account signature"):  # a ticket does not replace the signature
        ask(page, SEND, with_ticket(wallet.sign(own, new_key(), None), own))


def test_an_expired_ticket_repeats_a_sent_call_and_sends_no_new_one(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared = wallet.prepare({"to": FRIEND})
    signed = wallet.sign(prepared, wallet.owner, None)
    old = {**signed, "submissionTicket": expire(prepared["submissionTicket"])}

    before = page.refusal(SEND, old)
    sent = ask(page, SEND, with_ticket(signed, prepared))
    pending = ask(page, SEND, old)
    assert wallet.wait_until_final(sent["id"])["status"] == 200
    included = ask(page, SEND, old)

    assert before == EXPIRED
    assert sent["id"] == pending["id"] == included["id"]


def test_an_expired_ticket_repeats_a_sent_removal(tenant: Tenant) -> None:
    external = an_external(tenant)
    assert external.delegate()["status"] == 200
    account, page = with_token(external, tenant)
    removal = account.prepare_removal()
    signed = account.sign_authorization(removal)
    old = {**signed, "submissionTicket": expire(removal["submissionTicket"])}

    assert page.refusal(SEND, old) == EXPIRED
    sent = ask(page, SEND, with_ticket(signed, removal))
    assert ask(page, SEND, old)["id"] == sent["id"]


def test_a_key_gets_no_ticket_and_needs_none(tenant: Tenant) -> None:
    wallet = a_wallet(tenant)
    prepared = wallet.prepare({"to": FRIEND})  # validated against the hosted service's schema
    signed = wallet.sign(prepared, wallet.owner, None)

    assert "submissionTicket" not in prepared
    for ticket in ("wrong", None, ""):
        assert ask(wallet.client, SEND, {**signed, "submissionTicket": ticket})["id"]


def test_an_estimate_has_no_ticket(tenant: Tenant) -> None:
    wallet, _ = with_token(a_wallet(tenant), tenant)
    policy = {"policyId": POLICY, "onlyEstimation": True}
    assert "submissionTicket" not in wallet.prepare({"to": FRIEND}, paymasterService=policy)


def test_a_token_with_submit_scope_cannot_send_operations_from_elsewhere(tenant: Tenant) -> None:
    """An operation that the owner signed elsewhere, on a stranger's page, cannot be sent through this server."""
    wallet = a_wallet(tenant)
    elsewhere = wallet.prepare({"to": FRIEND, "value": "0x1"})
    signed = wallet.sign(elsewhere, wallet.owner, None)
    page = token_client(tenant, wallet.owner.address, Scope.TRANSACTIONS_SUBMIT)

    assert page.refusal("wallet_prepareCalls", {}) == (403, "insufficient_scope")
    assert page.refusal(SEND, signed) == REQUIRED


def test_a_missing_ticket_in_a_batch_fails_that_request_alone(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    prepared = wallet.prepare({"to": FRIEND})
    signed = wallet.sign(prepared, wallet.owner, None)
    batch = [
        {"jsonrpc": "2.0", "id": number, "method": SEND, "params": [params]}
        for number, params in enumerate([signed, with_ticket(signed, prepared)])
    ]

    answer = page.http.post(page.url, json=batch, headers=page.headers)

    assert answer.status_code == 200
    rejected, sent = sorted(answer.json(), key=lambda one: int(one["id"]))
    assert (rejected["error"]["code"], rejected["error"]["data"]["statusCode"]) == (4100, 403)
    assert sent["result"]["id"]

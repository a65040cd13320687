"""Accounts that a token may name: its wallet's own, in every method and form; all others are a wallet mismatch."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.delegating import ZERO, External
from tests.e2e.standards import Json, ask, key_of, keyed_request
from tests.support.constants import FRIEND
from tests.support.keys import new_key, sign_digest
from tests.support.rpc_client import RpcError
from tests.support.wallet import Wallet
from tests.tenants.acceptance import SOLANA, entry
from tests.tenants.holding import TokenClient, a_wallet, an_external, token_client, with_token
from tests.tenants.tenant import Tenant
from wallet_rpc.primitives import Data

MISMATCH = (401, "wallet_mismatch")
PREPARE, SEND, STATUS = "wallet_prepareCalls", "wallet_sendPreparedCalls", "wallet_getCallsStatus"
ACCOUNT, CREATE = "wallet_requestAccount", "wallet_createSession"
Naming = Callable[[Wallet], tuple[str, Json]]


def _prepare_request(wallet: Wallet) -> tuple[str, Json]:
    return PREPARE, {"from": wallet.account, "chainId": wallet.chain_id, "calls": [{"to": FRIEND}]}


def _send_request(wallet: Wallet) -> tuple[str, Json]:
    return SEND, wallet.sign(wallet.prepare({"to": FRIEND}), wallet.owner, None)


def _send_array_request(wallet: Wallet) -> tuple[str, Json]:
    return SEND, {"type": "array", "data": [_send_request(wallet)[1]]}


def _send_keyed_request(wallet: Wallet) -> tuple[str, Json]:
    prepared = ask(wallet.client, PREPARE, keyed_request(wallet, wallet.owner, {"to": FRIEND}))
    return SEND, {
        "context": prepared["context"],
        "key": prepared["key"],
        "signature": sign_digest(wallet.owner, prepared["digest"]),
    }


def _session_request(wallet: Wallet) -> tuple[str, Json]:
    key = {"type": "secp256k1", "publicKey": new_key().address}
    permissions = [{"type": "root"}]
    return CREATE, {"account": wallet.account, "chainId": wallet.chain_id, "key": key, "permissions": permissions}


NAMING: dict[str, Naming] = {
    "signer": lambda wallet: (ACCOUNT, {"signerAddress": wallet.owner.address}),
    "account": lambda wallet: (ACCOUNT, {"accountAddress": wallet.account}),
    "both": lambda wallet: (ACCOUNT, {"signerAddress": wallet.owner.address, "accountAddress": wallet.account}),
    "prepare": _prepare_request,
    "keyed prepare": lambda wallet: (PREPARE, keyed_request(wallet, wallet.owner, {"to": FRIEND})),
    "send": _send_request,
    "send an array": _send_array_request,
    "keyed send": _send_keyed_request,
    "session": _session_request,
}
"""Requests that name an account of a wallet, by form."""


def is_mismatch(page: TokenClient, method: str, request: Json) -> bool:
    answer = page.post(entry(method, request))
    return "error" in answer and RpcError(answer["error"]).reason == "wallet_mismatch"


@pytest.mark.parametrize("how", NAMING)
def test_a_token_names_accounts_of_its_wallet_only(tenant: Tenant, how: str) -> None:
    wallet = a_wallet(tenant)
    stranger = a_wallet(tenant)
    page = token_client(tenant, wallet.owner.address)
    method, request = NAMING[how](stranger)

    assert page.refusal(method, request) == MISMATCH
    assert page.post(entry(method, request))["error"]["message"] == "Wallet mismatch"
    assert not is_mismatch(page, *NAMING[how](wallet))
    assert not is_mismatch(token_client(tenant, stranger.owner.address), method, request)


@pytest.mark.parametrize("how", NAMING)
def test_a_solana_wallet_has_no_account_here(tenant: Tenant, how: str) -> None:
    assert token_client(tenant, SOLANA).refusal(*NAMING[how](a_wallet(tenant))) == MISMATCH


@pytest.mark.parametrize("how", NAMING)
def test_a_token_of_an_account_is_not_one_of_its_owner(tenant: Tenant, how: str) -> None:
    wallet = a_wallet(tenant)
    page = token_client(tenant, wallet.account)
    names_owner = how in {"signer", "both"}
    assert is_mismatch(page, *NAMING[how](wallet)) == names_owner
    other = ask(wallet.client, ACCOUNT, {"signerAddress": wallet.owner.address, "creationHint": {"salt": "0x7"}})
    assert page.refusal(ACCOUNT, {"accountAddress": other["accountAddress"]}) == MISMATCH


def test_one_foreign_account_next_to_an_own_one_is_a_mismatch(tenant: Tenant) -> None:
    wallet = a_wallet(tenant)
    stranger = a_wallet(tenant)
    page = token_client(tenant, wallet.owner.address)
    for signer, account in ((wallet, stranger), (stranger, wallet)):
        request = {"signerAddress": signer.owner.address, "accountAddress": account.account}
        assert page.refusal(ACCOUNT, request) == MISMATCH


def test_without_an_account_the_parameters_are_invalid(tenant: Tenant) -> None:
    for wallet in (new_key().address, SOLANA):
        answer = token_client(tenant, wallet).post(entry(ACCOUNT, {"id": "26b375e3-c94a-4e98-b6b7-5a97121aa583"}))
        assert answer["error"]["code"] == -32602


def test_all_accounts_of_a_wallet_are_its_own(tenant: Tenant) -> None:
    wallet, page = with_token(a_wallet(tenant), tenant)
    found = {
        ask(page, ACCOUNT, {"signerAddress": wallet.owner.address, "creationHint": {"salt": hex(salt)}})[
            "accountAddress"
        ]
        for salt in range(3)
    }
    assert len(found) == 3
    for account in found | {wallet.owner.address}:
        assert not is_mismatch(page, PREPARE, {"from": account, "chainId": wallet.chain_id, "calls": []})


def test_an_account_that_another_organisation_recorded_is_a_mismatch(tenant: Tenant, other: Tenant) -> None:
    owner = new_key()
    account = ask(other.client(), ACCOUNT, {"signerAddress": owner.address})["accountAddress"]
    page = token_client(tenant, owner.address)

    before = page.refusal(ACCOUNT, {"accountAddress": account})
    ask(page, ACCOUNT, {"signerAddress": owner.address})

    assert before == MISMATCH
    assert ask(page, ACCOUNT, {"accountAddress": account})["accountAddress"] == account


def delegated_external(tenant: Tenant) -> External:
    account = an_external(tenant)
    assert account.delegate()["status"] == 200
    return account


def test_a_removal_belongs_to_its_signer(tenant: Tenant) -> None:
    account = delegated_external(tenant)
    stranger = delegated_external(tenant)
    page = token_client(tenant, account.owner.address)
    theirs = stranger.prepare_removal()
    own = account.prepare_removal()
    zero = {"eip7702Auth": {"delegation": ZERO}}
    prepared = ask(stranger.client, PREPARE, keyed_request(stranger, stranger.owner, **zero))
    in_context = {"context": prepared["context"], "key": key_of(stranger.owner)}

    assert page.refusal(SEND, stranger.sign_authorization(theirs)) == MISMATCH
    assert page.refusal(SEND, account.sign_authorization(own, by=new_key())) == MISMATCH
    assert page.refusal(SEND, {**in_context, "signature": sign_digest(stranger.owner, prepared["digest"])}) == MISMATCH
    assert page.refusal(SEND, account.sign_authorization(own)) == (403, "submission_ticket_required")


def test_every_part_of_an_array_must_be_of_the_wallet(tenant: Tenant) -> None:
    account = an_external(tenant)
    stranger = an_external(tenant)
    page = token_client(tenant, account.owner.address)
    own, theirs = (one.sign_array(one.prepare({"to": FRIEND}))["data"] for one in (account, stranger))

    for parts in (theirs, [own[0], theirs[1]], [theirs[0], own[1]], [theirs[1], own[0]]):
        assert page.refusal(SEND, {"type": "array", "data": parts}) == MISMATCH
    for parts in ([], own[:1], [own[1], theirs[1]], [*own, theirs[0]]):
        assert page.refusal(SEND, {"type": "array", "data": parts})[1] == "array_not_supported"
    assert page.refusal(SEND, {"type": "array", "data": own}) == (403, "submission_ticket_required")


def test_anothers_call_is_unknown(tenant: Tenant) -> None:
    wallet = a_wallet(tenant)
    stranger = a_wallet(tenant)
    own, theirs = (one.act(None, {"to": FRIEND})["id"] for one in (wallet, stranger))
    unknown = Data(bytes.fromhex(theirs[2:66]) + secrets.token_bytes(32)).hex0x()

    for page in (token_client(tenant, wallet.owner.address), token_client(tenant, wallet.account)):
        assert ask(page, STATUS, own)["status"] == 200
        refusals = [page.post(entry(STATUS, call))["error"] for call in (theirs, unknown)]
        assert [one["code"] for one in refusals] == [5730, 5730]
        assert refusals[0]["data"] == refusals[1]["data"]
        assert refusals[0]["message"].replace(theirs, unknown) == refusals[1]["message"]
    assert token_client(tenant, SOLANA).post(entry(STATUS, own))["error"]["code"] == 5730


def test_the_wallet_is_checked_before_any_lookup(tenant: Tenant) -> None:
    page = token_client(tenant, new_key().address)
    nowhere: dict[str, Any] = {"from": FRIEND, "chainId": "0x1", "calls": []}
    assert page.refusal(PREPARE, nowhere) == MISMATCH
    assert page.refusal(CREATE, {**_session_request(a_wallet(tenant))[1], "chainId": "0x1"}) == MISMATCH

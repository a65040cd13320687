"""Session grants in wallet_prepareSign: those of the account are rejected, all others are ordinary typed data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.delegating import External
from tests.e2e.signing import (
    TEXT,
    account_signature,
    prepare_sign,
)
from tests.e2e.stacks import on_both_stacks
from tests.support.constants import FRIEND
from tests.support.keys import new_key, sign_request
from tests.support.rpc_client import RpcError
from tests.support.wallet import Grant, Wallet

pytestmark = on_both_stacks


def grant_to_sign(wallet: Wallet) -> tuple[dict[str, Any], dict[str, Any]]:
    """Create a session, and return the answer and its DeferredAction as a message to sign."""
    created, _ = wallet.create_session({"type": "root"})
    return created, {key: created["signatureRequest"][key] for key in ("type", "data")}


def assert_no_message(wallet: Wallet, request: dict[str, Any], match: str) -> None:
    with pytest.raises(RpcError, match=match) as error_info:
        prepare_sign(wallet, request)
    assert (error_info.value.code, error_info.value.reason) == (-32602, "not_a_message")
    assert error_info.value.data["field"] == "params.signatureRequest.data"


def with_domain(request: dict[str, Any], **domain: Any) -> dict[str, Any]:
    return {**request, "data": {**request["data"], "domain": {**request["data"]["domain"], **domain}}}


def test_a_grant_is_not_signed_as_a_message_of_its_account(wallet: Wallet) -> None:
    """Whatever form its domain has: the hash to sign decides."""
    _, grant = grant_to_sign(wallet)
    forms: list[dict[str, Any]] = [{}, {"chainId": "0x7a69"}, {"chainId": "31337"}, {"chainId": 31337.0}]
    forms += [{"verifyingContract": wallet.account.lower()}, {"name": None}]
    for form in forms:
        assert_no_message(wallet, with_domain(grant, **form), "wallet_createSession")
    declared = {
        "EIP712Domain": [{"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}]
    }
    data = {**grant["data"], "types": {**grant["data"]["types"], **declared}, "more": 1}
    assert_no_message(wallet, {**grant, "data": data}, "wallet_createSession")


def test_a_key_does_not_sign_a_grant_as_a_bare_message(wallet: Wallet) -> None:
    """An undelegated account signs messages unchanged, and its key may own any account on any chain."""
    key = External(wallet.client, owner=wallet.owner)
    _, grant = grant_to_sign(wallet)
    for form in ({}, {"chainId": 1}, {"verifyingContract": key.account}, {"verifyingContract": FRIEND}):
        assert_no_message(key, with_domain(grant, **form), "wallet_createSession")
    request = prepare_sign(wallet, TEXT)
    assert_no_message(key, request, "ReplaySafeHash")
    assert prepare_sign(wallet, request)["data"]["message"] != request["data"]["message"], (
        "a contract account may sign it"
    )


def test_a_grant_signed_for_another_account_is_invalid(wallet: Wallet) -> None:
    wallet.fund()
    created, grant = grant_to_sign(wallet)
    other = Wallet(wallet.client, owner=wallet.owner)
    hint = {"signerAddress": wallet.owner.address, "creationHint": {"salt": "0x1"}}
    other.account = wallet.client.rpc("wallet_requestAccount", hint)["accountAddress"]
    request = prepare_sign(other, grant)
    assert request["data"]["primaryType"] == "ReplaySafeHash"
    for signature in (sign_request(wallet.owner, request), "0x" + account_signature(other, grant).hex()):
        with pytest.raises(RpcError) as error_info:
            wallet.act(Grant(created, signature, new_key()))
        assert error_info.value.reason == "session_signature_invalid"


@pytest.mark.parametrize("domain", [{"chainId": 1}, {"verifyingContract": FRIEND}, {"chainId": "one"}])
def test_a_grant_of_another_account_or_chain_is_ordinary_typed_data(wallet: Wallet, domain: dict[str, Any]) -> None:
    created, _ = wallet.create_session({"type": "root"})
    data = created["signatureRequest"]["data"]
    other = {**data, "domain": {**data["domain"], **domain}}
    if domain.get("chainId") == "one":
        with pytest.raises(RpcError, match=r"^params\.signatureRequest\.data\.domain\.chainId: expected a JSON"):
            prepare_sign(wallet, {"type": "eth_signTypedData_v4", "data": other})
    else:
        found = prepare_sign(wallet, {"type": "eth_signTypedData_v4", "data": other})
        assert found["data"]["primaryType"] == "ReplaySafeHash"

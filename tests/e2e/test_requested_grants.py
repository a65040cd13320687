"""Grants in the older and the newer format of ERC-7715: each is a session once the owner has signed it."""

from __future__ import annotations

import pytest
from eth_account.signers.local import LocalAccount

from tests.e2e.delegating import ZERO
from tests.e2e.stacks import on_both_stacks
from tests.e2e.standards import (
    ACCESS,
    BUDGET,
    ETHER,
    GRANT,
    REQUEST,
    Json,
    ask,
    catch_error,
    keyed_request,
    permission_request,
    single,
)
from tests.support.calls import transfer
from tests.support.constants import FRIEND, TOKEN
from tests.support.keys import new_key, sign_digest
from tests.support.rpc_client import RpcError
from tests.support.wallet import Grant, Wallet

pytestmark = on_both_stacks


def sign_grant(wallet: Wallet, key: LocalAccount, answer: Json) -> Grant:
    """Sign the answer as the owner, and return the grant: its context is the answer's context and the signature."""
    signature = sign_digest(wallet.owner, answer["signatureRequest"]["rawPayload"])
    grant = Grant(answer, signature, key)
    assert answer["context"] + signature[2:] == grant.context["context"]
    return grant


def test_granted_permissions_are_a_session_once_the_owner_has_signed(wallet: Wallet) -> None:
    key = new_key()
    answer = ask(wallet.client, GRANT, permission_request(wallet, key, BUDGET, ETHER))
    assert answer["grantedPermissions"] == [{**BUDGET, "policies": []}, ETHER]
    assert answer["permissionsContext"] == answer["context"]
    assert answer["factory"].startswith("0x")
    unsigned = catch_error(
        wallet.client, "wallet_prepareCalls", keyed_request(wallet, key, permissions={"context": answer["context"]})
    )
    assert unsigned.reason == "session_signature_invalid"
    grant = sign_grant(wallet, key, answer)
    assert wallet.act(grant, transfer(100), {"to": FRIEND, "value": "0x64"})["status"] == 200
    for denied in (transfer(1), {"to": FRIEND, "value": "0x1"}):
        with pytest.raises(RpcError, match="Exceeded"):
            wallet.act(grant, denied)


def test_a_grant_without_a_native_allowance_sends_no_value(wallet: Wallet) -> None:
    key = new_key()
    grant = sign_grant(wallet, key, ask(wallet.client, GRANT, permission_request(wallet, key, ACCESS)))
    assert wallet.act(grant, transfer(1))["status"] == 200
    with pytest.raises(RpcError, match="ExceededNativeTokenLimit"):
        wallet.act(grant, {**transfer(1), "value": "0x1"})


def test_each_execution_permission_is_a_session_of_its_own(wallet: Wallet) -> None:
    keys = [new_key(), new_key()]
    calls = {"type": "contract-call", "data": {"address": TOKEN, "calls": ["transfer(address,uint256)"]}}
    requests = [single(wallet, key, one) for key, one in zip(keys, (BUDGET, calls), strict=True)]
    answers = ask(wallet.client, REQUEST, *requests)
    assert [answer["to"] for answer in answers] == [key.address for key in keys]
    for key, answer in zip(keys, answers, strict=True):
        assert len(answer["dependencies"]) == 1
        assert wallet.act(sign_grant(wallet, key, answer), transfer(1))["status"] == 200
    (later,) = ask(wallet.client, REQUEST, single(wallet, keys[0], ACCESS))
    assert later["dependencies"] == []


def test_execution_permissions_may_also_be_in_one_array(wallet: Wallet) -> None:
    keys = [new_key(), new_key()]
    requests = [single(wallet, key, ACCESS) for key in keys]
    answers = ask(wallet.client, REQUEST, requests)
    assert [answer["to"] for answer in answers] == [key.address for key in keys]


def test_another_account_may_be_the_signer(wallet: Wallet) -> None:
    key = new_key()
    for name in ("address", "id"):
        signer = {"type": "account", "data": {name: key.address}}
        answer = ask(wallet.client, GRANT, permission_request(wallet, key, ACCESS, signer=signer))
        assert wallet.act(sign_grant(wallet, key, answer), transfer(1))["status"] == 200


STREAM = {"type": "native-token-stream", "data": {}, "isAdjustmentAllowed": True}
PERIODIC = {"type": "erc20-token-periodic", "data": {}, "required": False}
RATED = {**ACCESS, "policies": [{"type": "rate-limit", "data": {"count": 1, "interval": 60}}]}
GRANT_ERRORS: dict[str, tuple[Json, int, str, str]] = {
    "permission": ({"permissions": [ACCESS, PERIODIC]}, 5700, "permission_not_supported", "permissions[1].type"),
    "policy": ({"permissions": [RATED]}, 5700, "policy_not_supported", "permissions[0].policies[0].type"),
    "several keys": ({"signer": {"type": "keys", "data": {}}}, 5700, "signer_not_supported", "signer"),
    "wallet": ({"signer": {"type": "wallet"}}, 5700, "signer_not_supported", "signer"),
    "no signer": ({"signer": None}, 5700, "signer_not_supported", "signer"),
    "no account signer": ({"signer": {"type": "account", "data": {}}}, -32602, "invalid_params", "signer.data.address"),
    "curve": (
        {"signer": {"type": "key", "data": {"type": "ed25519", "publicKey": "0x11"}}},
        5700,
        "key_type_not_supported",
        "signer.data.type",
    ),
    "zero key": (
        {"signer": {"type": "key", "data": {"type": "secp256k1", "publicKey": ZERO}}},
        -32602,
        "zero_address",
        "signer.data",
    ),
    "rule": ({"rules": [{"type": "ip", "data": {}}]}, 5700, "rule_not_supported", "rules[0].type"),
    "never ends": ({"expiry": 0}, -32602, "expired", "expiry"),
    "milliseconds": ({"expiry": 1_900_000_000_000}, -32602, "deadline_too_late", "expiry"),
    "no expiry": ({"expiry": None}, -32602, "expiry_missing", "expiry"),
    "two expiries": (
        {"rules": [{"type": "expiry", "data": {"timestamp": 1_900_000_000}}]},
        -32602,
        "duplicate_limit",
        "expiry",
    ),
    "unknown limit": ({"constraints": []}, -32602, "unknown_member", "constraints"),
    "no account": ({"address": None}, -32602, "invalid_params", "address"),
    "two accounts": ({"account": FRIEND}, -32602, "invalid_params", "address"),
    "stranger": ({"address": FRIEND}, -32602, "account_not_delegated", "address"),
    "chain": ({"chainId": "0x1"}, 5710, "unsupported_chain", "chainId"),
    "nothing": ({"permissions": []}, -32602, "invalid_params", "permissions"),
    "same token": ({"permissions": [ACCESS, BUDGET]}, -32602, "duplicate_target", "permissions[1].data.address"),
    "only gas": (
        {"permissions": [{"type": "gas-limit", "data": {"limit": "0x1"}}]},
        -32602,
        "grants_nothing",
        "permissions",
    ),
}


@pytest.mark.parametrize("name", GRANT_ERRORS)
def test_invalid_grants_are_rejected_by_name(wallet: Wallet, name: str) -> None:
    change, code, reason, field = GRANT_ERRORS[name]
    error = catch_error(wallet.client, GRANT, {**permission_request(wallet, new_key(), ACCESS), **change})
    assert (error.code, error.reason) == (code, reason)
    assert error.data["field"] == f"params.{field}"


def test_invalid_execution_permissions_are_rejected_by_name(wallet: Wallet) -> None:
    good, client = single(wallet, new_key(), ACCESS), wallet.client
    both = {**good, "signer": {"type": "account", "data": {"address": FRIEND}}}
    own = {**good, "permission": {**ACCESS, "data": {"address": wallet.account}}}
    for bad, code, reason, field in (
        ({**good, "permission": STREAM}, 5700, "permission_not_supported", "params[1].permission.type"),
        ({**good, "to": wallet.account}, -32602, "account_as_key", "params[1].to"),
        (both, -32602, "invalid_params", "params[1].to"),
        (own, -32602, "account_as_target", "params[1].permission.data.address"),
        ({**good, "rules": None}, -32602, "expiry_missing", "params[1].expiry"),
    ):
        error = catch_error(client, REQUEST, good, bad)
        assert (error.code, error.reason, error.data["field"]) == (code, reason, field)
        assert field in error.message
    for many in ([good] * 11, [], [[good] * 11]):
        assert catch_error(client, REQUEST, *many).data["field"] == "params"

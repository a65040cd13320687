"""The same calls in the formats of other standards: ERC-7836 by key, digest and context, EIP-5792, and OpenRPC."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey
from jsonschema import Draft202012Validator

from tests.e2e.delegating import ZERO, External, external
from tests.e2e.stacks import on_both_stacks
from tests.e2e.standards import (
    BUDGET,
    ETHER,
    GRANT,
    REQUEST,
    Json,
    ask,
    catch_error,
    key_of,
    keyed_request,
    permission_request,
    single,
)
from tests.support.calls import transfer
from tests.support.constants import FRIEND
from tests.support.keys import new_key, sign_digest
from tests.support.wallet import Wallet

pytestmark = on_both_stacks


def build_send_request(prepared: Json, key: LocalAccount) -> Json:
    return {"context": prepared["context"], "key": prepared["key"], "signature": sign_digest(key, prepared["digest"])}


def act(wallet: Wallet, key: LocalAccount, *calls: Json, **capabilities: Any) -> Json:
    prepared = ask(wallet.client, "wallet_prepareCalls", keyed_request(wallet, key, *calls, **capabilities))
    assert prepared.keys() == {"chainId", "context", "digest", "key"}
    (sent,) = ask(wallet.client, "wallet_sendPreparedCalls", build_send_request(prepared, key))
    return wallet.wait_until_final(sent["id"])


def decode_context(context: str) -> Json:
    found: Json = json.loads(bytes.fromhex(context[4:]))
    return found


def change_context(context: str, change: Callable[[Json], object]) -> str:
    found = decode_context(context)
    change(found)
    return "0x01" + json.dumps(found).encode().hex()


def test_a_session_key_acts_by_digest_and_context(wallet: Wallet) -> None:
    grant = wallet.grant(BUDGET)
    before = wallet.client.token_balance(FRIEND)
    for _ in range(2):  # installing, then installed
        assert act(wallet, grant.key, transfer(20), permissions=grant.context)["status"] == 200
    assert wallet.client.token_balance(FRIEND) == before + 40


def test_the_owner_acts_by_digest_and_context(wallet: Wallet) -> None:
    public = PrivateKey(bytes(wallet.owner.key)).public_key.to_bytes().hex()
    for form in (wallet.owner.address, f"0x{public}", f"0x04{public}"):
        request = keyed_request(wallet, wallet.owner, {"to": FRIEND, "value": "0x1"})
        request["key"]["publicKey"] = form
        prepared = ask(wallet.client, "wallet_prepareCalls", request)
        assert prepared["key"] == {"type": "secp256k1", "publicKey": form.lower(), "prehash": False}
        (sent,) = ask(wallet.client, "wallet_sendPreparedCalls", build_send_request(prepared, wallet.owner))
        assert wallet.wait_until_final(sent["id"])["status"] == 200


def test_sending_twice_returns_the_same_id(wallet: Wallet) -> None:
    prepared = ask(wallet.client, "wallet_prepareCalls", keyed_request(wallet, wallet.owner, {"to": FRIEND}))
    sent = [
        ask(wallet.client, "wallet_sendPreparedCalls", build_send_request(prepared, wallet.owner)) for _ in range(2)
    ]
    assert sent[0] == sent[1]


def test_the_digest_is_the_hosted_forms_raw_payload(wallet: Wallet) -> None:
    prepared = ask(wallet.client, "wallet_prepareCalls", keyed_request(wallet, wallet.owner, {"to": FRIEND}))
    data = decode_context(prepared["context"])["calls"]["data"]
    hosted = {"type": "user-operation-v070", "data": data, "chainId": wallet.chain_id}
    signature = {"type": "secp256k1", "data": sign_digest(wallet.owner, prepared["digest"])}
    sent = wallet.client.rpc("wallet_sendPreparedCalls", {**hosted, "signature": signature})
    assert wallet.wait_until_final(sent["id"])["status"] == 200


def test_a_changed_context_is_rejected(wallet: Wallet) -> None:
    grant, other = wallet.grant(BUDGET), wallet.grant({"type": "root"})
    prepared = ask(
        wallet.client, "wallet_prepareCalls", keyed_request(wallet, grant.key, transfer(1), permissions=grant.context)
    )
    signed, before = build_send_request(prepared, grant.key), wallet.client.token_balance(FRIEND)
    dearer = decode_context(prepared["context"])["calls"]["data"]["callData"].replace(
        "01" + "00" * 28, "02" + "00" * 28
    )
    for change, code in (
        (lambda c: c["calls"]["data"].update(callData=dearer), -32507),
        (lambda c: c["calls"]["data"].update(maxFeePerGas="0x1"), -32507),
        (lambda c: c.update(chainId="0x66eee"), -32602),  # its session is not of that chain
        (lambda c: c["capabilities"].update(permissions=other.context), -32602),
        (lambda c: c["capabilities"].pop("permissions"), -32602),
        (lambda c: c.update(key=other.key.address), -32602),
        (lambda c: c.pop("key"), -32602),
    ):
        changed = {**signed, "context": change_context(signed["context"], change)}
        assert catch_error(wallet.client, "wallet_sendPreparedCalls", changed).code == code
    assert wallet.client.token_balance(FRIEND) == before
    (sent,) = ask(wallet.client, "wallet_sendPreparedCalls", signed)
    assert wallet.wait_until_final(sent["id"])["status"] == 200


@pytest.mark.parametrize("context", ["0x", "0x00", "0x01", "0x017b7d", "0x01" + b"[]".hex(), "0x01" + "5b" * 99_999])
def test_a_malformed_context_is_rejected(wallet: Wallet, context: str) -> None:
    request = {"context": context, "key": key_of(wallet.owner), "signature": "0x" + "11" * 65}
    assert catch_error(wallet.client, "wallet_sendPreparedCalls", request).reason == "context_malformed"


def test_the_key_must_be_the_signing_key(wallet: Wallet) -> None:
    grant, stranger = wallet.grant(BUDGET), new_key()
    by_owner = keyed_request(wallet, wallet.owner, transfer(1), permissions=grant.context)
    assert catch_error(wallet.client, "wallet_prepareCalls", by_owner).reason == "key_mismatch"
    assert catch_error(wallet.client, "wallet_prepareCalls", keyed_request(wallet, stranger)).reason == "key_mismatch"
    prepared = ask(wallet.client, "wallet_prepareCalls", keyed_request(wallet, wallet.owner))
    elsewhere = {**build_send_request(prepared, wallet.owner), "chainId": "0x1"}
    assert catch_error(wallet.client, "wallet_sendPreparedCalls", elsewhere).data["field"] == "params.chainId"
    forged = build_send_request(prepared, stranger)
    assert catch_error(wallet.client, "wallet_sendPreparedCalls", forged).code == -32507
    other = {**build_send_request(prepared, stranger), "key": key_of(stranger)}
    assert catch_error(wallet.client, "wallet_sendPreparedCalls", other).reason == "key_mismatch"


KEYED_ERRORS: dict[str, tuple[Json, int, str]] = {
    "p256": ({"key": {"type": "p256", "publicKey": "0x" + "11" * 64}}, 5700, "key_type_not_supported"),
    "passkey": ({"key": {"type": "webauthn-p256", "publicKey": "0x11"}}, 5700, "key_type_not_supported"),
    "prehash": ({"key": {"type": "secp256k1", "publicKey": FRIEND, "prehash": True}}, 5700, "prehash_not_supported"),
    "compressed": ({"key": {"type": "secp256k1", "publicKey": "0x02" + "11" * 32}}, -32602, "public_key_malformed"),
    "no key": ({"key": None}, -32602, "invalid_params"),
    "capability": ({"capabilities": {"flow": {}}}, 5700, "unsupported_capability"),
    "call": ({"calls": [{"to": FRIEND, "capabilities": {"any": {}}}]}, 5700, "unsupported_capability"),
    "chain": ({"chainId": "0x1"}, 5710, "unsupported_chain"),
    "too many": ({"calls": [{"to": FRIEND}] * 1001}, 5740, "bundle_too_large"),
    "estimate": ({"capabilities": {"paymasterService": {"onlyEstimation": True}}}, -32602, "invalid_params"),
}


@pytest.mark.parametrize("name", KEYED_ERRORS)
def test_invalid_keyed_calls_are_rejected_by_name(wallet: Wallet, name: str) -> None:
    change, code, reason = KEYED_ERRORS[name]
    error = catch_error(wallet.client, "wallet_prepareCalls", {**keyed_request(wallet, wallet.owner), **change})
    assert (error.code, error.reason) == (code, reason)


def test_unsupported_optional_capabilities_are_ignored(wallet: Wallet) -> None:
    call = {"to": FRIEND, "capabilities": {"any": {"optional": True}}}
    assert act(wallet, wallet.owner, call, flow={"optional": True})["status"] == 200


def test_a_delegation_needs_the_hosted_form_and_its_removal_does_not(wallet: Wallet) -> None:
    account: External = external(wallet)
    assert (
        catch_error(wallet.client, "wallet_prepareCalls", keyed_request(account, account.owner)).reason
        == "two_signatures"
    )
    account.delegate()
    assert act(account, account.owner, {"to": FRIEND})["status"] == 200
    assert act(account, account.owner, eip7702Auth={"delegation": ZERO})["status"] == 200
    assert account.code() == "0x"


def test_wallet_send_calls_is_rejected_by_a_server_without_keys(wallet: Wallet) -> None:
    request = {"version": "2.0.0", "chainId": wallet.chain_id, "atomicRequired": True, "calls": [{"to": FRIEND}]}
    error = catch_error(wallet.client, "wallet_sendCalls", request)
    assert (error.code, error.reason) == (-32601, "no_keys_here")
    assert "wallet_prepareCalls" in error.message


def test_the_openrpc_document_describes_both_forms(wallet: Wallet) -> None:
    document = ask(wallet.client, "rpc.discover")
    methods = {method["name"]: method for method in document["methods"]}

    def assert_valid(schema: Json, value: Any) -> None:
        Draft202012Validator({**schema, "components": document["components"]}).validate(value)

    request = keyed_request(wallet, wallet.owner, {"to": FRIEND})
    prepared = ask(wallet.client, "wallet_prepareCalls", request)
    signed = build_send_request(prepared, wallet.owner)
    sent = ask(wallet.client, "wallet_sendPreparedCalls", signed)
    for name, given, answer in (
        ("wallet_prepareCalls", request, prepared),
        ("wallet_sendPreparedCalls", signed, sent),
        (GRANT, (wish := permission_request(wallet, new_key(), ETHER)), ask(wallet.client, GRANT, wish)),
        (REQUEST, (one := single(wallet, new_key(), BUDGET)), ask(wallet.client, REQUEST, one)),
    ):
        assert_valid(methods[name]["params"][0]["schema"], given)
        assert_valid(methods[name]["result"]["schema"], answer)

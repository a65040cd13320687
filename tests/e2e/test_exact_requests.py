"""Exact reading of requests: unknown members are rejected by name, and none is ignored."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.delegating import ZERO, External
from tests.e2e.standards import key_of
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, HOUR, POLICY, TOKEN
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

Json = dict[str, Any]
HERE = "0x7a69"
SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
NATIVE = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEee"
"""The constant as documents write it; the case of its last letter violates EIP-55."""
ACCESS = {"type": "contract-access", "data": {"address": TOKEN}}


def catch_error(client: Client, method: str, params: Any) -> RpcError:
    with pytest.raises(RpcError) as error_info:
        client.rpc(method, params)
    return error_info.value


def session(wallet: Wallet, **more: Any) -> Json:
    key = {"type": "secp256k1", "publicKey": FRIEND}
    return {"account": wallet.account, "chainId": HERE, "key": key, "permissions": [ACCESS], **more}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"permissions": [{**ACCESS, "functions": ["0x70a08231"]}]}, "permissions[0].functions"),
        (
            {"permissions": [{"type": "contract-access", "data": {"address": TOKEN, "functions": ["0x70a08231"]}}]},
            "permissions[0].data.functions",
        ),
        ({"permissions": [{**ACCESS, "maxValue": "0x0"}]}, "permissions[0].maxValue"),
        ({"permissions": [ACCESS, {"type": "gas-limit", "data": {"limit": "0x1", "period": 60}}]}, None),
        ({"permissions": [{"type": "root", "data": {}}]}, "permissions[0].data"),
        ({"expiresAt": 1}, "expiresAt"),
        ({"callLimit": 1}, "callLimit"),
        ({"policies": []}, "policies"),
        ({"key": {"type": "secp256k1", "publicKey": FRIEND, "expiry": 1}}, "key.expiry"),
    ],
)
def test_a_session_with_an_unknown_member_is_rejected_by_its_name(wallet: Wallet, changed: Json, field: str) -> None:
    error = catch_error(wallet.client, "wallet_createSession", session(wallet, **changed))

    assert (error.code, error.reason) == (-32602, "unknown_member")
    assert error.data["field"] == f"params.{field or 'permissions[1].data.period'}"
    assert "; its members are " in error.message


def test_optional_members_of_a_session_may_be_null(wallet: Wallet) -> None:
    nulls = {"expiry": None, "policies": None, "permissions": [{"type": "root", "data": None, "maxValue": None}]}
    created = wallet.client.rpc("wallet_createSession", session(wallet, **nulls))
    assert created["signatureRequest"]["data"]["message"]["deadline"] == 0
    error = catch_error(wallet.client, "wallet_createSession", session(wallet, expirySec=None))
    assert error.data["field"] == "params.expirySec", "null may be a number that could not be written"


def test_two_different_expiries_are_rejected(wallet: Wallet) -> None:
    end = int(time.time()) + HOUR
    assert wallet.client.rpc("wallet_createSession", session(wallet, expirySec=end, expiry=hex(end)))
    error = catch_error(wallet.client, "wallet_createSession", session(wallet, expirySec=end, expiry=hex(end - 1)))
    assert (error.reason, error.data["field"]) == ("duplicate_limit", "params.expiry")


@pytest.mark.parametrize("written", [float, lambda end: end])
def test_an_expiry_may_be_a_double(wallet: Wallet, written: Any) -> None:
    end = int(time.time()) + HOUR
    created = wallet.client.rpc("wallet_createSession", session(wallet, expirySec=written(end)))
    assert created["signatureRequest"]["data"]["message"]["deadline"] == end
    error = catch_error(wallet.client, "wallet_createSession", session(wallet, expirySec=end + 0.5))
    assert error.data["field"] == "params.expirySec"


@pytest.mark.parametrize("is_keyed", [False, True])
@pytest.mark.parametrize("name", ["input", "operation", "gas", "from"])
def test_a_call_with_an_unknown_member_is_rejected_by_its_name(wallet: Wallet, name: str, is_keyed: bool) -> None:
    call = {"to": TOKEN, name: transfer(1)["data"] if name == "input" else "0x1"}
    request: Json = {"from": wallet.account, "chainId": HERE, "calls": [transfer(1), call]}
    if is_keyed:
        request["key"] = key_of(wallet.owner)
    error = catch_error(wallet.client, "wallet_prepareCalls", request)
    assert (error.code, error.reason) == (-32602, "unknown_member")
    assert error.data["field"] == f"params.calls[1].{name}"


def test_a_call_may_name_its_requests_chain_and_optional_capabilities(wallet: Wallet) -> None:
    optional = {"paymasterService": {"url": "https://example.com", "optional": True}}
    plain = wallet.prepare(transfer(1))["data"]["callData"]
    assert wallet.prepare({**transfer(1), "chainId": HERE, "capabilities": optional})["data"]["callData"] == plain
    assert wallet.prepare({**transfer(1), "value": None, "capabilities": None})["data"]["callData"] == plain

    for more, code, reason, field in (
        ({"chainId": "0x66eee"}, -32602, "call_on_another_chain", "calls[0].chainId"),
        (
            {"capabilities": {"auxiliaryFunds": {}}},
            5700,
            "unsupported_capability",
            "calls[0].capabilities.auxiliaryFunds",
        ),
    ):
        with pytest.raises(RpcError) as error_info:
            wallet.prepare({**transfer(1), **more})
        error = error_info.value
        assert (error.code, error.reason, error.data["field"]) == (code, reason, f"params.{field}")


@pytest.mark.parametrize("hint", [{"accountType": "sma-b", "initialOwners": [FRIEND]}, {"owners": [FRIEND]}])
def test_an_unsupported_hint_is_rejected(client: Client, hint: Json) -> None:
    error = catch_error(client, "wallet_requestAccount", {"signerAddress": new_key().address, "creationHint": hint})
    assert error.reason in {"account_type_not_supported", "unknown_member"}
    assert error.data["field"].startswith("params.creationHint.")


PREPARE, SIGN = {"chainId": HERE}, {"type": "personal_sign", "data": "hi"}
GRANT: Json = {
    "chainId": HERE,
    "expiry": 9_999_999_999,
    "signer": {"type": "key", "data": {"type": "secp256k1", "publicKey": FRIEND}},
    "permissions": [ACCESS],
}
ZEROS: list[tuple[str, Any, str]] = [
    ("wallet_requestAccount", {"signerAddress": ZERO}, "signerAddress"),
    ("wallet_requestAccount", {"accountAddress": ZERO}, "accountAddress"),
    ("wallet_listAccounts", {"signerAddress": ZERO}, "signerAddress"),
    ("wallet_getCapabilities", ZERO, "address"),
    ("wallet_createSession", {"account": ZERO}, "account"),
    ("wallet_createSession", {"key": {"type": "secp256k1", "publicKey": ZERO}}, "key.publicKey"),
    ("wallet_createSession", {"key": {"type": "contract", "publicKey": ZERO}}, "key.publicKey"),
    ("wallet_prepareCalls", {**PREPARE, "from": ZERO}, "from"),
    ("wallet_prepareCalls", {**PREPARE, "from": ZERO, "key": {"type": "address", "publicKey": FRIEND}}, "from"),
    ("wallet_prepareSign", {**PREPARE, "from": ZERO, "signatureRequest": SIGN}, "from"),
    ("wallet_formatSign", {**PREPARE, "from": ZERO, "signature": {"data": "0x" + "11" * 65}}, "from"),
    ("wallet_grantPermissions", {**GRANT, "address": ZERO}, "address"),
    ("wallet_grantPermissions", {**GRANT, "account": ZERO}, "account"),
    (
        "wallet_grantPermissions",
        {**GRANT, "signer": {"type": "account", "data": {"address": ZERO}}},
        "signer.data.address",
    ),
]


@pytest.mark.parametrize(("method", "params", "field"), ZEROS)
def test_the_zero_address_is_not_an_account_owner_or_key(wallet: Wallet, method: str, params: Json, field: str) -> None:
    request = session(wallet, **params) if method == "wallet_createSession" else params
    if method == "wallet_grantPermissions":
        request = {"address": wallet.account, **request} if "account" not in request else request
    error = catch_error(wallet.client, method, request)
    assert (error.code, error.reason, error.data["field"]) == (-32602, "zero_address", f"params.{field}")


def test_the_zero_address_sends_nothing(wallet: Wallet) -> None:
    request = wallet.sign(wallet.prepare(transfer(1)), wallet.owner, None)
    error = catch_error(
        wallet.client, "wallet_sendPreparedCalls", {**request, "data": {**request["data"], "sender": ZERO}}
    )
    assert (error.reason, error.data["field"]) == ("zero_address", "params.data.sender")


@pytest.mark.parametrize(
    "method", ["wallet_prepareCalls", "wallet_sendPreparedCalls", "wallet_prepareSign", "wallet_formatSign"]
)
def test_a_chain_of_another_namespace_is_rejected_first(client: Client, method: str) -> None:
    call = {"programId": "11111111111111111111111111111111", "data": "0x"}
    request: Json = {"calls": [call], "from": "DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy", "chainId": SOLANA}
    if method == "wallet_sendPreparedCalls":
        request["type"] = "solana-transaction-v0"
    error = catch_error(client, method, request)
    assert (error.code, error.reason, error.data["field"]) == (-32602, "namespace_not_supported", "params.chainId")
    assert "of the namespace solana" in error.message


def test_the_native_token_constant_is_accepted_in_any_letter_case(wallet: Wallet) -> None:
    for text in (NATIVE, NATIVE.lower(), NATIVE.swapcase().replace("0X", "0x")):
        assert wallet.prepare({"to": text})["type"] == "user-operation-v070"
    error = catch_error(wallet.client, "wallet_prepareCalls", {"from": NATIVE, "chainId": HERE, "calls": [{"to": 1}]})
    assert error.data["field"] == "params.calls[0].to"


WORKERS = ["0x1", "0x2", "0x3", "0x4"]


def test_parallel_nonce_keys_are_rejected_until_the_session_is_installed_and_then_all_settle(
    wallet: Wallet,
) -> None:
    grant, paid = wallet.grant({"type": "root"}), new_key().address
    pay = transfer(1, to=paid)

    def work(key: str) -> int | str:
        """Make one worker's call, and return its status, or the reason and field of the error."""
        try:
            prepared = wallet.prepare(pay, permissions=grant.permissions, nonceOverride={"nonceKey": key})
            status: int = wallet.wait_until_final(wallet.send(prepared, grant.key, grant.permissions))["status"]
        except RpcError as error:
            return f"{error.reason} at {error.data['field']}"
        return status

    with ThreadPoolExecutor(len(WORKERS)) as pool:
        rejection = "nonce_key_not_applicable at params.capabilities.nonceOverride.nonceKey"
        assert list(pool.map(work, WORKERS)) == [rejection] * len(WORKERS)
        assert wallet.client.token_balance(paid) == 0
        assert work("0x0") == 200
        assert list(pool.map(work, WORKERS)) == [200] * len(WORKERS)
    assert wallet.client.token_balance(paid) == 1 + len(WORKERS)


def test_a_removal_of_a_delegation_has_no_parallel_key(client: Client) -> None:
    eoa = External(client)
    eoa.fund()
    eoa.delegate()
    with pytest.raises(RpcError) as error_info:
        eoa.prepare(eip7702Auth={"delegation": ZERO}, nonceOverride={"nonceKey": "0x1"})
    assert error_info.value.reason == "nonce_key_not_applicable"


def test_another_callers_requests_do_not_change_a_future_account(client: Client) -> None:
    owner = new_key()
    address = client.rpc("wallet_requestAccount", {"signerAddress": owner.address})["accountAddress"]
    victim = new_key()
    expected = client.rpc(
        "eth_call",
        {
            "to": "0x00000000000017c61b5bEe81050EC8eFc9c6fecd",
            "data": call_data("getAddressSemiModular(address,uint256)", victim.address, 0),
        },
        "latest",
    )
    expected = "0x" + expected[-40:]
    client.rpc("wallet_requestAccount", {"signerAddress": expected, "creationHint": {"accountType": "7702"}})
    for sender in (expected, victim.address):
        service = {"paymasterService": {"policyId": POLICY}}
        client.rpc("wallet_prepareCalls", {"from": sender, "chainId": HERE, "calls": [], "capabilities": service})
    client.rpc("wallet_requestAccount", {"signerAddress": victim.address, "creationHint": {"salt": "0x3"}})

    wallet = Wallet(client, owner=victim)

    assert wallet.account.lower() == expected != address.lower()
    assert wallet.act(wallet.grant({"type": "root"}), {"to": FRIEND})["status"] == 200

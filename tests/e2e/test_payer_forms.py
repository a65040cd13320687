"""Unclear paymaster capabilities are rejected in each request format, so that an account never pays unexpectedly."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.standards import Json, ask, key_of, keyed_request
from tests.support.constants import FRIEND, POLICY
from tests.support.keys import sign_digest
from tests.support.rpc_client import RpcError
from tests.support.wallet import Wallet

URL = "https://paymaster.example"
UNCLEAR: dict[str, Json] = {
    "a standard context": {"paymasterService": {"context": {"policyId": POLICY}}},
    "a standard url": {"paymasterService": {"url": URL, "context": {"policyId": POLICY}}},
    "no policies": {"paymasterService": {"policyIds": []}},
    "no member": {"paymasterService": {}},
    "a null policy": {"paymasterService": {"policyId": None}},
    "keyed by chain": {"paymasterService": {"0x7a69": {"url": URL}}},
    "another letter case": {"paymasterService": {"policyID": POLICY}},
    "an unknown member next to a policy": {"paymasterService": {"policyId": POLICY, "maxCost": "0x1"}},
    "a name of an SDK": {"paymaster": {"policyId": POLICY}},
    "another letter case of the name": {"PaymasterService": {"policyId": POLICY}},
    "an unknown capability": {"sponsor": {"policyId": POLICY}},
    "an unknown capability that is null": {"sponsor": None},
    "an unknown fee": {"gasParamsOverride": {"maxFeePergas": "0x1"}},
}
JUNK: Json = {"paymasterService": {"policyID": 7, "0x7a69": {}}, "sponsor": {}, "gasParamsOverride": {"any": []}}
"""Capabilities that wallet_sendPreparedCalls ignores."""


@pytest.mark.parametrize("name", UNCLEAR)
@pytest.mark.parametrize("form", ["hosted", "keyed"])
def test_an_unclear_payer_is_rejected(wallet: Wallet, form: str, name: str) -> None:
    request = keyed_request(wallet, wallet.owner, {"to": FRIEND})
    request["capabilities"] = UNCLEAR[name]
    if form == "hosted":
        del request["key"]
    with pytest.raises(RpcError) as error_info:
        ask(wallet.client, "wallet_prepareCalls", request)
    (capability,) = UNCLEAR[name]
    assert error_info.value.code in {5700, -32602}
    assert error_info.value.data["field"].startswith(f"params.capabilities.{capability}")


def test_the_account_pays_when_an_unclear_payer_is_optional(wallet: Wallet) -> None:
    for capabilities in UNCLEAR.values():
        optional = {name: {**(given or {}), "optional": True} for name, given in capabilities.items()}
        if "gasParamsOverride" in optional or "maxCost" in optional.get("paymasterService", {}):
            continue
        assert wallet.prepare({"to": FRIEND}, sponsored=False, **optional)["feePayment"]["sponsored"] is False


def test_sending_ignores_capabilities_that_it_does_not_need(wallet: Wallet) -> None:
    hosted = wallet.sign(wallet.prepare({"to": FRIEND}), wallet.owner, None)
    sent = ask(wallet.client, "wallet_sendPreparedCalls", {**hosted, "capabilities": JUNK})
    assert wallet.wait_until_final(sent["id"])["status"] == 200
    prepared = ask(wallet.client, "wallet_prepareCalls", keyed_request(wallet, wallet.owner, {"to": FRIEND}))
    signed: dict[str, Any] = {"context": prepared["context"], "key": key_of(wallet.owner), "capabilities": JUNK}
    signed["signature"] = sign_digest(wallet.owner, prepared["digest"])
    (again,) = ask(wallet.client, "wallet_sendPreparedCalls", signed)
    assert wallet.wait_until_final(again["id"])["status"] == 200

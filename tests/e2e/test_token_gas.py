"""Gas paid in ERC-20: after the calls by an allowance, before them by a permit; and rejected requests."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from tests.e2e.delegating import external
from tests.e2e.stacks import on_both_stacks
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, POLICY, TOKEN
from tests.support.keys import new_key, sign_request
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

PAYMASTER = "0x7e57000000000000000000000000000000000003"
PLENTY = 10**24
ENOUGH = hex(10**22)
RATE = 2000
"""Units of the token per wei, an arbitrary rate of the development paymaster."""
pytestmark = on_both_stacks


@pytest.fixture
def payer(client: Client) -> Wallet:
    """Return an account with tokens and without native balance."""
    return Wallet(client).fund(wei=0, tokens=PLENTY)


def gas_in(token: str = TOKEN, **settings: Any) -> dict[str, Any]:
    return {"policyId": POLICY, "erc20": {"tokenAddress": token, **settings}}


def allowance(wallet: Wallet) -> int:
    data = call_data("allowance(address,address)", wallet.account, PAYMASTER)
    return int(wallet.client.rpc("eth_call", {"to": TOKEN, "data": data}, "latest"), 16)


def approve(amount: int) -> dict[str, str]:
    return {"to": TOKEN, "data": call_data("approve(address,uint256)", PAYMASTER, amount)}


def request(wallet: Wallet, service: dict[str, Any], *calls: dict[str, Any]) -> dict[str, Any]:
    return wallet.build_calls(*calls, paymasterService=service)


def signed_permit(wallet: Wallet, prepared: dict[str, Any]) -> dict[str, Any]:
    """Return the second request: the server's modified one with the owner's signature of the permit."""
    signature = {"type": "secp256k1", "data": sign_request(wallet.owner, prepared["signatureRequest"])}
    return {**prepared["modifiedRequest"], "paymasterPermitSignature": signature}


def send_and_check_payment(wallet: Wallet, prepared: dict[str, Any], *, moved: int = 0) -> int:
    """Send a prepared call, and return the tokens paid: the gas cost, or up to an eighth more, within `maxAmount`."""
    before = wallet.client.token_balance(wallet.account)
    received = wallet.client.token_balance(PAYMASTER)
    status = wallet.wait_until_final(wallet.send(prepared, wallet.owner))
    assert status["status"] == 200
    paid = wallet.client.token_balance(PAYMASTER) - received
    assert before - wallet.client.token_balance(wallet.account) == paid + moved
    fee = prepared["feePayment"]
    assert (fee["sponsored"], fee["tokenAddress"].lower()) == (False, TOKEN)
    receipt = wallet.client.rpc("eth_getUserOperationReceipt", prepared["details"]["data"]["hash"])
    cost = int(receipt["actualGasCost"], 16) * RATE
    assert cost <= paid <= min(int(fee["maxAmount"], 16), cost * 9 // 8), paid / cost
    assert wallet.client.balance(wallet.account) == 0
    return paid


def catch_error(code: int, reason: str, action: Any) -> RpcError:
    with pytest.raises(RpcError) as error_info:
        action()
    assert (error_info.value.code, error_info.value.reason) == (code, reason), error_info.value.message
    return error_info.value


def test_exactly_the_maximum_charge_is_approved(payer: Wallet) -> None:
    prepared = payer.prepare(transfer(7), paymasterService=gas_in(postOpSettings={"autoApprove": True}))
    max_amount = int(prepared["feePayment"]["maxAmount"], 16)
    approving, moving = prepared["details"]["data"]["calls"]
    assert approving["to"].lower() == TOKEN
    assert approving["data"] == approve(max_amount)["data"]
    assert moving["data"] == transfer(7)["data"]
    paid = send_and_check_payment(payer, prepared, moved=7)
    assert allowance(payer) == max_amount - paid


def test_a_sufficient_allowance_is_not_approved_again(payer: Wallet) -> None:
    first = payer.prepare(approve(PLENTY), paymasterService=gas_in(postOpSettings={"autoApprove": True}))
    assert [call["to"].lower() for call in first["details"]["data"]["calls"]] == [TOKEN, TOKEN]
    send_and_check_payment(payer, first)
    again = payer.prepare(transfer(7), paymasterService=gas_in(postOpSettings={"autoApprove": True}))
    assert len(again["details"]["data"]["calls"]) == 1
    send_and_check_payment(payer, again, moved=7)


def test_an_allowance_below_the_threshold_is_raised_to_the_amount(payer: Wallet) -> None:
    settings = {"autoApprove": {"below": "0x1", "amount": ENOUGH}}
    prepared = payer.prepare(transfer(7), paymasterService=gas_in(postOpSettings=settings))
    assert prepared["details"]["data"]["calls"][0]["data"] == approve(10**22)["data"]
    paid = send_and_check_payment(payer, prepared, moved=7)
    assert allowance(payer) == 10**22 - paid
    again = payer.prepare(transfer(7), paymasterService=gas_in(postOpSettings=settings))
    assert len(again["details"]["data"]["calls"]) == 1
    send_and_check_payment(payer, again, moved=7)


def test_a_caller_may_manage_the_allowance(payer: Wallet) -> None:
    send_and_check_payment(payer, payer.prepare(approve(10**22), paymasterService=gas_in()))
    send_and_check_payment(payer, payer.prepare(transfer(7), paymasterService=gas_in(postOpSettings={})), moved=7)


@pytest.mark.parametrize("parity", [False, True], ids=["v 27 or 28", "v 0 or 1"])
def test_a_permit_is_signed_first_and_sent_with_the_operation(payer: Wallet, parity: bool) -> None:
    permit = {"below": ENOUGH, "amount": ENOUGH, "durationSeconds": "0xe10"}
    params = request(payer, gas_in(preOpSettings={"autoPermit": permit}), transfer(7))
    first = payer.client.rpc("wallet_prepareCalls", params)
    assert first["type"] == "paymaster-permit"
    assert first["signatureRequest"]["type"] == "eth_signTypedData_v4"
    assert first["data"]["primaryType"] == "Permit"
    assert first["data"]["message"]["value"] == ENOUGH
    details = first["modifiedRequest"]["capabilities"]["paymasterService"]["erc20"]["preOpSettings"]["permitDetails"]
    assert details["value"] == ENOUGH
    assert abs(int(details["deadline"], 16) - time.time() - 3600) < 60
    signed = signed_permit(payer, first)
    signature = signed["paymasterPermitSignature"]["data"]
    v = int(signature[-2:], 16) - (27 if parity else 0)
    signed["paymasterPermitSignature"]["data"] = f"{signature[:-2]}{v:02x}"
    second = payer.client.rpc("wallet_prepareCalls", signed)
    assert second["type"] == "user-operation-v070"
    max_amount = int(second["feePayment"]["maxAmount"], 16)
    send_and_check_payment(payer, second, moved=7)
    assert allowance(payer) == 10**22 - max_amount


def test_the_modified_request_differs_only_in_the_permit(payer: Wallet) -> None:
    service = gas_in(maxTokenAmount=ENOUGH, preOpSettings={"autoPermit": {"below": "0x1", "amount": ENOUGH}})
    params = request(payer, {**service, "webhookData": "w"}, {**transfer(7), "value": "0x0"})
    params["capabilities"]["nonceOverride"] = {"nonceKey": "0x7"}
    modified = payer.client.rpc("wallet_prepareCalls", params)["modifiedRequest"]
    del modified["capabilities"]["paymasterService"]["erc20"]["preOpSettings"]
    del params["capabilities"]["paymasterService"]["erc20"]["preOpSettings"]
    assert lower_case(modified) == lower_case(params)


def lower_case(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: lower_case(item) for key, item in value.items()}
    if isinstance(value, list):
        return [lower_case(item) for item in value]
    return value.lower() if isinstance(value, str) else value


def test_an_allowance_above_the_threshold_needs_no_permit(payer: Wallet) -> None:
    send_and_check_payment(
        payer, payer.prepare(approve(10**22), paymasterService=gas_in(postOpSettings={"autoApprove": True}))
    )
    permit = {"below": "0x1", "amount": ENOUGH}
    prepared = payer.prepare(transfer(7), paymasterService=gas_in(preOpSettings={"autoPermit": permit}))
    assert prepared["type"] == "user-operation-v070"
    send_and_check_payment(payer, prepared, moved=7)


def test_an_externally_owned_account_pays_by_permit_and_is_delegated_in_one_operation(payer: Wallet) -> None:
    wallet = external(payer)
    wallet.client.mint(wallet.account, PLENTY)
    permit = {"autoPermit": {"below": ENOUGH, "amount": ENOUGH}}
    first = wallet.client.rpc("wallet_prepareCalls", request(wallet, gas_in(preOpSettings=permit), transfer(7)))
    second = wallet.client.rpc("wallet_prepareCalls", signed_permit(wallet, first))
    assert second["type"] == "array"
    status = wallet.wait_until_final(wallet.submit(wallet.sign_array(second)))
    assert status["status"] == 200
    rest = wallet.client.token_balance(wallet.account)
    assert 0 < PLENTY - 7 - rest < int(second["data"][1]["feePayment"]["maxAmount"], 16)


def test_a_permit_by_another_key_or_of_another_amount_is_rejected(payer: Wallet) -> None:
    permit = {"autoPermit": {"below": ENOUGH, "amount": ENOUGH}}
    first = payer.client.rpc("wallet_prepareCalls", request(payer, gas_in(preOpSettings=permit), transfer(7)))
    good = signed_permit(payer, first)
    payer.owner = new_key()
    rpc = payer.client.rpc
    catch_error(-32507, "permit_signature_invalid", lambda: rpc("wallet_prepareCalls", signed_permit(payer, first)))
    details = good["capabilities"]["paymasterService"]["erc20"]["preOpSettings"]["permitDetails"]
    details["value"] = hex(10**23)
    catch_error(-32507, "permit_signature_invalid", lambda: rpc("wallet_prepareCalls", good))
    halves = {"type": "secp256k1", "data": {"r": "0x1", "s": "0x2"}}
    prepare_half = partial(rpc, "wallet_prepareCalls", {**good, "paymasterPermitSignature": halves})
    malformed = catch_error(-32602, "signature_malformed", prepare_half)
    assert malformed.data["field"] == "params.paymasterPermitSignature.data"
    del good["paymasterPermitSignature"]
    catch_error(-32602, "permit_signature_missing", lambda: rpc("wallet_prepareCalls", good))
    details["deadline"] = hex(int(time.time()) - 1)
    late = {**good, "paymasterPermitSignature": {"type": "secp256k1", "data": "0x" + "11" * 65}}
    catch_error(-32000, "permit_expired", lambda: rpc("wallet_prepareCalls", late))


def test_a_permit_below_the_cost_is_rejected(payer: Wallet) -> None:
    permit = {"autoPermit": {"below": "0x5", "amount": "0x4"}}
    first = payer.client.rpc("wallet_prepareCalls", request(payer, gas_in(preOpSettings=permit), transfer(7)))
    again = signed_permit(payer, first)
    catch_error(-32000, "insufficient_token_allowance", lambda: payer.client.rpc("wallet_prepareCalls", again))


@pytest.mark.parametrize("settings", [{"autoApprove": True}, {"autoApprove": {"below": "0x1", "amount": ENOUGH}}, {}])
def test_an_account_that_cannot_pay_is_rejected_before_it_signs(client: Client, settings: dict[str, Any]) -> None:
    poor = Wallet(client)
    service = gas_in(postOpSettings=settings)
    catch_error(-32000, "insufficient_token_balance", lambda: poor.prepare({"to": FRIEND}, paymasterService=service))
    poor.fund(wei=0, tokens=5)
    catch_error(-32000, "insufficient_token_balance", lambda: poor.prepare({"to": FRIEND}, paymasterService=service))


def test_calls_that_provide_the_tokens_need_none_before(client: Client) -> None:
    poor = Wallet(client)
    mint = {"to": TOKEN, "data": call_data("mint(address,uint256)", poor.account, PLENTY)}
    service = gas_in(postOpSettings={"autoApprove": True, "balanceCheck": False})
    prepared = poor.prepare(mint, paymasterService=service)
    assert poor.wait_until_final(poor.send(prepared, poor.owner))["status"] == 200
    paid = PLENTY - client.token_balance(poor.account)
    assert 0 < paid <= int(prepared["feePayment"]["maxAmount"], 16)


@pytest.mark.parametrize("settings", [{"postOpSettings": {"autoApprove": True}}, {}])
def test_a_charge_above_the_callers_maximum_is_rejected(payer: Wallet, settings: dict[str, Any]) -> None:
    service = gas_in(maxTokenAmount="0x5", **settings)
    prepare = partial(payer.prepare, approve(10**22), paymasterService=service)
    assert "maxTokenAmount" in catch_error(-32000, "max_token_amount_exceeded", prepare).message


PERMIT = {"below": ENOUGH, "amount": ENOUGH}


def test_a_token_without_a_rate_is_rejected_by_name(payer: Wallet) -> None:
    service = gas_in(FRIEND, postOpSettings={"autoApprove": True})
    with pytest.raises(RpcError) as error_info:
        payer.prepare(transfer(7), paymasterService=service)
    assert error_info.value.code == -32600
    assert FRIEND.lower() in error_info.value.message.lower()


def test_a_session_that_may_approve_pays_in_the_token(payer: Wallet) -> None:
    grant = payer.grant({"type": "contract-access", "data": {"address": TOKEN}})
    settings = gas_in(postOpSettings={"autoApprove": True})
    assert payer.act(grant, transfer(7), paymasterService=settings)["status"] == 200
    assert payer.client.token_balance(PAYMASTER) > 0


def test_a_session_that_may_not_approve_gets_an_error_that_names_the_permission(payer: Wallet) -> None:
    functions = {"address": TOKEN, "functions": ["0xa9059cbb"]}
    grant = payer.grant({"type": "functions-on-contract", "data": functions})
    with pytest.raises(RpcError, match="functions-on-contract") as error_info:
        payer.act(grant, transfer(7), paymasterService=gas_in(postOpSettings={"autoApprove": True}))
    assert error_info.value.data["permissions"] == ["functions-on-contract"]


def test_a_session_cannot_sign_a_permit(payer: Wallet) -> None:
    grant = payer.grant({"type": "root"})
    service = gas_in(preOpSettings={"autoPermit": PERMIT})
    catch_error(-32602, "session_cannot_permit", lambda: payer.act(grant, transfer(7), paymasterService=service))


BOTH = {"preOpSettings": {"autoPermit": PERMIT}, "postOpSettings": {}}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (BOTH, "Cannot specify both preOpSettings and postOpSettings"),
        ({"preOp": {}}, "erc20.preOp: no such member of this object; its members are "),
        ({"preOpSettings": {}}, "preOpSettings: expected either autoPermit or permitDetails"),
        ({"postOpSettings": {"autoApprove": False}}, "autoApprove"),
        ({"postOpSettings": {"balanceCheck": True}}, "balanceCheck"),
        ({"maxTokenAmount": "five"}, "maxTokenAmount"),
    ],
)
def test_invalid_settings_are_rejected(payer: Wallet, settings: dict[str, Any], text: str) -> None:
    with pytest.raises(RpcError) as error_info:
        payer.prepare(transfer(7), paymasterService=gas_in(**settings))
    assert error_info.value.code == -32602
    assert text in error_info.value.message


def test_gas_in_erc20_needs_a_policy(payer: Wallet) -> None:
    with pytest.raises(RpcError, match="policyId") as error_info:
        payer.prepare(transfer(7), paymasterService={"erc20": {"tokenAddress": TOKEN}})
    assert error_info.value.code == -32602

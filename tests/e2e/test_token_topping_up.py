"""Amounts in errors about gas in ERC-20: topped up to the amount, the account pays; one unit below, it does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.delegating import External, external
from tests.e2e.stacks import on_both_stacks
from tests.e2e.test_token_gas import PLENTY, allowance, approve, gas_in, request, signed_permit
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

pytestmark = on_both_stacks
PRICE = {"maxFeePerGas": hex(5 * 10**9), "maxPriorityFeePerGas": hex(10**9)}
"""Fixed gas price, so that the needed amount is the same before and after."""
AUTO: dict[str, Any] = {"postOpSettings": {"autoApprove": True}}
BEFORE: dict[str, Any] = {"preOpSettings": {"autoPermit": {"below": "0x1", "amount": hex(10**22)}}}
FIXED: dict[str, Any] = {"postOpSettings": {"autoApprove": {"below": hex(10**23), "amount": hex(10**24)}}}
OTHER: list[dict[str, Any]] = [{"to": FRIEND}]
MOVING: list[dict[str, Any]] = [transfer(10**20), {"to": FRIEND}, transfer(3)]
"""Calls that spend the token themselves."""


def needed_amount(prepare_calls: Any, reason: str) -> int:
    """Prepare calls that must fail, and return the needed amount in the error."""
    with pytest.raises(RpcError) as error_info:
        prepare_calls()
    assert error_info.value.reason == reason, error_info.value.message
    found = re.search(r"at least (\d+)", error_info.value.message)
    assert found is not None, error_info.value.message
    return int(found[1])


def prepare(wallet: Wallet, calls: list[dict[str, Any]], settings: dict[str, Any]) -> dict[str, Any]:
    return wallet.prepare(*calls, paymasterService=gas_in(**settings), gasParamsOverride=PRICE)


def assert_succeeds(wallet: Wallet, prepared: dict[str, Any]) -> None:
    if prepared["type"] == "array":
        assert isinstance(wallet, External)
        call_id = wallet.submit(wallet.sign_array(prepared))
    else:
        call_id = wallet.send(prepared, wallet.owner)
    assert wallet.wait_until_final(call_id)["status"] == 200
    assert wallet.client.balance(wallet.account) == 0


@pytest.mark.parametrize(
    ("settings", "calls"), [(AUTO, []), (AUTO, MOVING), (FIXED, OTHER)], ids=["", "moving", "fixed"]
)
def test_the_reported_balance_suffices_and_a_unit_less_does_not(
    client: Client, settings: dict[str, Any], calls: list[dict[str, Any]]
) -> None:
    poor = Wallet(client)
    needed = needed_amount(lambda: prepare(poor, calls, settings), "insufficient_token_balance")
    client.mint(poor.account, needed - 1)
    assert needed_amount(lambda: prepare(poor, calls, settings), "insufficient_token_balance") == needed
    client.mint(poor.account, 1)
    assert_succeeds(poor, prepare(poor, calls, settings))


def test_an_account_before_its_delegation_gets_the_same_amount(client: Client) -> None:
    poor = external(Wallet(client))
    needed = needed_amount(lambda: prepare(poor, OTHER, AUTO), "insufficient_token_balance")
    client.mint(poor.account, needed - 1)
    assert needed_amount(lambda: prepare(poor, OTHER, AUTO), "insufficient_token_balance") == needed
    client.mint(poor.account, 1)
    assert_succeeds(poor, prepare(poor, OTHER, AUTO))


def test_a_permit_of_the_reported_amount_suffices(client: Client) -> None:
    poor, amount = Wallet(client), "0x4"

    def prepare_calls() -> dict[str, Any]:
        service = gas_in(preOpSettings={"autoPermit": {"below": hex(1 << 200), "amount": amount}})
        params = {**request(poor, service, {"to": FRIEND})}
        params["capabilities"]["gasParamsOverride"] = PRICE
        first = client.rpc("wallet_prepareCalls", params)
        made: dict[str, Any] = client.rpc("wallet_prepareCalls", signed_permit(poor, first))
        return made

    client.mint(poor.account, PLENTY)
    amount = hex(needed_amount(prepare_calls, "insufficient_token_allowance"))
    assert_succeeds(poor, prepare_calls())


def test_a_balance_for_the_charge_before_the_calls_suffices_and_a_unit_less_does_not(client: Client) -> None:
    poor = Wallet(client)
    client.mint(poor.account, PLENTY)
    assert_succeeds(poor, prepare(poor, [approve(PLENTY)], AUTO))
    _spend(poor)
    needed = needed_amount(lambda: prepare(poor, OTHER, BEFORE), "insufficient_token_balance")
    client.mint(poor.account, needed - 1 - client.token_balance(poor.account))
    assert needed_amount(lambda: prepare(poor, OTHER, BEFORE), "insufficient_token_balance") == needed
    client.mint(poor.account, 1)
    assert_succeeds(poor, prepare(poor, OTHER, BEFORE))


def test_calls_may_spend_tokens_that_are_not_charged_for_gas_before_them(client: Client) -> None:
    payer = Wallet(client).fund(wei=0, tokens=PLENTY)
    assert_succeeds(payer, prepare(payer, [approve(PLENTY)], AUTO))
    assert_succeeds(payer, prepare(payer, [transfer(PLENTY // 2)], BEFORE))


def _spend(wallet: Wallet) -> None:
    """Spend all tokens except five units."""
    rest = wallet.client.token_balance(wallet.account) - 5
    status = wallet.act(None, {"to": TOKEN, "data": call_data("transfer(address,uint256)", FRIEND, rest)})
    assert status["status"] == 200


def test_a_manual_allowance_of_the_reported_amount_suffices(client: Client) -> None:
    payer = Wallet(client).fund(wei=0, tokens=PLENTY)
    needed = needed_amount(lambda: prepare(payer, OTHER, {}), "insufficient_token_allowance")
    assert payer.act(None, approve(needed))["status"] == 200
    assert allowance(payer) == needed
    assert_succeeds(payer, prepare(payer, OTHER, {}))


@pytest.mark.parametrize("settings", [AUTO, BEFORE], ids=["after", "before"])
def test_a_max_token_amount_of_the_reported_amount_suffices(client: Client, settings: dict[str, Any]) -> None:
    payer = Wallet(client).fund(wei=0, tokens=PLENTY)
    assert_succeeds(payer, prepare(payer, [approve(PLENTY)], AUTO))
    limited = {"maxTokenAmount": "0x5", **settings}
    needed = needed_amount(lambda: prepare(payer, MOVING, limited), "max_token_amount_exceeded")
    assert_succeeds(payer, prepare(payer, MOVING, {**limited, "maxTokenAmount": hex(needed)}))


def test_the_amount_of_an_estimate_suffices(client: Client) -> None:
    poor = Wallet(client)
    service = {**gas_in(**AUTO), "onlyEstimation": True}
    estimated = poor.prepare({"to": FRIEND}, paymasterService=service, gasParamsOverride=PRICE)
    client.mint(poor.account, int(estimated["feePayment"]["maxAmount"], 16))
    assert_succeeds(poor, prepare(poor, OTHER, AUTO))

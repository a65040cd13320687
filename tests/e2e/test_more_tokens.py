"""Gas paid in other ERC-20 tokens than the development chain's own, at the operator's price."""

from __future__ import annotations

import argparse
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.delegating import External
from tests.e2e.stacks import DOLLAR, DOLLAR_RATE, on_both_stacks
from tests.e2e.test_token_gas import PAYMASTER, gas_in, request, signed_permit
from tests.support.calls import call_data
from tests.support.constants import FRIEND, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.__main__ import _parser
from wallet_rpc.cli.option_types import parse_token_price
from wallet_rpc.domain.token_charge import ONE_COIN
from wallet_rpc.primitives import Address

BALANCE = 1_000 * 10**6
CEILING = 100 * 10**6


def dollars(wallet: Wallet, signature: str, *values: str) -> int:
    call = {"to": DOLLAR.hex0x(), "data": call_data(signature, *values)}
    return int(wallet.client.rpc("eth_call", call, "latest"), 16)


@pytest.fixture(params=[Wallet, External])
def payer(request: pytest.FixtureRequest, client: Client) -> Wallet:
    """Return an account with dollars and without native balance; the token is a copy of the test token."""
    client.chain("anvil_setCode", DOLLAR.hex0x(), client.rpc("eth_getCode", TOKEN, "latest"))
    made: Wallet = request.param(client)
    data = call_data("mint(address,uint256)", made.account, BALANCE)
    client.chain("eth_sendTransaction", {"from": client.chain("eth_accounts")[0], "to": DOLLAR.hex0x(), "data": data})
    return made


@pytest.mark.parametrize(
    "settings",
    [
        {"postOpSettings": {"autoApprove": True}},
        {"postOpSettings": {"autoApprove": {"below": "0x1", "amount": hex(CEILING)}}},
        {"preOpSettings": {"autoPermit": {"below": "0x1", "amount": hex(CEILING)}}},
    ],
    ids=["exact", "mark", "permit"],
)
def test_gas_is_paid_in_any_token_that_has_a_price(payer: Wallet, settings: dict[str, Any]) -> None:
    before = dollars(payer, "balanceOf(address)", PAYMASTER)
    params = request(payer, gas_in(DOLLAR.hex0x(), **settings), {"to": FRIEND})
    prepared = payer.client.rpc("wallet_prepareCalls", params)
    if prepared["type"] == "paymaster-permit":
        assert prepared["data"]["domain"]["verifyingContract"] == DOLLAR.hex0x()
        prepared = payer.client.rpc("wallet_prepareCalls", signed_permit(payer, prepared))
    if isinstance(payer, External):
        status = payer.wait_until_final(payer.submit(payer.sign_array(prepared)))
        fee, name = prepared["data"][1]["feePayment"], prepared["data"][1]["details"]["data"]["hash"]
    else:
        status = payer.wait_until_final(payer.send(prepared, payer.owner))
        fee, name = prepared["feePayment"], prepared["details"]["data"]["hash"]

    assert status["status"] == 200
    assert fee["tokenAddress"] == DOLLAR.hex0x()
    paid = BALANCE - dollars(payer, "balanceOf(address)", payer.account)
    assert dollars(payer, "balanceOf(address)", PAYMASTER) - before == paid
    cost = int(payer.client.rpc("eth_getUserOperationReceipt", name)["actualGasCost"], 16)
    exact = Fraction(cost * DOLLAR_RATE, ONE_COIN)
    assert exact <= paid <= exact * 9 / 8 + 1
    assert paid <= int(fee["maxAmount"], 16)


@on_both_stacks
def test_a_token_without_a_price_is_rejected_with_the_list_of_priced_tokens(wallet: Wallet) -> None:
    other = "0x" + "42" * 20
    with pytest.raises(RpcError) as error_info:
        wallet.prepare({"to": FRIEND}, paymasterService=gas_in(other))
    assert (error_info.value.code, error_info.value.data["why"]) == (-32600, "token_not_taken")
    assert error_info.value.message.lower().startswith(f"sponsorship failed: the paymaster accepts only {TOKEN}")
    assert error_info.value.message.endswith(f"requested payment of gas in the token {other}")


@given(price=st.decimals(min_value="0.000000000001", max_value=10**18, places=12))
def test_a_price_is_rounded_up_to_a_rate(price: Any) -> None:
    token, rate = parse_token_price(f"{DOLLAR}={price:f}")
    assert token == DOLLAR
    assert (rate - 1) * Fraction(price) < ONE_COIN <= rate * Fraction(price)


def test_dev_uses_the_prices_of_its_command_line() -> None:
    options = _parser().parse_args(["dev", "--token", f"{DOLLAR}=500000000", "--token", f"{TOKEN}=0.0005"])
    assert dict(options.token) == {DOLLAR: DOLLAR_RATE, Address.parse(TOKEN): 2_000 * ONE_COIN}


def test_prices_of_usual_tokens() -> None:
    assert parse_token_price(f"{DOLLAR.hex0x().lower()}=500_000_000") == (DOLLAR, DOLLAR_RATE)
    assert parse_token_price(f"{DOLLAR}=0.0005") == (DOLLAR, 2_000 * ONE_COIN)


@pytest.mark.parametrize("price", ["", "0", "0.0", "-1", "1e3", "one", "1/2", f"{10**18 + 1}", "1" * 31, "٣", "=1"])
def test_an_invalid_price_is_rejected(price: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="WEI_PER_UNIT"):
        parse_token_price(f"{DOLLAR}={price}")

"""Missing funds are reported when calls are prepared, before a signature or a sponsorship."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.devchain.contracts import revert_with
from tests.e2e.delegating import External
from tests.e2e.stacks import on_both_stacks
from tests.e2e.test_token_gas import gas_in
from tests.support.calls import call_data, transfer
from tests.support.constants import ENTRY_POINT, FRIEND, POLICY, ROOT
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Grant, Wallet

COIN = 10**18
TRANSFERS = {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}}
"""The permission for plain transfers."""
PAYS_OUT = "0x5f5f5f5f47335af100"
"""Code of a contract that pays its whole balance to its caller."""


def send(wei: int, to: str = FRIEND) -> dict[str, str]:
    return {"to": to, "value": hex(wei)}


def catch_shortfall(wallet: Wallet, *calls: dict[str, str], **more: Any) -> dict[str, int]:
    """Prepare calls that must fail for missing funds, and return the amounts in the error."""
    with pytest.raises(RpcError) as error_info:
        wallet.prepare(*calls, **more)
    assert (error_info.value.code, error_info.value.reason) == (-32000, "insufficient_funds"), error_info.value.message
    assert f"to {wallet.account}" in error_info.value.message
    return {name: int(text, 16) for name, text in error_info.value.data.items() if name != "reason"}


def external(client: Client) -> Wallet:
    made = External(client)
    made.fund(tokens=0)
    return made


def new_account(client: Client) -> Wallet:
    return Wallet(client).fund(tokens=0)


def new_deployed_account(client: Client) -> Wallet:
    made = Wallet(client).fund(tokens=0)
    made.act(None)
    return made


@on_both_stacks
@pytest.mark.parametrize("values", [[2**256 - 1], [2**255, 2**255]], ids=["one", "together"])
def test_a_value_above_any_balance_is_reported_like_others(client: Client, values: list[int]) -> None:
    wallet = Wallet(client).fund(tokens=0)
    amounts = catch_shortfall(wallet, *map(send, values), sponsored=False)
    assert (amounts["balance"], amounts["value"]) == (COIN, sum(values))
    grant = wallet.grant({"type": "native-token-transfer", "data": {"allowance": "0x1"}}, TRANSFERS)
    with pytest.raises(RpcError) as error_info:
        wallet.prepare(*map(send, values), permissions=grant.permissions)
    assert error_info.value.reason == "native_limit_exceeded"


@on_both_stacks
@pytest.mark.parametrize("new", [new_account, new_deployed_account, external], ids=lambda new: new.__name__)
def test_a_value_above_the_balance_is_reported_with_and_without_sponsorship(client: Client, new: Any) -> None:
    wallet = new(client)
    assert catch_shortfall(wallet, send(2 * COIN)) == {"balance": COIN, "value": 2 * COIN, "missing": COIN}

    shortfall = catch_shortfall(wallet, send(2 * COIN), sponsored=False)
    assert shortfall["gasCost"] > 0
    assert shortfall == {
        **shortfall,
        "balance": COIN,
        "value": 2 * COIN,
        "deposit": 0,
        "missing": COIN + shortfall["gasCost"],
    }


@on_both_stacks
@pytest.mark.parametrize("new", [new_account, new_deployed_account, external], ids=lambda new: new.__name__)
def test_a_whole_balance_cannot_be_sent_by_an_account_that_pays_for_gas(client: Client, new: Any) -> None:
    wallet = new(client)
    shortfall = catch_shortfall(wallet, send(COIN), sponsored=False)

    assert shortfall["missing"] == shortfall["gasCost"] > 0
    assert wallet.prepare(send(COIN))["type"] in {"user-operation-v070", "array"}, "sponsored, it can"
    wallet.client.chain("anvil_setBalance", wallet.account, hex(COIN + 2 * shortfall["missing"]))
    prepared = wallet.prepare(send(COIN), sponsored=False)
    sent = wallet.submit(wallet.sign_array(prepared)) if isinstance(wallet, External) else None
    sent = sent or wallet.send(prepared, wallet.owner)
    assert wallet.wait_until_final(sent)["status"] == 200


@on_both_stacks
@pytest.mark.parametrize("is_deployed", [False, True])
def test_the_error_of_prepare_shows_the_missing_funds_for_gas(client: Client, is_deployed: bool) -> None:
    wallet = new_deployed_account(client) if is_deployed else Wallet(client)
    client.chain("anvil_setBalance", wallet.account, "0x3e8")
    shortfall = catch_shortfall(wallet, {"to": FRIEND}, sponsored=False)
    needed = shortfall["gasCost"]
    assert shortfall == {"balance": 1000, "value": 0, "deposit": 0, "gasCost": needed, "missing": needed - 1000}

    with pytest.raises(RpcError) as error_info:
        wallet.prepare({"to": FRIEND}, sponsored=False)
    has, needs = "0.000000000000001", f"{Decimal(needed).scaleb(-18):f}".rstrip("0")
    assert error_info.value.message.endswith(f"to {wallet.account} (it has {has} ETH and needs {needs} ETH)")
    assert f"is 1000 but must be at least {needed} to pay" in error_info.value.message
    client.chain("anvil_setBalance", wallet.account, hex(needed))
    assert wallet.prepare({"to": FRIEND}, sponsored=False)["feePayment"]["sponsored"] is False


def test_values_of_all_calls_are_added_up_including_nested_ones(wallet: Wallet) -> None:
    nested = {"to": wallet.account, "data": call_data("execute(address,uint256,bytes)", FRIEND, 2 * COIN, b"")}
    for calls, value in (
        ([send(COIN), send(1)], COIN + 1),
        ([send(COIN // 2)] * 3, 3 * COIN // 2),
        ([send(1), nested], 2 * COIN + 1),
        ([nested], 2 * COIN),
        ([transfer(1), send(COIN), send(1)], COIN + 1),
    ):
        shortfall = catch_shortfall(wallet, *calls)
        assert shortfall == {"balance": COIN, "value": value, "missing": value - COIN}
    assert catch_shortfall(wallet, send(COIN // 2), send(COIN // 2), sponsored=False)["value"] == COIN


def test_sessions_get_the_same_amounts_before_and_after_installation(wallet: Wallet) -> None:
    grants: list[Grant] = [wallet.grant(ROOT), wallet.grant(ROOT)]
    wallet.act(grants[0])
    for grant in grants:
        shortfall = catch_shortfall(wallet, send(2 * COIN), permissions=grant.permissions)
        assert shortfall["missing"] == COIN
        assert catch_shortfall(wallet, send(COIN), sponsored=False, permissions=grant.permissions)["missing"] > 0


def test_gas_in_erc20_leaves_the_native_balance_for_the_value(client: Client) -> None:
    payer = Wallet(client).fund(wei=7, tokens=10**24)
    service = gas_in(postOpSettings={"autoApprove": True})
    assert catch_shortfall(payer, send(8), paymasterService=service) == {"balance": 7, "value": 8, "missing": 1}
    assert payer.act(None, send(7), paymasterService=service)["status"] == 200


def test_an_estimate_reports_missing_value_and_needs_no_balance_for_gas_alone(client: Client) -> None:
    poor, estimate = Wallet(client), {"policyId": POLICY, "onlyEstimation": True}
    assert catch_shortfall(poor, send(5), paymasterService=estimate) == {"balance": 0, "value": 5, "missing": 5}
    shortfall = catch_shortfall(poor, send(5), sponsored=False, paymasterService={"onlyEstimation": True})
    assert shortfall["missing"] == 5 + shortfall["gasCost"]
    for service in (estimate, {"onlyEstimation": True}):
        assert "signatureRequest" not in poor.prepare({"to": FRIEND}, paymasterService=service)


@on_both_stacks
def test_a_balance_override_counts_instead_of_the_balance_on_chain(wallet: Wallet) -> None:
    rich, poor = ({wallet.account: {"balance": hex(wei)}} for wei in (10 * COIN, COIN // 2))
    for sponsored in (True, False):
        assert wallet.prepare(send(2 * COIN), sponsored=sponsored, stateOverride=rich)
        shortfall = catch_shortfall(wallet, send(COIN - 10**17), sponsored=sponsored, stateOverride=poor)
        assert shortfall["balance"] == COIN // 2
    deposit = {ENTRY_POINT: {"stateDiff": {deposit_slot(wallet.account): hex(COIN)}}}
    assert wallet.prepare(send(COIN), sponsored=False, stateOverride=deposit)
    gone = {wallet.account: {"balance": "0x0"}}
    assert catch_shortfall(wallet, send(1), sponsored=False, stateOverride=gone)["gasCost"] > 0


def deposit_slot(account: str) -> str:
    """Return the storage slot of `deposits[account]`, the first mapping of EntryPoint v0.7."""
    return "0x" + keccak(encode(["address", "uint256"], [account, 0])).hex()


def test_a_deposit_pays_for_gas_and_for_nothing_else(wallet: Wallet) -> None:
    data = call_data("depositTo(address)", wallet.account)
    wallet.act(None, {"to": ENTRY_POINT, "value": hex(COIN // 2), "data": data})

    shortfall = catch_shortfall(wallet, send(COIN // 2 + 1), sponsored=False)
    assert shortfall == {**shortfall, "deposit": COIN // 2, "balance": COIN // 2, "missing": 1}
    assert wallet.act(None, send(COIN // 2), sponsored=False)["status"] == 200


def payer(wallet: Wallet, wei: int) -> str:
    """Create a contract that pays `wei` to its first caller, and return its address."""
    made = to_checksum_address(secrets.token_bytes(20))
    wallet.client.chain("anvil_setCode", made, PAYS_OUT)
    wallet.client.chain("anvil_setBalance", made, hex(wei))
    return made


@on_both_stacks
@pytest.mark.parametrize("sponsored", [True, False])
def test_funds_received_before_they_are_sent_count(wallet: Wallet, sponsored: bool) -> None:
    given = payer(wallet, COIN)
    assert wallet.act(None, {"to": given}, send(3 * COIN // 2), sponsored=sponsored)["status"] == 200


@on_both_stacks
@pytest.mark.parametrize("sponsored", [True, False])
def test_funds_received_too_late_or_too_small_do_not_count(wallet: Wallet, sponsored: bool) -> None:
    given = payer(wallet, COIN)
    for calls in ([{"to": given}, send(3 * COIN)], [send(3 * COIN // 2), {"to": given}]):
        shortfall = catch_shortfall(wallet, *calls, sponsored=sponsored)
        assert shortfall["balance"] == COIN


@on_both_stacks
def test_funds_received_by_the_calls_pay_for_the_calls_and_not_for_gas(wallet: Wallet) -> None:
    given = payer(wallet, COIN)
    shortfall = catch_shortfall(wallet, {"to": given}, send(2 * COIN), sponsored=False)
    assert (shortfall["balance"], shortfall["value"]) == (COIN, 2 * COIN)
    assert wallet.act(None, {"to": given}, send(2 * COIN))["status"] == 200


def test_a_call_that_reverts_for_another_reason_reports_that_reason(wallet: Wallet) -> None:
    silent = to_checksum_address(secrets.token_bytes(20))
    wallet.client.chain("anvil_setCode", silent, "0x" + revert_with(b"").hex())
    given = payer(wallet, 1)
    for calls in (
        [{"to": silent}],
        [{"to": silent, "value": "0x1"}],
        [{"to": given}, {"to": silent, "value": hex(5 * COIN)}],
    ):
        for sponsored in (True, False):
            with pytest.raises(RpcError) as error_info:
                wallet.prepare(*calls, sponsored=sponsored)
            assert error_info.value.reason == "execution_reverted", error_info.value.message


def test_the_reported_missing_amount_suffices_and_one_wei_less_does_not(wallet: Wallet) -> None:
    missing = catch_shortfall(wallet, send(COIN), sponsored=False)["missing"]
    wallet.client.chain("anvil_setBalance", wallet.account, hex(COIN + missing - 1))
    assert catch_shortfall(wallet, send(COIN), sponsored=False)["missing"] == 1
    wallet.client.chain("anvil_setBalance", wallet.account, hex(COIN + missing))

    assert wallet.act(None, send(COIN), sponsored=False)["status"] == 200

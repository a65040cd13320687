"""Gas paid in ERC-20, when calls are prepared: shortfalls are reported, and an estimate needs no tokens."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.e2e.stacks import on_both_stacks
from tests.e2e.test_token_gas import PAYMASTER, PERMIT, PLENTY, catch_error, gas_in
from tests.support.calls import transfer
from tests.support.constants import FRIEND, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

pytestmark = on_both_stacks


def test_a_missing_manual_allowance_is_reported(client: Client) -> None:
    payer = Wallet(client).fund(wei=0, tokens=PLENTY)
    prepare = partial(payer.prepare, transfer(7), paymasterService=gas_in())
    assert PAYMASTER in catch_error(-32000, "insufficient_token_allowance", prepare).message


def test_tokens_that_the_calls_do_not_provide_are_reported(client: Client) -> None:
    poor = Wallet(client)
    service = gas_in(postOpSettings={"autoApprove": True, "balanceCheck": False})
    catch_error(-32000, "insufficient_token_balance", lambda: poor.prepare({"to": FRIEND}, paymasterService=service))


def test_calls_that_revert_report_the_reason_whatever_the_allowance(client: Client) -> None:
    payer = Wallet(client).fund(wei=0, tokens=PLENTY)
    with pytest.raises(RpcError) as error_info:
        payer.prepare(transfer(2 * PLENTY), paymasterService=gas_in())
    assert error_info.value.reason == "execution_reverted"
    assert error_info.value.data["errors"]


PAYMENTS: list[dict[str, Any]] = [
    {},
    {"postOpSettings": {"autoApprove": True}},
    {"postOpSettings": {"autoApprove": PERMIT}},
    {"preOpSettings": {"autoPermit": PERMIT}},
]


@pytest.mark.parametrize("settings", PAYMENTS)
@pytest.mark.parametrize("balance", [0, PLENTY])
def test_an_estimate_needs_no_signature_and_no_tokens(client: Client, settings: dict[str, Any], balance: int) -> None:
    wallet = Wallet(client).fund(wei=0, tokens=balance)
    service = {**gas_in(**settings), "onlyEstimation": True}
    prepared = wallet.prepare({"to": FRIEND}, paymasterService=service)
    assert "signatureRequest" not in prepared
    assert prepared["feePayment"]["tokenAddress"].lower() == TOKEN
    assert int(prepared["feePayment"]["maxAmount"], 16) > 0

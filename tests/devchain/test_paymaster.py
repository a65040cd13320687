from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.devchain.asking import POLICY, catch_failure, send
from tests.devchain.sample import (
    ENTRY_POINT_TEXT,
    SINK,
    Actor,
    Node,
    on_wire,
    transfer,
)
from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, ERC20_RATES, PAYMASTER, TEST_TOKEN
from wallet_rpc.domain.token_charge import max_erc20_cost
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.primitives import Address, Data


def test_sponsored_operation_costs_its_account_nothing(node: Node, actor: Actor) -> None:
    actor.fund(0)
    op = sponsor_operation(node, actor, actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    receipt = node.rpc("eth_getUserOperationReceipt", send(node, op))
    assert receipt["success"] is True
    assert receipt["paymaster"] == PAYMASTER.hex0x()
    assert node.rpc("eth_getUserOperationByHash", receipt["userOpHash"])["userOperation"] == on_wire(op)
    assert node.rpc("eth_getBalance", actor.address.hex0x()) == "0x0"


def test_sponsorship_does_not_cover_other_calls(node: Node, actor: Actor) -> None:
    op = sponsor_operation(node, actor, actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    other = replace(op, call_data=actor.operation([transfer(TEST_TOKEN, SINK, 2)]).call_data)
    failure = catch_failure(lambda: send(node, actor.sign(other)))
    assert (failure.code, failure.data["entryPoint"]) == (-32507, "AA34")


def test_sponsorship_runs_out(node: Node, actor: Actor) -> None:
    op = sponsor_operation(node, actor, actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    node.rpc("evm_increaseTime", 3601)
    failure = catch_failure(lambda: send(node, op))
    assert (failure.code, failure.data["entryPoint"]) == (-32503, "AA32")


def test_paymaster_without_deposit_is_refused(node: Node, actor: Actor) -> None:
    op = replace(
        actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)])),
        paymaster=PaymasterPart(Address(b"\x77" * 20), 100_000, 0, Data()),
    )
    failure = catch_failure(lambda: send(node, actor.sign(op)))
    assert (failure.code, failure.data["entryPoint"]) == (-32501, "AA31")


@pytest.mark.parametrize("context", [{}, {"policyId": "no uuid"}, {"policyId": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}])
def test_unknown_policy_is_refused(node: Node, actor: Actor, context: Any) -> None:
    params = [on_wire(actor.operation([])), ENTRY_POINT_TEXT, "0x7a69", context]
    failure = catch_failure(lambda: node.rpc("pm_getPaymasterStubData", *params))
    assert (failure.code, failure.data["reason"]) == (-32602, "unknown_policy")


def test_paymaster_refuses_another_chain(node: Node, actor: Actor) -> None:
    params = [on_wire(actor.operation([])), ENTRY_POINT_TEXT, "0x1", POLICY]
    assert catch_failure(lambda: node.rpc("pm_getPaymasterData", *params)).code == -32602


def test_a_last_transfer_that_could_run_out_of_gas_is_not_paid_for(node: Node, actor: Actor) -> None:
    op = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    op = replace(op, paymaster=PaymasterPart(ERC20_PAYMASTER, 200_000, 59_999, Data()))
    params = [on_wire(op), ENTRY_POINT_TEXT, "0x7a69", token_context()]
    failure = catch_failure(lambda: node.rpc("pm_getPaymasterData", *params))
    assert (failure.code, failure.data["reason"]) == (-32602, "too_low")


def sponsor_operation(node: Node, actor: Actor, op: UserOperation) -> UserOperation:
    """Stub, estimate, sponsor and sign an operation, as a wallet does."""
    stub = node.rpc("pm_getPaymasterStubData", on_wire(op), ENTRY_POINT_TEXT, "0x7a69", POLICY)
    part = PaymasterPart(
        Address.parse(stub["paymaster"]),
        int(stub["paymasterVerificationGasLimit"], 16),
        int(stub["paymasterPostOpGasLimit"], 16),
        Data.parse(stub["paymasterData"]),
    )
    op = actor.estimate(replace(op, paymaster=part))
    final = node.rpc("pm_getPaymasterData", on_wire(op), ENTRY_POINT_TEXT, "0x7a69", POLICY)
    assert op.paymaster is not None
    return actor.sign(replace(op, paymaster=replace(op.paymaster, data=Data.parse(final["paymasterData"]))))


def token_context(**given: Any) -> dict[str, Any]:
    return {**POLICY, "erc20Context": {"tokenAddress": TEST_TOKEN.hex0x(), "mode": "preOp", **given}}


@pytest.mark.parametrize("method", ["pm_getPaymasterStubData", "pm_getPaymasterData"])
def test_a_token_is_quoted_and_its_paymaster_named(node: Node, actor: Actor, method: str) -> None:
    op = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    answer = node.rpc(method, on_wire(op), ENTRY_POINT_TEXT, "0x7a69", token_context())
    assert answer["paymaster"] == ERC20_PAYMASTER.hex0x()
    assert answer["tokenPayment"]["tokenAddress"] == TEST_TOKEN.hex0x()
    assert int(answer["tokenPayment"]["exchangeRate"], 16) == ERC20_RATES[TEST_TOKEN]
    assert (len(answer["paymasterData"]) - 2) // 2 == 12 + 89 + 65


def test_the_quoted_maximum_is_the_price_of_all_limits(node: Node, actor: Actor) -> None:
    op = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    answer = node.rpc("pm_getPaymasterData", on_wire(op), ENTRY_POINT_TEXT, "0x7a69", token_context())
    first, last = (int(answer[f"paymaster{name}GasLimit"], 16) for name in ("Verification", "PostOp"))
    priced = replace(op, paymaster=PaymasterPart(ERC20_PAYMASTER, first, last, Data()))
    most = max_erc20_cost(priced, ERC20_RATES[TEST_TOKEN])
    assert int(answer["tokenPayment"]["maxTokenAmount"], 16) == most


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tokenAddress": SINK.hex0x()}, "token"),
        ({"maxTokenAmount": "0x1"}, "max_token_amount_exceeded"),
        ({"mode": "now"}, "invalid_params"),
    ],
)
def test_a_token_payment_that_cannot_be_is_refused(node: Node, actor: Actor, given: Any, reason: str) -> None:
    op = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    params = [on_wire(op), ENTRY_POINT_TEXT, "0x7a69", token_context(**given)]
    failure = catch_failure(lambda: node.rpc("pm_getPaymasterData", *params))
    assert (failure.code, failure.data["reason"]) == (-32602, reason)

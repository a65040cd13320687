from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.devchain.asking import POLICY, refused, send
from tests.devchain.sample import (
    ENTRY_POINT_TEXT,
    SINK,
    Actor,
    Node,
    on_wire,
    transfer,
)
from wallet_rpc.devchain.known import PAYMASTER, TEST_TOKEN
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.primitives import Address, Data


def test_sponsored_operation_costs_its_account_nothing(node: Node, actor: Actor) -> None:
    actor.fund(0)
    op = sponsored(node, actor, actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    receipt = node.rpc("eth_getUserOperationReceipt", send(node, op))
    assert receipt["success"] is True
    assert receipt["paymaster"] == PAYMASTER.hex0x()
    assert node.rpc("eth_getUserOperationByHash", receipt["userOpHash"])["userOperation"] == on_wire(op)
    assert node.rpc("eth_getBalance", actor.address.hex0x()) == "0x0"


def test_sponsorship_does_not_cover_other_calls(node: Node, actor: Actor) -> None:
    op = sponsored(node, actor, actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    other = replace(op, call_data=actor.operation([transfer(TEST_TOKEN, SINK, 2)]).call_data)
    failure = refused(lambda: send(node, actor.sign(other)))
    assert (failure.code, failure.data["entryPoint"]) == (-32507, "AA34")


def test_sponsorship_runs_out(node: Node, actor: Actor) -> None:
    op = sponsored(node, actor, actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    node.rpc("evm_increaseTime", 3601)
    failure = refused(lambda: send(node, op))
    assert (failure.code, failure.data["entryPoint"]) == (-32503, "AA32")


def test_paymaster_without_deposit_is_refused(node: Node, actor: Actor) -> None:
    op = replace(
        actor.estimated(actor.operation([transfer(TEST_TOKEN, SINK, 1)])),
        paymaster=PaymasterPart(Address(b"\x77" * 20), 100_000, 0, Data()),
    )
    failure = refused(lambda: send(node, actor.sign(op)))
    assert (failure.code, failure.data["entryPoint"]) == (-32501, "AA31")


@pytest.mark.parametrize("context", [{}, {"policyId": "no uuid"}, {"policyId": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}])
def test_unknown_policy_is_refused(node: Node, actor: Actor, context: Any) -> None:
    params = [on_wire(actor.operation([])), ENTRY_POINT_TEXT, "0x7a69", context]
    failure = refused(lambda: node.rpc("pm_getPaymasterStubData", *params))
    assert (failure.code, failure.data["reason"]) == (-32602, "unknown_policy")


def test_paymaster_refuses_another_chain(node: Node, actor: Actor) -> None:
    params = [on_wire(actor.operation([])), ENTRY_POINT_TEXT, "0x1", POLICY]
    assert refused(lambda: node.rpc("pm_getPaymasterData", *params)).code == -32602


def sponsored(node: Node, actor: Actor, op: UserOperation) -> UserOperation:
    """Stub, estimate, sponsor, sign: as a wallet does."""
    stub = node.rpc("pm_getPaymasterStubData", on_wire(op), ENTRY_POINT_TEXT, "0x7a69", POLICY)
    part = PaymasterPart(
        Address.parse(stub["paymaster"]),
        int(stub["paymasterVerificationGasLimit"], 16),
        int(stub["paymasterPostOpGasLimit"], 16),
        Data.parse(stub["paymasterData"]),
    )
    op = actor.estimated(replace(op, paymaster=part))
    final = node.rpc("pm_getPaymasterData", on_wire(op), ENTRY_POINT_TEXT, "0x7a69", POLICY)
    assert op.paymaster is not None
    return actor.sign(replace(op, paymaster=replace(op.paymaster, data=Data.parse(final["paymasterData"]))))

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.devchain.asking import TOKEN_ACCESS, catch_failure, failure, send
from tests.devchain.sample import (
    ENTRY_POINT_TEXT,
    SINK,
    Actor,
    Node,
    Session,
    key_of,
    on_wire,
    transfer,
)
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.gas import GAS_BITS
from wallet_rpc.domain.user_operation import handle_ops_call_data


def test_wrong_signature_is_refused_and_nothing_is_mined(node: Node, actor: Actor) -> None:
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)])), by=key_of(66))
    before = node.rpc("eth_blockNumber")
    failure = catch_failure(lambda: send(node, op))
    assert (failure.code, failure.message) == (-32507, "invalid account signature")
    assert failure.data["entryPoint"] == "AA24"
    assert node.rpc("eth_blockNumber") == before
    assert node.rpc("eth_getCode", actor.address.hex0x()) == "0x"


def test_expired_session_is_out_of_its_time_range(node: Node, actor: Actor) -> None:
    session = Session.of(actor, [TOKEN_ACCESS], seconds=100)
    actor.send([transfer(TEST_TOKEN, SINK, 1)], session=session)
    node.rpc("evm_increaseTime", 101)
    failure = catch_failure(lambda: actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)], session=session)))
    assert failure.code == -32503
    assert failure.data["entryPoint"] == "AA22"


def test_used_nonce_is_refused(node: Node, actor: Actor) -> None:
    op = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    send(node, actor.sign(op))
    again = replace(op, factory=None)
    failure = catch_failure(lambda: send(node, actor.sign(again)))
    assert failure.code == -32500
    assert "AA25 invalid account nonce" in failure.message


def test_account_without_code_is_reported(node: Node, actor: Actor) -> None:
    op = replace(actor.operation([transfer(TEST_TOKEN, SINK, 1)]), factory=None)
    failure = catch_failure(lambda: actor.estimate(op))
    assert (failure.code, failure.data["entryPoint"]) == (-32500, "AA20")


def test_account_without_funds_may_be_estimated_but_not_sent(node: Node, actor: Actor) -> None:
    actor.fund(0)
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)])))
    failure = catch_failure(lambda: send(node, op))
    assert failure.code == -32000
    assert failure.message.startswith("precheck failed: sender balance and deposit together is 0 but must be at least ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_fee_per_gas": 1}, "maxFeePerGas is 1 but must be at least 1000000000"),
        ({"max_priority_fee_per_gas": 10**12}, "maxPriorityFeePerGas is 1000000000000 but must be at most 2000000000"),
        ({"pre_verification_gas": 100}, "preVerificationGas is 100 but must be at least "),
        ({"call_gas_limit": 5}, "callGasLimit is 5 but must be at least 9100"),
        ({"verification_gas_limit": 10**8}, "verificationGasLimit is 100000000 but must be at most 15000000"),
        ({"call_gas_limit": 10**8}, "total gas limit is "),
    ],
)
def test_fees_and_limits_out_of_range_are_refused(node: Node, actor: Actor, change: Any, message: str) -> None:
    op = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    failure = catch_failure(lambda: send(node, actor.sign(replace(op, **change))))
    assert failure.code == -32000
    assert failure.message.startswith(f"precheck failed: {message}")


def test_authorization_by_another_key_is_refused(node: Node) -> None:
    actor = Actor(node, owner=key_of(5), is_delegated=True)
    actor.fund()
    op = actor.estimate(actor.operation([Call(to=SINK)]))
    stranger = Actor(node, owner=key_of(6), is_delegated=True).operation([Call(to=SINK)])
    failure = catch_failure(lambda: send(node, actor.sign(replace(op, authorization=stranger.authorization))))
    assert (failure.code, failure.message) == (-32000, "EIP-7702 authorization signature is invalid")


def test_authorization_with_a_stale_nonce_is_refused(node: Node) -> None:
    actor = Actor(node, owner=key_of(5), is_delegated=True)
    actor.fund()
    op = actor.estimate(actor.operation([Call(to=SINK)]))
    node.rpc("anvil_setNonce", actor.address.hex0x(), "0x4")
    failure = catch_failure(lambda: send(node, actor.sign(op)))
    assert (failure.code, failure.message) == (-32000, "EIP-7702 nonce mismatch. Expected: 4, Actual: 0")


def test_other_entry_point_is_refused(node: Node, actor: Actor) -> None:
    failure = catch_failure(lambda: node.rpc("eth_sendUserOperation", on_wire(actor.operation([])), SINK.hex0x()))
    assert failure.code == -32602


def test_malformed_operation_is_refused(node: Node, actor: Actor) -> None:
    malformed = {**on_wire(actor.operation([])), "nonce": "zz"}
    failure = catch_failure(lambda: node.rpc("eth_sendUserOperation", malformed, ENTRY_POINT_TEXT))
    assert failure.code == -32602
    assert "nonce" in failure.message


def test_estimation_may_override_state(node: Node, actor: Actor) -> None:
    op = actor.operation([Call(to=SINK, value=10**20)])
    assert catch_failure(lambda: actor.estimate(op)).code == -32521
    rich = {actor.address.hex0x(): {"balance": hex(10**21)}}
    limits = node.rpc("eth_estimateUserOperationGas", on_wire(op), ENTRY_POINT_TEXT, rich)
    assert int(limits["callGasLimit"], 16) > 9_000


@pytest.mark.parametrize(
    "name",
    ["pre_verification_gas", "verification_gas_limit", "call_gas_limit", "max_fee_per_gas", "max_priority_fee_per_gas"],
)
def test_the_entry_point_accepts_gas_below_the_limit_of_the_overrides(node: Node, actor: Actor, name: str) -> None:
    for amount, overflows in (((1 << GAS_BITS) - 1, False), (1 << GAS_BITS, True)):
        gas: dict[str, Any] = {name: amount}
        op = replace(actor.operation([Call(to=SINK)]), **gas)
        call = {"to": ENTRY_POINT_TEXT, "data": handle_ops_call_data([op], SINK).hex0x()}
        rejection = failure(node, "eth_call", call, "latest")
        assert (b"AA94 gas values overflow".hex() in str(rejection.data)) is overflows


@pytest.mark.parametrize("code", ["0x", "0x00"])
def test_the_entry_points_code_is_not_overridden(node: Node, actor: Actor, code: str) -> None:
    op, changed = on_wire(actor.operation([Call(to=SINK)])), {ENTRY_POINT_TEXT: {"code": code}}
    failure = catch_failure(lambda: node.rpc("eth_estimateUserOperationGas", op, ENTRY_POINT_TEXT, changed))
    assert failure.code == -32602
    assert "code: expected no override" in failure.message


def test_estimation_accepts_an_operation_without_gas_fees_and_signature_fields(node: Node, actor: Actor) -> None:
    full = on_wire(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    bare = {key: full[key] for key in ("sender", "nonce", "factory", "factoryData", "callData", "signature")}
    assert int(node.rpc("eth_estimateUserOperationGas", bare, ENTRY_POINT_TEXT)["verificationGasLimit"], 16) > 50_000


def test_supported_entry_point_is_v07(node: Node) -> None:
    assert node.rpc("eth_supportedEntryPoints") == [ENTRY_POINT_TEXT]


def test_entry_point_without_revert_data_is_reported(node: Node, actor: Actor) -> None:
    actor.send([transfer(TEST_TOKEN, SINK, 1)])
    op = actor.operation([transfer(TEST_TOKEN, SINK, 1)])
    node.rpc("anvil_setCode", ENTRY_POINT_TEXT, "0x5f5ffd")
    failure = catch_failure(lambda: actor.estimate(op))
    assert (failure.code, failure.message) == (-32500, "validation reverted: no reason given")


def test_authorization_for_another_chain_is_refused(node: Node) -> None:
    actor = Actor(node, owner=key_of(5), is_delegated=True)
    op = actor.operation([Call(to=SINK)])
    assert op.authorization is not None
    foreign = replace(op.authorization, chain_id=1)
    failure = catch_failure(lambda: actor.estimate(replace(op, authorization=foreign)))
    assert (failure.code, failure.data["reason"]) == (-32000, "authorization_invalid")

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account

from tests.devchain.asking import CODE_ADDRESS, TOKEN_ACCESS, catch_failure, send, set_code, token_balance
from tests.devchain.sample import (
    BOB,
    ENTRY_POINT_TEXT,
    SINK,
    Actor,
    Node,
    Session,
    key_of,
    mint,
    on_wire,
    transfer,
)
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.devchain.handle_ops import read_handle_ops
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, ENTRY_POINT, NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.permission import (
    ContractAccess,
    FunctionsOnContract,
    GasAllowance,
    GasLimit,
    NativeAllowance,
    NativeTokenTransfer,
    Permission,
    Target,
    TargetFunctions,
)
from wallet_rpc.domain.user_operation import handle_ops_call_data, user_operation_hash
from wallet_rpc.primitives import Selector


def test_operation_that_deploys_its_account_succeeds_with_the_estimated_limits(node: Node, actor: Actor) -> None:
    receipt = actor.send([transfer(TEST_TOKEN, SINK, 7)])
    assert receipt["success"] is True
    assert token_balance(node, SINK) == 7
    assert receipt["sender"] == actor.address.hex0x()
    assert int(receipt["actualGasUsed"], 16) > 100_000
    assert receipt["receipt"]["status"] == "0x1"
    assert [log["address"] for log in receipt["logs"]].count(TEST_TOKEN.hex0x().lower()) == 1


def test_later_operations_succeed_too(node: Node, actor: Actor) -> None:
    for amount in (1, 2, 3):
        assert actor.send([transfer(TEST_TOKEN, SINK, amount)])["success"] is True
    assert token_balance(node, SINK) == 6


def test_session_is_granted_by_its_first_operation_and_used_by_later_ones(node: Node, actor: Actor) -> None:
    session = Session.of(actor, [TOKEN_ACCESS])
    assert actor.send([transfer(TEST_TOKEN, SINK, 1)], session=session)["success"] is True
    assert actor.send([transfer(TEST_TOKEN, SINK, 2)], session=session)["success"] is True
    assert token_balance(node, SINK) == 3


def test_limits_are_close_to_the_gas_used(node: Node, actor: Actor) -> None:
    actor.send([transfer(TEST_TOKEN, SINK, 1)])
    op = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    receipt = actor.send([transfer(TEST_TOKEN, SINK, 1)])
    total = op.pre_verification_gas + op.verification_gas_limit + op.call_gas_limit
    used = int(receipt["actualGasUsed"], 16)
    assert used < total < used * 14 // 10


def test_authorization_delegates_the_owner_in_the_same_transaction(node: Node) -> None:
    actor = Actor(node, owner=key_of(5), is_delegated=True)
    actor.fund()
    node.send(**mint(TEST_TOKEN, actor.address, 10))
    receipt = actor.send([transfer(TEST_TOKEN, SINK, 4)])
    assert receipt["success"] is True
    assert receipt["receipt"]["type"] == "0x4"
    assert node.rpc("eth_getCode", actor.address.hex0x()).startswith("0xef0100")
    found = node.rpc("eth_getUserOperationByHash", receipt["userOpHash"])
    assert found["userOperation"]["eip7702Auth"]["nonce"] == "0x0"


def test_operation_is_found_by_its_hash(node: Node, actor: Actor) -> None:
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 7)])))
    identity = send(node, op)
    found = node.rpc("eth_getUserOperationByHash", identity)
    assert found["userOperation"] == on_wire(op)
    assert found["blockNumber"] == node.rpc("eth_blockNumber")


@pytest.mark.parametrize("is_delegated", [False, True])
def test_an_operation_that_waits_for_its_block_is_pending(node: Node, is_delegated: bool) -> None:
    actor = Actor(node, owner=key_of(5), is_delegated=is_delegated)
    actor.fund()
    node.rpc("evm_setAutomine", False)
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 0)])))
    identity = send(node, op)
    node.rpc("eth_sendTransaction", {"from": BOB.address.hex0x(), "to": ENTRY_POINT_TEXT, "gasPrice": hex(2 * 10**9)})

    pending = node.rpc("eth_getUserOperationByHash", identity)
    assert pending["userOperation"] == on_wire(op)
    assert [pending[name] for name in ("transactionHash", "blockHash", "blockNumber")] == [None] * 3
    assert node.rpc("eth_getUserOperationReceipt", identity) is None
    assert catch_failure(lambda: send(node, op)).message == "already known"

    node.rpc("evm_mine")
    assert node.rpc("eth_getUserOperationByHash", identity)["blockNumber"] == "0x1"


def test_a_dropped_bundle_has_no_pending_operation(node: Node, actor: Actor) -> None:
    node.rpc("evm_setAutomine", False)
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 7)])))
    identity = send(node, op)
    node.rpc("anvil_dropAllTransactions")
    assert node.rpc("eth_getUserOperationByHash", identity) is None
    assert send(node, op) == identity


def test_unknown_operation_is_null(node: Node) -> None:
    assert node.rpc("eth_getUserOperationByHash", "0x" + "12" * 32) is None
    assert node.rpc("eth_getUserOperationReceipt", "0x" + "12" * 32) is None


def test_reverted_operation_is_forgotten(node: Node, actor: Actor) -> None:
    snapshot = node.rpc("evm_snapshot")
    identity = actor.send([transfer(TEST_TOKEN, SINK, 7)])["userOpHash"]
    node.rpc("evm_revert", snapshot)
    assert node.rpc("eth_getUserOperationReceipt", identity) is None


def test_calls_that_revert_fail_estimation_with_the_reason(node: Node, actor: Actor) -> None:
    op = actor.operation([transfer(TEST_TOKEN, SINK, 5000)])
    failure = catch_failure(lambda: actor.estimate(op))
    assert failure.code == -32521
    assert failure.message == "execution reverted: InsufficientBalance(1000, 5000)"
    assert failure.data["errors"] == ["InsufficientBalance"]


def test_calls_that_revert_are_mined_when_sent(node: Node, actor: Actor) -> None:
    good = actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    bad = replace(good, call_data=actor.operation([transfer(TEST_TOKEN, SINK, 5000)]).call_data)
    receipt = node.rpc("eth_getUserOperationReceipt", send(node, actor.sign(bad)))
    assert receipt["success"] is False
    assert receipt["reason"].startswith("0xcf479181")


def test_function_that_is_not_granted_is_refused_with_the_module(node: Node, actor: Actor) -> None:
    functions = TargetFunctions(address=TEST_TOKEN, functions=(Selector(bytes.fromhex("095ea7b3")),))
    allowed: list[Permission] = [FunctionsOnContract(type="functions-on-contract", data=functions)]
    session = Session.of(actor, allowed)
    failure = catch_failure(lambda: actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)], session=session)))
    assert failure.code == -32500
    assert failure.message.startswith("validation reverted: [reason]: AA23 reverted: PreUserOpValidationHookReverted")
    assert failure.data["errors"] == ["FailedOpWithRevert", "PreUserOpValidationHookReverted", "SelectorNotAllowed"]
    assert failure.data["module"] == ALLOWLIST_MODULE.hex0x()
    assert failure.data["entityId"] == 1
    assert failure.data["entryPoint"] == "AA23"


def test_value_over_the_limit_fails_estimation_with_the_module(node: Node, actor: Actor) -> None:
    limited: list[Permission] = [
        NativeTokenTransfer(type="native-token-transfer", data=NativeAllowance(allowance=10)),
        ContractAccess(type="contract-access", data=Target(address=SINK)),
    ]
    session = Session.of(actor, limited)
    assert actor.send([Call(to=SINK, value=6)], session=session)["success"] is True
    failure = catch_failure(lambda: actor.estimate(actor.operation([Call(to=SINK, value=6)], session=session)))
    assert failure.code == -32521
    assert failure.data["errors"] == ["PreExecHookReverted", "ExceededNativeTokenLimit"]
    assert failure.data["module"] == NATIVE_TOKEN_LIMIT_MODULE.hex0x()


def test_gas_over_the_limit_fails_estimation(node: Node, actor: Actor) -> None:
    limited: list[Permission] = [GasLimit(type="gas-limit", data=GasAllowance(limit=10**9)), TOKEN_ACCESS]
    session = Session.of(actor, limited)
    failure = catch_failure(lambda: actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)], session=session)))
    assert failure.code == -32500
    assert failure.data["errors"][-1] == "ExceededNativeTokenLimit"
    assert failure.data["module"] == NATIVE_TOKEN_LIMIT_MODULE.hex0x()


def test_gas_within_the_limit_succeeds(node: Node, actor: Actor) -> None:
    limited: list[Permission] = [GasLimit(type="gas-limit", data=GasAllowance(limit=10**16)), TOKEN_ACCESS]
    session = Session.of(actor, limited)
    assert actor.send([transfer(TEST_TOKEN, SINK, 1)], session=session)["success"] is True


def test_data_that_is_no_bundle_has_no_operations() -> None:
    assert read_handle_ops(b"\x12\x34\x56\x78") == []
    assert read_handle_ops(bytes.fromhex("765e827f") + b"\x01") == []


def test_block_of_a_stranger_has_no_operations(node: Node) -> None:
    node.send(to=BOB.address.hex0x(), value=1)
    assert node.rpc("eth_getUserOperationReceipt", "0x" + "13" * 32) is None


def test_each_operation_of_a_bundle_has_its_own_logs(node: Node) -> None:
    actors = [Actor(node, owner=key_of(number)) for number in (1, 2)]
    for one in actors:
        one.fund()
        node.send(**mint(TEST_TOKEN, one.address, 10))
    ops = [one.sign(one.estimate(one.operation([transfer(TEST_TOKEN, SINK, 1)]))) for one in actors]
    node.send(to=ENTRY_POINT_TEXT, gas=10_000_000, data=handle_ops_call_data(ops, SINK).hex0x())
    receipts = [
        node.rpc("eth_getUserOperationReceipt", user_operation_hash(op, 31337, ENTRY_POINT).hex0x()) for op in ops
    ]
    token = TEST_TOKEN.hex0x().lower()
    moved = [[log["topics"][1][-40:] for log in one["logs"] if log["address"] == token] for one in receipts]
    assert moved == [[one.address.hex()] for one in actors]
    found = node.rpc("eth_getUserOperationByHash", receipts[1]["userOpHash"])
    assert found["userOperation"] == on_wire(ops[1])


def test_operation_mined_through_another_contract_is_not_read_back(node: Node, actor: Actor) -> None:
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)])))
    data = handle_ops_call_data([op], SINK)
    size = len(data).to_bytes(2).hex()
    # copies its call data except the first byte and calls the entry point with it
    code = "61" + size + "60015f37" + "5f5f61" + size + "5f5f73" + ENTRY_POINT.hex() + "5af100"
    set_code(node, bytes.fromhex(code))
    node.send(to=CODE_ADDRESS, gas=10_000_000, data="0x00" + data.hex())
    identity = user_operation_hash(op, 31337, ENTRY_POINT).hex0x()
    assert node.rpc("eth_getUserOperationReceipt", identity)["success"] is True
    assert node.rpc("eth_getUserOperationByHash", identity) is None


def test_authorization_of_a_stranger_stays_out_of_the_operation(node: Node, actor: Actor) -> None:
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)])))
    signed = Account.sign_authorization({"chainId": 31337, "address": CODE_ADDRESS, "nonce": 0}, BOB.key)
    data = handle_ops_call_data([op], SINK).hex0x()
    node.send(to=ENTRY_POINT_TEXT, gas=10_000_000, data=data, authorizationList=[signed])
    identity = user_operation_hash(op, 31337, ENTRY_POINT).hex0x()
    assert "eip7702Auth" not in node.rpc("eth_getUserOperationByHash", identity)["userOperation"]


def test_limits_and_fees_may_be_null_where_they_may_be_absent(node: Node, actor: Actor) -> None:
    op = on_wire(actor.operation([transfer(TEST_TOKEN, SINK, 1)]))
    limits = ("callGasLimit", "verificationGasLimit", "preVerificationGas")
    amounts = (*limits, "maxFeePerGas", "maxPriorityFeePerGas")
    absent = {name: value for name, value in op.items() if name not in amounts}
    null = {**op, **dict.fromkeys(amounts)}
    expected = node.rpc("eth_estimateUserOperationGas", absent, ENTRY_POINT_TEXT)
    assert node.rpc("eth_estimateUserOperationGas", null, ENTRY_POINT_TEXT) == expected
    other_case = {**null, "sender": op["sender"].swapcase().replace("0X", "0x")}
    assert (
        node.rpc("eth_estimateUserOperationGas", other_case, ENTRY_POINT_TEXT.upper().replace("0X", "0x")) == expected
    )

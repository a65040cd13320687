"""The logs in an operation's receipt: without those of other operations, or of the entry point's caller."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, send, set_code
from tests.devchain.sample import ENTRY_POINT_TEXT, SINK, Actor, Node, key_of, mint, transfer
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.devchain.evm import EventLog
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.operation_events import BEFORE_EXECUTION_EVENT, operation_events, operation_log_indexes
from wallet_rpc.domain.user_operation import (
    USER_OPERATION_EVENT,
    UserOperation,
    handle_ops_call_data,
    user_operation_hash,
)
from wallet_rpc.primitives import Address, Data

DEPLOYED = abi.keccak(b"AccountDeployed(bytes32,address,address,address)")
WRAPPER_LOG = bytes.fromhex("5f5fa0")
"""Code that emits a log without topics or data."""


def identity(op: UserOperation) -> str:
    return user_operation_hash(op, 31337, ENTRY_POINT).hex0x()


def fresh(node: Node, *numbers: int, to: Address = SINK) -> list[UserOperation]:
    """Return signed operations that deploy their accounts and make one transfer each."""
    made = []
    for number in numbers:
        one = Actor(node, owner=key_of(number))
        one.fund()
        node.send(**mint(TEST_TOKEN, one.address, 10))
        made.append(one.sign(one.estimate(one.operation([transfer(TEST_TOKEN, to, number)]))))
    return made


def mine_wrapped(node: Node, *bundles: list[UserOperation]) -> list[Any]:
    """Mine the bundles through a contract that logs before and after each; return the operations' receipts."""
    code, data, at = WRAPPER_LOG, b"\x00", 1
    for bundle in bundles:
        call = handle_ops_call_data(bundle, SINK)
        size = b"\x61" + len(call).to_bytes(2)
        code += size + b"\x61" + at.to_bytes(2) + b"\x5f\x37" + b"\x5f\x5f" + size + b"\x5f\x5f\x73" + ENTRY_POINT
        code += b"\x5a\xf1\x50" + WRAPPER_LOG
        data, at = data + call, at + len(call)
    set_code(node, code)
    mined = node.receipt(node.send(to=CODE_ADDRESS, gas=20_000_000, data="0x" + data.hex()))
    assert mined["status"] == "0x1"
    return [node.rpc("eth_getUserOperationReceipt", identity(op)) for bundle in bundles for op in bundle]


def deployments(receipt: Any) -> list[str]:
    return [log["topics"][1] for log in receipt["logs"] if log["topics"][:1] == [f"0x{DEPLOYED.hex()}"]]


def amounts(receipt: Any) -> list[int]:
    token = TEST_TOKEN.hex0x().lower()
    return [int(log["data"], 16) for log in receipt["logs"] if log["address"] == token]


def test_each_deployment_of_a_bundle_is_in_its_own_receipt(node: Node) -> None:
    ops = fresh(node, 1, 2, 3)
    node.send(to=ENTRY_POINT_TEXT, gas=20_000_000, data=handle_ops_call_data(ops, SINK).hex0x())
    receipts = [node.rpc("eth_getUserOperationReceipt", identity(op)) for op in ops]
    assert [deployments(receipt) for receipt in receipts] == [[identity(op)] for op in ops]
    assert [amounts(receipt) for receipt in receipts] == [[1], [2], [3]]


def test_logs_of_the_entry_points_caller_belong_to_no_operation(node: Node) -> None:
    (op,) = fresh(node, 1)
    (receipt,) = mine_wrapped(node, [op])
    logs = receipt["receipt"]["logs"]
    assert [log["address"] for log in (logs[0], logs[-1])] == [CODE_ADDRESS.lower()] * 2
    assert CODE_ADDRESS.lower() not in [log["address"] for log in receipt["logs"]]
    assert (deployments(receipt), amounts(receipt)) == ([identity(op)], [1])


def test_two_bundles_of_a_transaction_are_distinguished(node: Node) -> None:
    first, second, third = fresh(node, 1, 2, 3)
    receipts = mine_wrapped(node, [first], [second, third])
    assert [deployments(receipt) for receipt in receipts] == [[identity(op)] for op in (first, second, third)]
    assert [amounts(receipt) for receipt in receipts] == [[1], [2], [3]]
    assert all(log["address"] != CODE_ADDRESS.lower() for receipt in receipts for log in receipt["logs"])


def test_operation_alone_has_all_logs_of_its_transaction(node: Node) -> None:
    (op,) = fresh(node, 1)
    receipt = node.rpc("eth_getUserOperationReceipt", send(node, op))
    assert receipt["logs"] == receipt["receipt"]["logs"]
    assert deployments(receipt) == [identity(op)]


def test_entry_point_event_of_another_contract_is_ignored(node: Node, actor: Actor) -> None:
    topic = Data(BEFORE_EXECUTION_EVENT)
    set_code(node, contracts.TWO_LOGS)
    calls = [transfer(TEST_TOKEN, SINK, 5), Call(to=Address.parse(CODE_ADDRESS), data=Data(topic + topic))]
    other = fresh(node, 7)
    ops = [*other, actor.sign(actor.estimate(actor.operation(calls)))]
    node.send(to=ENTRY_POINT_TEXT, gas=20_000_000, data=handle_ops_call_data(ops, SINK).hex0x())
    receipts = [node.rpc("eth_getUserOperationReceipt", identity(op)) for op in ops]
    assert [amounts(receipt) for receipt in receipts] == [[7], [5]]
    assert [log["address"] for log in receipts[1]["logs"]].count(CODE_ADDRESS.lower()) == 2


ENTRIES = bytes(ENTRY_POINT)
SENDERS = [bytes([0x50 + number]) * 20 for number in range(3)]


@st.composite
def transactions(draw: st.DrawFn) -> tuple[list[EventLog], dict[bytes, list[int]], bool]:
    """Generate logs of bundles, the indexes of each operation's logs, and True for a direct call."""
    logs: list[EventLog] = []
    own: dict[bytes, list[int]] = {}
    stranger = EventLog(b"\x77" * 20, (BEFORE_EXECUTION_EVENT,), b"")
    is_direct = draw(st.booleans())
    for bundle in range(1 if is_direct else draw(st.integers(1, 3))):
        logs += [stranger] * (0 if is_direct else draw(st.integers(0, 2)))
        senders = draw(st.lists(st.sampled_from(SENDERS), min_size=1, max_size=3, unique=True))
        ops = [(abi.keccak(sender + bytes([bundle])), sender) for sender in senders]
        for operation_hash, sender in ops:
            own[operation_hash] = []
            for log in (
                EventLog(ENTRIES, (DEPLOYED, operation_hash, abi.address(sender)), b""),
                EventLog(ENTRIES, (b"\x01" * 32, abi.address(sender)), b""),
                EventLog(sender, (b"\x02" * 32,), b""),
            ):
                if draw(st.booleans()):
                    own[operation_hash].append(len(logs))
                    logs.append(log)
        logs.append(EventLog(ENTRIES, (BEFORE_EXECUTION_EVENT,), b""))
        for operation_hash, sender in ops:
            begin = len(logs)
            logs += draw(st.lists(st.sampled_from([stranger, EventLog(sender, (), b"")]), max_size=3))
            topics = (USER_OPERATION_EVENT, operation_hash, abi.address(sender), bytes(32))
            logs.append(EventLog(ENTRIES, topics, bytes(128)))
            own[operation_hash] += range(begin, len(logs))
        logs += [stranger] * (0 if is_direct else draw(st.integers(0, 2)))
    return logs, own, is_direct


@given(transactions())
def test_no_log_is_of_two_operations_and_none_is_lost(
    transaction: tuple[list[EventLog], dict[bytes, list[int]], bool],
) -> None:
    logs, own, is_direct = transaction
    found = {
        event.operation_hash: operation_log_indexes(logs, event, is_direct=is_direct)
        for event in operation_events(logs)
    }
    if is_direct and len(own) == 1:
        assert list(found.values()) == [list(range(len(logs)))]
    else:
        assert found == own

"""Gas limits are tried before they are returned: for code that reads its gas, and for code that runs out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, TOKEN_ACCESS, failure, send, set_code
from tests.devchain.sample import ALICE, ENTRY_POINT_TEXT, FEE, SINK, Actor, Node, Session, on_wire, transfer
from wallet_rpc.devchain.bundler import MAX_TOTAL_GAS, MAX_VERIFICATION_GAS
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.primitives import Address, Data

ALICE_TEXT = ALICE.address.hex0x()
ACCOUNT, PAYMASTER = Address(b"\xac" * 20), Address(b"\xba" * 20)
VALIDATE, VALIDATE_PAYMASTER, POST_OP = (bytes.fromhex(one) for one in ("19822f7c", "52b7512c", "7c627b21"))
VALID = bytes.fromhex("5f5f5260205ff3")
"""Code that returns zero: valid, without a time range."""
VALID_WITH_CONTEXT = bytes.fromhex("60405f525f6020526020604052600160605260805ff3")
"""Code that returns a context of one word, and zero."""
ADDRESSES = [Address(bytes([0xD0 + number]) * 20).hex0x() for number in range(5)]


@pytest.fixture(scope="module")
def shared() -> Node:
    """A chain shared by all tests of the module, each of which sets its own code."""
    return Node()


# transactions


def link(following: str, *, gas: int | None, value: int, must: bool, need: int) -> bytes:
    """Return code that needs gas, calls the next contract, reverts if that must succeed and fails, then counts.

    The call has all gas, or `gas`.
    """
    gas_push = b"\x5a" if gas is None else b"\x63" + gas.to_bytes(4)
    call = bytes.fromhex("5f5f5f5f60") + bytes([value]) + b"\x73" + bytes.fromhex(following[2:]) + gas_push + b"\xf1"
    start = contracts.require_gas(need, call)
    checked = b"\x61" + (len(start) + 7).to_bytes(2) + bytes.fromhex("575f5ffd5b") if must else b"\x50"
    return start + checked + contracts.COUNTER


LINKS = st.fixed_dictionaries(
    {
        "gas": st.sampled_from([None, None, 2_000, 30_000, 200_000, 0xFFFFFFFF]),
        "value": st.sampled_from([0, 0, 1]),
        "must": st.booleans(),
        "need": st.sampled_from([0, 0, 20_000, 150_000, 1_000_000]),
    }
)


@settings(max_examples=40)
@given(st.lists(LINKS, min_size=1, max_size=4), st.sampled_from([contracts.COUNTER, b"\xfe", b"", b"\x5f\x5f\xfd"]))
def test_transaction_succeeds_with_its_estimate(shared: Node, links: list[Any], last: bytes) -> None:
    addresses = ADDRESSES[: len(links) + 1]
    for address, following, one in zip(addresses, addresses[1:], links, strict=False):
        shared.rpc("anvil_setCode", address, "0x" + link(following, **one).hex())
        shared.rpc("anvil_setBalance", address, "0x5")
    shared.rpc("anvil_setCode", addresses[-1], "0x" + last.hex())
    call = {"from": ALICE_TEXT, "to": addresses[0], "data": "0x01"}
    snapshot = shared.rpc("evm_snapshot")
    plenty = shared.receipt(shared.send(to=addresses[0], data="0x01", gas=30_000_000))
    shared.rpc("evm_revert", snapshot)
    if plenty["status"] == "0x0":
        assert failure(shared, "eth_estimateGas", call).code in (3, -32000)
        return
    gas = int(shared.rpc("eth_estimateGas", call), 16)
    assert shared.receipt(shared.send(to=addresses[0], data="0x01", gas=gas))["status"] == "0x1"
    if last != b"\xfe":  # an invalid instruction burns all gas
        assert gas <= max(int(plenty["gasUsed"], 16), *(one["need"] for one in links)) * 2 + 100_000


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 7, 8, 9])
def test_estimate_of_a_precompile_suffices(shared: Node, number: int) -> None:
    to = "0x" + number.to_bytes(20).hex()
    data = "0x" + "00" * 212 + "01" if number == 9 else "0x"
    call = {"from": ALICE_TEXT, "to": to, "data": data}
    gas = int(shared.rpc("eth_estimateGas", call), 16)
    assert shared.receipt(shared.send(to=to, data=data, gas=gas))["status"] == "0x1"


def test_estimate_without_funds_names_the_required_balance(node: Node) -> None:
    set_code(node, contracts.COUNTER)
    poor = {"from": SINK.hex0x(), "to": CODE_ADDRESS, "gasPrice": hex(FEE)}
    for call in (poor, {**poor, "to": ALICE_TEXT}, {**poor, "gasPrice": None, "maxFeePerGas": hex(FEE)}):
        rejection = failure(node, "eth_estimateGas", call)
        assert rejection.message.startswith(f"insufficient funds for gas * price + value: address {SINK} have 0 want ")
        assert int(rejection.message.split()[-1]) == 21_000 * FEE
    node.rpc("anvil_setBalance", SINK.hex0x(), hex(30_000 * FEE + 5))
    assert failure(node, "eth_estimateGas", poor).message == "gas required exceeds allowance (30000)"
    rest = {**poor, "to": ALICE_TEXT, "value": "0x5"}
    assert node.rpc("eth_estimateGas", rest) == "0x5208"
    assert "insufficient funds" in failure(node, "eth_estimateGas", {**rest, "value": hex(10**15)}).message


# operations


def build_operation(
    node: Node, *, validation: int = 0, call: int = 0, paymaster: int = 0, post_op: int = 0
) -> UserOperation:
    """Build an operation of a minimal account whose parts each need the given gas.

    It has a minimal paymaster if `paymaster` or `post_op` is given.
    """
    execution = contracts.require_gas(call, at=16)
    validating = contracts.require_gas(validation, VALID, at=16 + len(execution) + 1)
    account = contracts.dispatch({VALIDATE: validating}, execution)
    node.rpc("anvil_setCode", ACCOUNT.hex0x(), "0x" + account.hex())
    part = None
    if paymaster or post_op:
        first = contracts.require_gas(paymaster, VALID_WITH_CONTEXT, at=28)
        second = contracts.require_gas(post_op, at=28 + len(first) + 1)
        code = contracts.dispatch({VALIDATE_PAYMASTER: first, POST_OP: second}, b"")
        node.rpc("anvil_setCode", PAYMASTER.hex0x(), "0x" + code.hex())
        part = PaymasterPart(PAYMASTER, 0, 0, Data())
    for holder in (ACCOUNT, PAYMASTER):
        deposit = abi.selector_of("depositTo(address)") + abi.address(holder)
        node.send(to=ENTRY_POINT_TEXT, value=10**19, data="0x" + deposit.hex())
    return UserOperation(
        sender=ACCOUNT,
        nonce=0,
        call_data=Data(b"\x12\x34\x56\x78"),
        call_gas_limit=0,
        verification_gas_limit=0,
        pre_verification_gas=0,
        max_fee_per_gas=FEE,
        max_priority_fee_per_gas=10**9,
        paymaster=part,
    )


@pytest.mark.parametrize(
    "needs",
    [
        {},
        {"call": 400_000},
        {"validation": 300_000},
        {"paymaster": 200_000},
        {"post_op": 250_000},
        {"validation": 150_000, "call": 2_000_000, "paymaster": 90_000, "post_op": 70_000},
    ],
    ids=str,
)
def test_operation_succeeds_with_its_estimate(node: Node, needs: dict[str, int]) -> None:
    op = build_operation(node, **needs)
    filled = Actor(node).estimate(op)
    identity = node.rpc("eth_sendUserOperation", on_wire(filled), ENTRY_POINT_TEXT)
    assert node.rpc("eth_getUserOperationReceipt", identity)["success"] is True
    part = filled.paymaster
    found = {
        "validation": filled.verification_gas_limit,
        "call": filled.call_gas_limit,
        "paymaster": 0 if part is None else part.verification_gas_limit,
        "post_op": 0 if part is None else part.post_op_gas_limit,
    }
    for name, needed in needs.items():
        assert needed < found[name] < needed * 5 // 4 + 60_000
    assert max(filled.verification_gas_limit, found["paymaster"]) <= MAX_VERIFICATION_GAS
    assert sum(found.values()) + filled.pre_verification_gas <= MAX_TOTAL_GAS


def test_call_of_an_operation_finds_the_gas_it_looks_for(node: Node, actor: Actor) -> None:
    set_code(node, contracts.require_gas(700_000, contracts.COUNTER))
    receipt = actor.send([Call(to=Address.parse(CODE_ADDRESS), data=Data())])
    assert receipt["success"] is True
    assert int(node.rpc("eth_getStorageAt", CODE_ADDRESS, "0x0"), 16) == 1


def test_callee_that_burns_its_gas_leaves_enough(node: Node, actor: Actor) -> None:
    burner = "0x" + "d9" * 20
    node.rpc("anvil_setCode", burner, "0xfe")
    set_code(node, link(burner, gas=None, value=0, must=False, need=0))
    assert actor.send([Call(to=Address.parse(CODE_ADDRESS), data=Data())])["success"] is True
    assert int(node.rpc("eth_getStorageAt", CODE_ADDRESS, "0x0"), 16) == 1


NESTED = bytes.fromhex("5f358061000c575f545f55005b600190035f525f5f60205f5f305af1610023575f5ffd5b00")
"""Code that calls itself n times; the last call writes an unchanged value, which costs 100 gas but needs 2,300 left."""


@pytest.mark.parametrize("depth", [0, 1, 30, 100])
def test_write_deep_down_has_the_gas_it_wants_to_be_left(node: Node, actor: Actor, depth: int) -> None:
    data = Data(abi.uint(depth))
    set_code(node, NESTED)
    gas = int(node.rpc("eth_estimateGas", {"from": ALICE_TEXT, "to": CODE_ADDRESS, "data": data.hex0x()}), 16)
    snapshot = node.rpc("evm_snapshot")
    receipt = node.receipt(node.send(to=CODE_ADDRESS, data=data.hex0x(), gas=gas))
    node.rpc("evm_revert", snapshot)
    assert receipt["status"] == "0x1"
    assert actor.send([Call(to=Address.parse(CODE_ADDRESS), data=data)])["success"] is True


def test_inner_call_that_may_fail_does_not_for_want_of_gas(node: Node, actor: Actor) -> None:
    inner = "0x" + "d8" * 20
    node.rpc("anvil_setCode", inner, "0x" + contracts.require_gas(500_000, contracts.COUNTER).hex())
    set_code(node, link(inner, gas=None, value=0, must=False, need=0))
    assert actor.send([Call(to=Address.parse(CODE_ADDRESS), data=Data())])["success"] is True
    assert int(node.rpc("eth_getStorageAt", inner, "0x0"), 16) == 1


@pytest.mark.parametrize("is_session", [False, True])
def test_operation_is_run_once_to_estimate_it_and_once_to_mine_it(
    node: Node, actor: Actor, monkeypatch: pytest.MonkeyPatch, is_session: bool
) -> None:
    calls = [transfer(TEST_TOKEN, SINK, 1)]
    session = Session.of(actor, [TOKEN_ACCESS]) if is_session else None
    actor.send(calls, session=session)  # deploys the account, and installs the session
    op = actor.operation(calls, session=session)
    runs: list[Callable[[], Any]] = []
    limit = node.dev.chain.limit
    run = limit.run

    def count_run(action: Callable[[], Any]) -> Any:
        runs.append(action)
        return run(action)

    monkeypatch.setattr(limit, "run", count_run)
    op = actor.sign(actor.estimate(op), session=session)
    assert len(runs) == 1
    node.rpc("eth_sendUserOperation", on_wire(op), ENTRY_POINT_TEXT)
    assert len(runs) == 2


def test_operation_with_much_gas_gets_it(node: Node, actor: Actor) -> None:
    op = actor.operation([transfer(TEST_TOKEN, SINK, 1)])
    op = actor.sign(replace(actor.estimate(op), call_gas_limit=25_000_000))
    actor.fund(10**19)
    identity = node.rpc("eth_sendUserOperation", on_wire(op), ENTRY_POINT_TEXT)
    assert node.rpc("eth_getUserOperationReceipt", identity)["success"] is True


@pytest.mark.parametrize("byte", ["ff", "00"])
@pytest.mark.parametrize("size", [0, 1_000, 5_000, 30_000])
def test_bundler_is_repaid_the_cost_of_the_transaction(node: Node, actor: Actor, size: int, byte: str) -> None:
    op = actor.operation([Call(to=SINK, data=Data(bytes.fromhex(byte) * size))])
    op = replace(actor.estimate(replace(op, max_priority_fee_per_gas=0)), max_fee_per_gas=10**9)
    nothing = actor.sign(replace(op, pre_verification_gas=0))
    rejection = failure(node, "eth_sendUserOperation", on_wire(nothing), ENTRY_POINT_TEXT)
    required = int(rejection.message.split()[-1])
    assert rejection.message == f"precheck failed: preVerificationGas is 0 but must be at least {required}"
    least = actor.sign(replace(op, pre_verification_gas=required + 500))  # for its own bytes and the signature's
    receipt = node.rpc("eth_getUserOperationReceipt", send(node, least))
    assert int(receipt["actualGasUsed"], 16) >= int(receipt["receipt"]["gasUsed"], 16)
    assert required <= op.pre_verification_gas <= required * 5 // 4

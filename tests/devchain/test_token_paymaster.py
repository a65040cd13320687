"""The charge of the token paymaster: the cost, at most the maximum, and only on its signer's terms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.devchain.asking import catch_failure
from tests.devchain.contracts import creation
from tests.devchain.sample import FEE, SINK, Actor, Node, key_of, transfer
from tests.devchain.token_gas import PLENTY, RATE, Payer, allowance, approval, balance, word
from tests.support.keys import sign_hash
from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, PAYMASTER_SIGNER, TEST_TOKEN
from wallet_rpc.devchain.evm import MessageCall as Message
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.token_charge import Erc20Charge, max_erc20_cost, wei_to_erc20
from wallet_rpc.primitives import Address, Data

MAX_OVER_PERCENT = 8  # above the deposit's cost: costs unknown to postOp are rounded up against the payer


@pytest.fixture
def payer(node: Node, actor: Actor) -> Payer:
    return Payer.of(node, actor)


def assert_covers_cost(payment: int, receipt: Any) -> None:
    """Check that the payment is the operation's cost to the deposit, or slightly more."""
    cost = wei_to_erc20(int(receipt["actualGasCost"], 16), RATE)
    assert cost <= payment <= cost * (100 + MAX_OVER_PERCENT) // 100, (payment / cost, receipt["actualGasUsed"])


def test_the_cost_is_charged_after_the_calls_by_the_allowance_that_they_gave(payer: Payer) -> None:
    payment, receipt = payer.pay([approval(10**20), transfer(TEST_TOKEN, SINK, 7)], payer.charge())
    assert receipt["success"] is True
    assert_covers_cost(payment, receipt)
    assert balance(payer.node, SINK) == 7
    assert allowance(payer.node, payer.actor.address) == 10**20 - payment
    assert payer.node.rpc("eth_getBalance", payer.actor.address.hex0x()) == "0x0"


def test_the_maximum_is_charged_before_the_calls_and_the_rest_refunded(payer: Payer) -> None:
    payer.allow(10**20)
    balance_before = balance(payer.node, payer.actor.address)
    payment, receipt = payer.pay([transfer(TEST_TOKEN, SINK, 7)], payer.charge(is_prepaid=True))
    assert_covers_cost(payment, receipt)
    assert balance(payer.node, payer.actor.address) == balance_before - payment - 7
    moved = [log for log in receipt["logs"] if log["address"] == TEST_TOKEN.hex0x()]
    assert int(moved[-1]["data"], 16) == 10**20 - payment


def test_a_permit_gives_the_allowance_even_as_the_account_is_deployed(payer: Payer) -> None:
    charge = payer.charge(is_prepaid=True, permit=payer.permit(2 * 10**20))
    payment, receipt = payer.pay([transfer(TEST_TOKEN, SINK, 7)], charge)
    assert_covers_cost(payment, receipt)
    assert allowance(payer.node, payer.actor.address) == 10**20


def test_a_permit_that_a_stranger_used_up_still_counts(payer: Payer) -> None:
    payer.allow(0)
    permit = payer.permit(2 * 10**20)
    charge = payer.charge(is_prepaid=True, permit=permit)
    op = payer.estimate([], charge)
    words = abi.address(payer.actor.address), abi.address(ERC20_PAYMASTER), abi.uint(permit.value)
    body = abi.sequence(*words, abi.uint(permit.deadline), abi.blob(permit.signature))
    data = Data(abi.selector_of("permit(address,address,uint256,uint256,bytes)") + body)
    payer.node.send(to=TEST_TOKEN.hex0x(), data=data.hex0x())
    assert allowance(payer.node, payer.actor.address) == permit.value
    assert payer.send(payer.sponsor(op, charge))["success"] is True


def test_calls_that_revert_are_paid_for_too(payer: Payer) -> None:
    payer.allow(2 * 10**20)
    for before in (True, False):
        charge = payer.charge(is_prepaid=before)
        op = payer.estimate([transfer(TEST_TOKEN, SINK, 7)], charge)
        failing = replace(op, call_data=payer.actor.operation([transfer(TEST_TOKEN, SINK, 2 * PLENTY)]).call_data)
        balance_before = balance(payer.node, ERC20_PAYMASTER)
        receipt = payer.send(payer.sponsor(failing, charge))
        assert receipt["success"] is False
        assert_covers_cost(balance(payer.node, ERC20_PAYMASTER) - balance_before, receipt)


def test_calls_that_spend_the_payment_are_reverted(payer: Payer) -> None:
    payer.allow(10**20)
    charge = payer.charge()
    op = payer.estimate([transfer(TEST_TOKEN, SINK, 7)], charge)
    balance_before = balance(payer.node, payer.actor.address)
    all_of_it = payer.actor.operation([transfer(TEST_TOKEN, SINK, balance_before)]).call_data
    receipt = payer.send(payer.sponsor(replace(op, call_data=all_of_it), charge))
    assert receipt["success"] is False
    assert balance(payer.node, SINK) == 0
    assert balance(payer.node, payer.actor.address) == balance_before


@pytest.mark.parametrize("before", [True, False])
def test_never_more_than_the_maximum_is_charged(payer: Payer, before: bool) -> None:
    payer.allow(10**20)
    payment, _ = payer.pay([], payer.charge(is_prepaid=before, max_amount=3))
    assert payment == 3


def test_unused_call_gas_is_paid_by_the_payer(payer: Payer) -> None:
    charge = payer.charge()
    op = replace(payer.estimate([approval(10**20)], charge), call_gas_limit=10_000_000)
    balance_before = balance(payer.node, ERC20_PAYMASTER)
    receipt = payer.send(payer.sponsor(op, charge))
    assert_covers_cost(balance(payer.node, ERC20_PAYMASTER) - balance_before, receipt)
    assert int(receipt["actualGasUsed"], 16) > 1_000_000


ALTERED: list[Any] = [
    {"token": Address(b"\x42" * 20)},
    {"rate": RATE - 1},
    {"max_amount": 10**20 - 1},
]


@pytest.mark.parametrize("change", ALTERED, ids=lambda change: next(iter(change)))
def test_altered_terms_are_refused(payer: Payer, change: dict[str, Any]) -> None:
    payer.allow(10**20)
    charge = payer.charge()
    op = payer.sponsor(payer.estimate([approval(10**20)], charge), charge)
    assert op.paymaster is not None
    data = op.paymaster.data
    altered = data[:12] + replace(charge, **change).terms + data[-65:]
    op = replace(op, paymaster=replace(op.paymaster, data=Data(altered)))
    failure = catch_failure(lambda: payer.send(op))
    assert (failure.code, failure.data["entryPoint"]) == (-32507, "AA34")


@pytest.mark.parametrize("data", [b"", bytes(97), bytes(165), bytes(167), bytes(12) + b"\3" + bytes(153)])
def test_data_of_another_form_is_a_failed_signature(payer: Payer, data: bytes) -> None:
    charge = payer.charge()
    op = payer.estimate([], replace(charge, is_prepaid=True, max_amount=0))
    assert op.paymaster is not None
    op = replace(op, paymaster=replace(op.paymaster, data=Data(data)))
    assert catch_failure(lambda: payer.send(op)).data["entryPoint"] == "AA34"


def test_a_permit_in_half_is_a_failed_signature(payer: Payer) -> None:
    op = payer.estimate([], payer.charge(is_prepaid=True, max_amount=0))
    assert op.paymaster is not None
    data = op.paymaster.data
    op = replace(op, paymaster=replace(op.paymaster, data=Data(data[:12] + b"\2" + data[13:] + bytes(63))))
    assert catch_failure(lambda: payer.send(op)).data["entryPoint"] == "AA34"


def test_terms_are_valid_for_no_other_operation_and_no_other_signer(payer: Payer) -> None:
    charge = payer.charge(is_prepaid=True, max_amount=0)
    op = payer.estimate([], charge)
    other = replace(payer.sponsor(op, charge), max_fee_per_gas=FEE + 1)
    assert catch_failure(lambda: payer.send(other)).data["entryPoint"] == "AA34"
    forged = payer.sponsor(op, charge, key=key_of(9).to_bytes())
    assert catch_failure(lambda: payer.send(forged)).data["entryPoint"] == "AA34"


def test_terms_run_out(payer: Payer) -> None:
    charge = payer.charge(is_prepaid=True, max_amount=0)
    op = payer.sponsor(payer.estimate([], charge), charge)
    payer.node.rpc("evm_increaseTime", 61)
    failure = catch_failure(lambda: payer.send(op))
    assert (failure.code, failure.data["entryPoint"]) == (-32503, "AA32")


def late_charge(payer: Payer) -> Erc20Charge:
    return payer.charge(
        is_prepaid=True, permit=payer.permit(10**20, deadline=payer.node.dev.chain.next_timestamp() - 1)
    )


def forged_charge(payer: Payer) -> Erc20Charge:
    stranger = replace(payer, actor=replace(payer.actor, owner=key_of(5)))
    made = stranger.permit(10**20).signature
    return payer.charge(is_prepaid=True, permit=replace(payer.permit(10**20), signature=made))


def small_charge(payer: Payer) -> Erc20Charge:
    return payer.charge(is_prepaid=True, permit=payer.permit(10**20 - 1))


def missing_charge(payer: Payer) -> Erc20Charge:
    return payer.charge(is_prepaid=True)


@pytest.mark.parametrize(("signer", "is_good"), [(1, True), (2, False)])
def test_a_key_permits_by_its_signature(node: Node, signer: int, is_good: bool) -> None:
    """The token recovers the signer of an owner without code."""
    owner, stranger = Payer(node, Actor(node, key_of(1), is_delegated=True)), key_of(signer)
    words = [abi.address(owner.actor.address), abi.address(ERC20_PAYMASTER), abi.uint(5), abi.uint(2**40)]
    made = sign_hash(stranger, owner.digest(5, 2**40))
    body = abi.sequence(*words, abi.blob(made))
    outcome = call(node, SINK, abi.selector_of("permit(address,address,uint256,uint256,bytes)") + body, TEST_TOKEN)
    assert outcome.success is is_good
    assert is_good or outcome.output[:4] == abi.selector_of("PermitSignatureInvalid(address)")


@pytest.mark.parametrize("terms", [late_charge, forged_charge, small_charge, missing_charge])
def test_without_a_good_permit_nothing_is_paid(payer: Payer, terms: Any) -> None:
    failure = catch_failure(lambda: payer.estimate([], terms(payer)))
    assert (failure.code, failure.data["entryPoint"]) == (-32501, "AA33")


def test_a_delegated_account_permits_by_its_contract(node: Node) -> None:
    payer = Payer.of(node, Actor(node, key_of(77), is_delegated=True))
    charge = payer.charge(is_prepaid=True, permit=payer.permit(2 * 10**20))
    payment, receipt = payer.pay([transfer(TEST_TOKEN, SINK, 7)], charge)
    assert_covers_cost(payment, receipt)


def call(node: Node, sender: Address, data: bytes, to: Address = ERC20_PAYMASTER) -> Any:
    return node.dev.chain.call(Message(sender=sender, to=to, data=data, gas=1_000_000))


def test_only_the_entry_point_charges_and_only_the_owner_withdraws(payer: Payer) -> None:
    payer.allow(10**20)
    payment, _ = payer.pay([], payer.charge(is_prepaid=True))
    body = abi.sequence(abi.uint(0), abi.blob(bytes(256)), abi.uint(1), abi.uint(1))
    post = abi.selector_of("postOp(uint8,bytes,uint256,uint256)") + body
    assert call(payer.node, SINK, post).output == abi.selector_of("NotEntryPoint()")
    words = abi.address(TEST_TOKEN) + abi.address(SINK) + abi.uint(payment)
    withdraw = abi.selector_of("withdrawToken(address,address,uint256)") + words
    assert call(payer.node, SINK, withdraw).output == abi.selector_of("NotOwner()")
    assert call(payer.node, PAYMASTER_SIGNER, withdraw).success
    assert word(payer.node, ERC20_PAYMASTER, "getDeposit()") > 0


def context(payer: Address, token: Address, *, is_taken: bool, max_amount: int = 10**18) -> bytes:
    """Return the context that validation would pass to postOp, with limits that are all used."""
    words = abi.address(payer), abi.address(token), abi.uint(RATE), abi.uint(max_amount), abi.uint(int(is_taken))
    return b"".join((*words, abi.uint(0), abi.uint(0), abi.uint(0)))


def post_op(node: Node, given: bytes, *, cost: int, fee: int) -> Any:
    body = abi.sequence(abi.uint(0), abi.blob(given), abi.uint(cost), abi.uint(fee))
    return call(node, ENTRY_POINT, abi.selector_of("postOp(uint8,bytes,uint256,uint256)") + body)


def deploy_code(node: Node, runtime: bytes) -> Address:
    """Deploy a contract with that code, and return its address."""
    return Address.parse(node.receipt(node.send(data=Data(creation(runtime)).hex0x()))["contractAddress"])


SILENT = b"\x00"
"""Code that returns nothing, as some tokens do."""
FALSE = bytes.fromhex("5f5f5260205ff3")
"""Code that returns false."""
TRUE = bytes.fromhex("60015f5260205ff3")


@pytest.mark.parametrize(("runtime", "is_fine"), [(SILENT, True), (TRUE, True), (FALSE, False), (None, False)])
def test_a_token_returns_true_or_nothing(payer: Payer, runtime: bytes | None, is_fine: bool) -> None:
    token = SINK if runtime is None else deploy_code(payer.node, runtime)
    outcome = post_op(payer.node, context(payer.actor.address, token, is_taken=False), cost=10, fee=1)
    assert outcome.success is is_fine
    if not is_fine:
        assert outcome.output[:4] == abi.selector_of("TokenCallFailed(address,bytes)")


def test_a_free_operation_costs_nothing(payer: Payer) -> None:
    outcome = post_op(payer.node, context(payer.actor.address, TEST_TOKEN, is_taken=False), cost=0, fee=0)
    assert outcome.success


def test_a_token_that_calls_back_finds_nothing_to_use(payer: Payer) -> None:
    """It attempts a withdrawal during the charge; the paymaster treats it like any other caller."""
    words = abi.address(TEST_TOKEN) + abi.address(SINK) + abi.uint(1)
    attack = abi.selector_of("withdrawToken(address,address,uint256)") + words
    push = b"\x7f" + attack[:32] + b"\x5f\x52" + b"\x7f" + attack[32:64] + b"\x60\x20\x52"
    push += b"\x7f" + attack[64:96] + b"\x60\x40\x52" + b"\x7f" + attack[96:].ljust(32, b"\0") + b"\x60\x60\x52"
    again = bytes.fromhex("5f5f6064" + "5f5f") + b"\x73" + ERC20_PAYMASTER + bytes.fromhex("5af15f5260205ff3")
    token = deploy_code(payer.node, push + again)
    outcome = post_op(payer.node, context(payer.actor.address, token, is_taken=False), cost=10, fee=1)
    assert not outcome.success  # the token returned the result of its own call: false
    assert outcome.output[:4] == abi.selector_of("TokenCallFailed(address,bytes)")


@settings(max_examples=60)
@given(cost=st.integers(0, 10**20), fee=st.integers(1, 10**12), limit=st.integers(0, 10**22), is_taken=st.booleans())
def test_the_charge_is_the_cost_or_the_limit(payer: Payer, cost: int, fee: int, limit: int, is_taken: bool) -> None:
    """The token returns nothing, so only the paymaster's own event has the amount."""
    payer.node.rpc("anvil_setCode", SINK.hex0x(), "0x00")
    given_context = context(payer.actor.address, SINK, is_taken=is_taken, max_amount=limit)
    outcome = post_op(payer.node, given_context, cost=cost, fee=fee)
    assert outcome.success
    assert int.from_bytes(outcome.logs[-1].data[:32]) == min(limit, wei_to_erc20(cost + 3_000 * fee, RATE))


def test_the_maximum_covers_the_highest_charge_of_the_entry_point(payer: Payer) -> None:
    charge = payer.charge(is_prepaid=True, permit=payer.permit(10**30))
    op = payer.estimate([], charge)
    exact = replace(charge, max_amount=max_erc20_cost(op, RATE))
    receipt = payer.send(payer.sponsor(op, exact))
    assert receipt["success"] is True
    assert int(receipt["actualGasCost"], 16) * RATE // 10**18 < exact.max_amount

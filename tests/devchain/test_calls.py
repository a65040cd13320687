from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, failure, set_code, words
from tests.devchain.sample import ALICE, BOB, FEE, GENESIS_TIME, SINK, Node
from wallet_rpc.devchain.evm import MessageCall
from wallet_rpc.domain import abi
from wallet_rpc.primitives import Data

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()


def test_call_sees_the_block_it_runs_in(node: Node) -> None:
    set_code(node, contracts.FACTS)
    node.rpc("evm_mine", hex(GENESIS_TIME + 50))
    assert words(node.rpc("eth_call", {"to": CODE_ADDRESS}, "latest")) == [GENESIS_TIME + 50, 1, 31337, 10**9, 0]
    assert words(node.rpc("eth_call", {"to": CODE_ADDRESS}, "pending"))[1] == 2
    assert words(node.rpc("eth_call", {"to": CODE_ADDRESS, "gasPrice": "0x5"}, "0x0")) == [
        GENESIS_TIME,
        0,
        31337,
        10**9,
        5,
    ]


def test_call_looks_at_past_state(node: Node) -> None:
    counter = set_code(node, contracts.COUNTER)
    for _ in range(3):
        node.send(to=counter)
    counts = [int(node.rpc("eth_getStorageAt", counter, "0x0", hex(number)), 16) for number in range(4)]
    assert counts == [0, 1, 2, 3]
    assert node.rpc("eth_getTransactionCount", ALICE_TEXT, "0x2") == "0x2"
    assert failure(node, "eth_getBalance", ALICE_TEXT, "0x9").message == "header not found"
    first = node.rpc("eth_getBlockByNumber", "0x1", False)["hash"]
    assert int(node.rpc("eth_getStorageAt", counter, "0x0", {"blockHash": first}), 16) == 1
    assert int(node.rpc("eth_getStorageAt", counter, "0x0", {"blockNumber": "0x2"}), 16) == 2
    assert failure(node, "eth_getBalance", ALICE_TEXT, {"blockHash": "0x" + "00" * 32}).message == "header not found"
    assert failure(node, "eth_getBalance", ALICE_TEXT, {}).code == -32602
    assert failure(node, "eth_getBalance", ALICE_TEXT, "newest").code == -32602


def test_call_knows_the_hashes_of_past_blocks(node: Node) -> None:
    set_code(node, contracts.BLOCK_HASH)
    node.rpc("anvil_mine", "0x3")
    for number in range(3):
        call = {"to": CODE_ADDRESS, "data": "0x" + number.to_bytes(32).hex()}
        expected = node.rpc("eth_getBlockByNumber", hex(number), False)["hash"]
        assert node.rpc("eth_call", call) == expected


def test_call_reverts_with_raw_data_and_reason(node: Node) -> None:
    set_code(node, contracts.revert_with(contracts.ERROR))
    reverted = failure(node, "eth_call", {"to": CODE_ADDRESS})
    assert (reverted.code, reverted.message) == (3, "execution reverted: no luck")
    assert reverted.data == Data(contracts.ERROR).hex0x()
    set_code(node, contracts.revert_with(abi.selector_of("Panic(uint256)") + abi.uint(0x11)))
    assert (
        failure(node, "eth_call", {"to": CODE_ADDRESS}).message
        == "execution reverted: arithmetic underflow or overflow"
    )
    set_code(node, contracts.revert_with(b"\x12\x34\x56\x78"))
    assert (failure(node, "eth_call", {"to": CODE_ADDRESS}).message) == "execution reverted"
    set_code(node, b"\xfe")
    assert failure(node, "eth_call", {"to": CODE_ADDRESS}).code == -32000


def test_call_without_funds_needs_no_gas_money_but_cannot_give_value(node: Node) -> None:
    set_code(node, contracts.BALANCE_OF_CALLER)
    assert words(node.rpc("eth_call", {"from": SINK_TEXT, "to": CODE_ADDRESS})) == [0]
    poor = failure(node, "eth_call", {"from": SINK_TEXT, "to": CODE_ADDRESS, "value": "0x1"})
    assert poor.message == "insufficient funds for transfer"
    assert failure(node, "eth_call", {"to": CODE_ADDRESS, "gas": "0x5"}).message.startswith("intrinsic gas too low")


def test_call_creates_a_contract_and_answers_its_code(node: Node) -> None:
    code = contracts.creation(contracts.COUNTER)
    assert node.rpc("eth_call", {"data": "0x" + code.hex()}) == "0x" + contracts.COUNTER.hex()


def test_call_runs_with_overridden_accounts_and_keeps_nothing(node: Node) -> None:
    def call_with(override: Any, to: str = CODE_ADDRESS, sender: str = SINK_TEXT) -> list[int]:
        return words(node.rpc("eth_call", {"from": sender, "to": to}, "latest", override))

    slot_0 = "0x" + contracts.SLOT_0.hex()
    word = {"0x" + "00" * 32: "0x" + "00" * 31 + "07"}
    assert call_with({CODE_ADDRESS: {"code": slot_0, "stateDiff": word}}) == [7]
    node.rpc("anvil_setStorageAt", CODE_ADDRESS, "0x0", "0x" + "00" * 31 + "05")
    assert call_with({CODE_ADDRESS: {"code": slot_0}}) == [5]
    assert call_with({CODE_ADDRESS: {"code": slot_0, "state": {}}}) == [0]
    balance = "0x" + contracts.BALANCE_OF_CALLER.hex()
    assert call_with({CODE_ADDRESS: {"code": balance}, SINK_TEXT: {"balance": "0x9", "nonce": "0x3"}}) == [9]
    assert node.rpc("eth_getCode", CODE_ADDRESS) == "0x"
    both = {CODE_ADDRESS: {"state": {}, "stateDiff": word}}
    assert failure(node, "eth_call", {"to": CODE_ADDRESS}, "latest", both).code == -32602


def test_call_with_an_authorization_runs_delegated_code(node: Node) -> None:
    set_code(node, contracts.return_word(42))
    signed = Account.sign_authorization({"chainId": 31337, "address": CODE_ADDRESS, "nonce": 0}, BOB.key)
    authorization = {
        "chainId": "0x7a69",
        "address": CODE_ADDRESS,
        "nonce": "0x0",
        "yParity": hex(signed.y_parity),
        "r": "0x" + signed.r.to_bytes(32).hex(),
        "s": "0x" + signed.s.to_bytes(32).hex(),
    }
    assert words(node.rpc("eth_call", {"to": BOB_TEXT, "authorizationList": [authorization]})) == [42]
    own = {"from": BOB_TEXT, "to": BOB_TEXT, "authorizationList": [authorization]}
    assert node.rpc("eth_call", own) == "0x"  # the sender's own authorization needs the nonce after the transaction's
    stale = {**authorization, "nonce": "0x1"}
    assert node.rpc("eth_call", {"to": BOB_TEXT, "authorizationList": [stale]}) == "0x"
    assert int(node.rpc("eth_estimateGas", {"to": BOB_TEXT, "authorizationList": [authorization]}), 16) > 46_000


def test_data_and_input_must_agree(node: Node) -> None:
    set_code(node, contracts.return_word(1))
    assert words(node.rpc("eth_call", {"to": CODE_ADDRESS, "data": "0x12", "input": "0x12"})) == [1]
    assert failure(node, "eth_call", {"to": CODE_ADDRESS, "data": "0x12", "input": "0x13"}).code == -32602


# gas


def test_estimate_of_a_transfer_is_exact(node: Node) -> None:
    assert node.rpc("eth_estimateGas", {"from": ALICE_TEXT, "to": SINK_TEXT, "value": "0x1"}) == "0x5208"


@pytest.mark.parametrize(
    "code", [contracts.COUNTER, contracts.TWO_LOGS, contracts.return_word(1)], ids=["counter", "logs", "word"]
)
def test_transaction_succeeds_with_the_estimate_and_not_with_less(node: Node, code: bytes) -> None:
    set_code(node, code)
    gas = int(node.rpc("eth_estimateGas", {"from": ALICE_TEXT, "to": CODE_ADDRESS}), 16)
    snapshot = node.rpc("evm_snapshot")
    assert node.receipt(node.send(to=CODE_ADDRESS, gas=gas - 1))["status"] == "0x0"
    node.rpc("evm_revert", snapshot)
    assert node.receipt(node.send(to=CODE_ADDRESS, gas=gas))["status"] == "0x1"


def test_estimate_covers_calls_that_get_63_parts_of_64(node: Node) -> None:
    inner = "0x" + "c1" * 20
    node.rpc("anvil_setCode", inner, "0x" + contracts.COUNTER.hex())
    set_code(node, contracts.FORWARDER)
    call = {"from": ALICE_TEXT, "to": CODE_ADDRESS, "data": "0x" + "00" * 12 + inner[2:]}
    gas = int(node.rpc("eth_estimateGas", call), 16)
    receipt = node.receipt(node.send(to=CODE_ADDRESS, data=call["data"], gas=gas))
    assert receipt["status"] == "0x1"
    assert gas < int(receipt["gasUsed"], 16) * 105 // 100


def test_estimate_of_a_failing_call_has_the_reason(node: Node) -> None:
    set_code(node, contracts.revert_with(contracts.ERROR))
    assert failure(node, "eth_estimateGas", {"to": CODE_ADDRESS}).message == "execution reverted: no luck"
    poor = {"from": SINK_TEXT, "to": CODE_ADDRESS, "value": "0x1"}
    assert failure(node, "eth_estimateGas", poor).message == "insufficient funds for transfer"
    set_code(node, contracts.COUNTER)
    node.rpc("anvil_setBalance", SINK_TEXT, hex(30_000 * FEE))
    tight = {"from": SINK_TEXT, "to": CODE_ADDRESS, "maxFeePerGas": hex(FEE)}
    assert failure(node, "eth_estimateGas", tight).message == "gas required exceeds allowance (30000)"


def test_fees_are_constant(node: Node) -> None:
    assert node.rpc("eth_gasPrice") == hex(2 * 10**9)
    assert node.rpc("eth_maxPriorityFeePerGas") == hex(10**9)
    node.send(to=SINK_TEXT)
    history = node.rpc("eth_feeHistory", "0x5", "latest", [25, 75])
    assert (history["oldestBlock"], len(history["baseFeePerGas"])) == ("0x0", 3)
    assert history["reward"][1] == [hex(10**9)] * 2
    assert "reward" not in node.rpc("eth_feeHistory", 1, "latest", [])
    assert failure(node, "eth_feeHistory", "0x1", "0x99").message == "header not found"


def test_estimate_of_a_contract_that_looks_at_its_gas_is_searched(node: Node) -> None:
    set_code(node, bytes.fromhex("620186a05a11600a57fe5b5f54506001 5f5500".replace(" ", "")))  # needs 100,000 gas left
    gas = int(node.rpc("eth_estimateGas", {"from": ALICE_TEXT, "to": CODE_ADDRESS}), 16)
    assert 121_000 < gas < 125_000
    assert node.receipt(node.send(to=CODE_ADDRESS, gas=gas))["status"] == "0x1"


def test_estimate_does_not_exceed_the_gas_of_the_request(node: Node) -> None:
    set_code(node, contracts.COUNTER)
    gas = int(node.rpc("eth_estimateGas", {"to": CODE_ADDRESS}), 16)
    assert node.rpc("eth_estimateGas", {"to": CODE_ADDRESS, "gas": hex(gas)}) == hex(gas)
    poor = {"from": SINK_TEXT, "to": CODE_ADDRESS, "value": "0x1", "gasPrice": "0x1"}
    assert failure(node, "eth_estimateGas", poor).message == "insufficient funds for transfer"


def test_call_accepts_an_access_list(node: Node) -> None:
    set_code(node, contracts.SLOT_0)
    access_list = [{"address": CODE_ADDRESS, "storageKeys": ["0x" + "00" * 32]}]
    assert words(node.rpc("eth_call", {"to": CODE_ADDRESS, "accessList": access_list}, "earliest")) == [0]


def test_transient_storage_is_gone_after_the_transaction(node: Node) -> None:
    set_code(node, bytes.fromhex("5f5c602a5f5d5f5260205ff3"))  # returns the word, then writes 42
    assert words(node.rpc("eth_call", {"to": CODE_ADDRESS})) == [0]
    set_code(node, bytes.fromhex("602a5f5d5f5c5f5260205ff3"))  # writes 42, then returns the word
    assert words(node.rpc("eth_call", {"to": CODE_ADDRESS})) == [42]


def test_authorization_for_another_chain_is_skipped(node: Node) -> None:
    set_code(node, contracts.return_word(42))
    signed = Account.sign_authorization({"chainId": 1, "address": CODE_ADDRESS, "nonce": 0}, BOB.key)
    authorization = {
        "chainId": "0x1",
        "address": CODE_ADDRESS,
        "nonce": "0x0",
        "yParity": hex(signed.y_parity),
        "r": "0x" + signed.r.to_bytes(32).hex(),
        "s": "0x" + signed.s.to_bytes(32).hex(),
    }
    assert node.rpc("eth_call", {"to": BOB_TEXT, "authorizationList": [authorization]}) == "0x"


def test_hashes_are_known_of_256_blocks(node: Node) -> None:
    set_code(node, contracts.BLOCK_HASH)
    node.rpc("anvil_mine", hex(300))
    calls = [{"to": CODE_ADDRESS, "data": "0x" + number.to_bytes(32).hex()} for number in (43, 44)]
    assert [int(node.rpc("eth_call", one), 16) != 0 for one in calls] == [False, True]


def test_run_reports_the_failing_frame(node: Node) -> None:
    set_code(node, contracts.FORWARDER)
    inner = bytes.fromhex("c1" * 20)
    node.dev.chain.set_code(inner, contracts.revert_with(contracts.ERROR))
    call = MessageCall(
        sender=bytes(ALICE.address), to=bytes.fromhex(CODE_ADDRESS[2:]), data=inner.rjust(32, b"\x00"), gas=100_000
    )
    outcome = node.dev.chain.call(call)
    outer, failed = outcome.frame.walk()
    assert (outcome.success, outer.error, outer.ran_out_of_gas) == (False, "invalid instruction", False)
    assert (failed.to, failed.depth, failed.error) == (inner, 1, "execution reverted")
    assert failed.output == contracts.ERROR

"""Equal calls on an equal state are run once; any change of the state ends that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, set_code
from tests.devchain.sample import ALICE, Node
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.evm import ExecutionResult
from wallet_rpc.primitives import Data

CALL = {"to": CODE_ADDRESS}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The targets of the calls that were run."""
    found: list[bytes] = []
    run = Blockchain.call

    def record(chain: Blockchain, call: Any, **options: Any) -> ExecutionResult:
        found.append(call.to)
        return run(chain, call, **options)

    monkeypatch.setattr(Blockchain, "call", record)
    return found


def test_an_equal_call_is_not_run_again(node: Node, runs: list[bytes]) -> None:
    set_code(node, contracts.FACTS)
    answers = {node.rpc("eth_call", CALL, "latest") for _ in range(3)}
    assert (len(answers), len(runs)) == (1, 1)
    node.rpc("eth_call", {**CALL, "from": ALICE.address.hex0x()}, "latest")
    node.rpc("eth_call", CALL, "latest", {CODE_ADDRESS: {"balance": "0x1"}})
    assert len(runs) == 3


def test_each_change_of_the_state_ends_it(node: Node, runs: list[bytes]) -> None:
    counter = set_code(node, contracts.COUNTER)
    changes: list[tuple[str, list[Any]]] = [
        ("anvil_setCode", [counter, "0x5f545f5260205ff3"]),
        ("anvil_setStorageAt", [counter, "0x" + "00" * 32, "0x" + "00" * 31 + "07"]),
        ("anvil_setBalance", [counter, "0x1"]),
        ("evm_mine", []),
    ]
    snapshot = node.rpc("evm_snapshot")
    for expected, (method, parameters) in enumerate(changes, start=1):
        node.rpc(method, *parameters)
        node.rpc("eth_call", CALL, "latest")
        node.rpc("eth_call", CALL, "latest")
        assert len(runs) == expected
    assert int(node.rpc("eth_call", CALL, "latest"), 16) == 7
    node.rpc("evm_revert", snapshot)
    assert node.rpc("eth_call", CALL, "latest") == Data().hex0x()


def test_a_call_that_depends_on_the_time_or_fails_is_always_run(node: Node, runs: list[bytes]) -> None:
    set_code(node, contracts.FACTS)
    for _ in range(2):
        node.rpc("eth_call", CALL, "pending")
    assert len(runs) == 2
    set_code(node, bytes.fromhex("5f5ffd"))
    for _ in range(2):
        with pytest.raises(Exception, match="reverted"):
            node.rpc("eth_call", CALL, "latest")
    assert len(runs) == 4


def test_only_some_results_are_kept(node: Node, runs: list[bytes]) -> None:
    set_code(node, contracts.FACTS)
    for value in range(257):
        node.rpc("eth_call", {**CALL, "data": f"0x{value:04x}"}, "latest")
    node.rpc("eth_call", {**CALL, "data": "0x0001"}, "latest")
    assert len(runs) == 257
    node.rpc("eth_call", {**CALL, "data": "0x0000"}, "latest")  # the least recently used one
    assert len(runs) == 258


def test_settings_that_a_call_sees_change_its_result(node: Node) -> None:
    gas_left = {"to": set_code(node, bytes.fromhex("5a5f5260205ff3"))}
    before = node.rpc("eth_call", gas_left, "latest")
    node.rpc("evm_setBlockGasLimit", hex(1_000_000))
    assert int(node.rpc("eth_call", gas_left, "latest"), 16) < 1_000_000 < int(before, 16)

    price = {"to": set_code(node, bytes.fromhex("3a5f5260205ff3")), "maxFeePerGas": hex(3 * 10**9)}
    price |= {"maxPriorityFeePerGas": "0x1"}
    assert int(node.rpc("eth_call", price, "latest"), 16) == 10**9 + 1
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(2 * 10**9))
    assert int(node.rpc("eth_call", price, "latest"), 16) == 2 * 10**9 + 1

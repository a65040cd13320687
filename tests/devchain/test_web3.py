"""web3.py, a third-party client, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from web3 import Web3
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from tests.devchain import contracts
from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import ALICE, BOB, SINK, Node
from wallet_rpc.devchain.dev_constants import TEST_TOKEN

SINK_TEXT = SINK.hex0x()
TOKEN_ABI: Any = [
    {
        "type": "function",
        "name": name,
        "stateMutability": mutability,
        "inputs": [{"name": str(at), "type": kind} for at, kind in enumerate(inputs)],
        "outputs": [{"name": "", "type": output}],
    }
    for name, mutability, inputs, output in [
        ("balanceOf", "view", ["address"], "uint256"),
        ("transfer", "nonpayable", ["address", "uint256"], "bool"),
    ]
] + [
    {
        "type": "event",
        "name": "Transfer",
        "anonymous": False,
        "inputs": [
            {"name": "from", "type": "address", "indexed": True},
            {"name": "to", "type": "address", "indexed": True},
            {"name": "value", "type": "uint256", "indexed": False},
        ],
    }
]


@pytest.fixture
def web3(node: Node) -> Iterator[Any]:
    with serve_rpc(node.dispatcher.answer) as url:
        yield Web3(Web3.HTTPProvider(url))


def test_account_sends_and_reads_its_receipt(web3: Any) -> None:
    sender = Account.from_key(ALICE.key)
    transaction = {
        "to": SINK_TEXT,
        "value": 5,
        "nonce": web3.eth.get_transaction_count(sender.address),
        "chainId": web3.eth.chain_id,
        "gas": web3.eth.estimate_gas({"from": sender.address, "to": SINK_TEXT, "value": 5}),
        "maxFeePerGas": web3.eth.gas_price,
        "maxPriorityFeePerGas": web3.eth.max_priority_fee,
    }
    identity = web3.eth.send_raw_transaction(sender.sign_transaction(transaction).raw_transaction)
    receipt = web3.eth.wait_for_transaction_receipt(identity)
    assert (receipt.status, receipt.gasUsed, receipt.contractAddress) == (1, 21_000, None)
    assert web3.eth.get_balance(SINK_TEXT) == 5
    assert web3.eth.get_transaction(identity)["value"] == 5
    assert web3.eth.get_block("latest").transactions == [identity]
    assert web3.eth.fee_history(1, "latest", [50]).baseFeePerGas == [10**9, 10**9]
    assert web3.is_connected()


def test_token_is_moved_and_its_event_found(web3: Any) -> None:
    token = web3.eth.contract(address=TEST_TOKEN.hex0x(), abi=TOKEN_ABI)
    token.functions.transfer(SINK_TEXT, 7).transact({"from": ALICE.address.hex0x()})
    assert token.functions.balanceOf(SINK_TEXT).call() == 7
    (event,) = token.events.Transfer.get_logs(from_block=0)
    assert (event.args["to"], event.args.value) == (SINK_TEXT, 7)


def test_contract_is_deployed(web3: Any) -> None:
    made = web3.eth.contract(abi=[], bytecode=contracts.creation(contracts.COUNTER).hex())
    receipt = web3.eth.wait_for_transaction_receipt(made.constructor().transact({"from": BOB.address.hex0x()}))
    assert bytes(web3.eth.get_code(receipt.contractAddress)) == contracts.COUNTER


def test_reverts_are_recognised(web3: Any, node: Node) -> None:
    address = "0x" + "c0" * 20
    node.rpc("anvil_setCode", address, "0x" + contracts.revert_with(contracts.ERROR).hex())
    with pytest.raises(ContractLogicError, match="no luck"):
        web3.eth.call({"to": Web3.to_checksum_address(address)})
    with pytest.raises(ContractLogicError, match="no luck"):
        web3.eth.estimate_gas({"to": Web3.to_checksum_address(address)})
    token = web3.eth.contract(address=TEST_TOKEN.hex0x(), abi=TOKEN_ABI)
    with pytest.raises(ContractCustomError):
        token.functions.transfer(SINK_TEXT, 7).call({"from": SINK_TEXT})


def test_rejections_are_reported(web3: Any) -> None:
    with pytest.raises(Web3RPCError, match="insufficient funds"):
        web3.eth.estimate_gas({"from": SINK_TEXT, "to": SINK_TEXT, "value": 1})


def test_state_is_overridden(web3: Any) -> None:
    address = Web3.to_checksum_address("0x" + "c0" * 20)
    override = {
        address: {"code": "0x" + contracts.SLOT_0.hex(), "stateDiff": {"0x" + "00" * 32: "0x" + "00" * 31 + "2a"}}
    }
    assert int.from_bytes(web3.eth.call({"to": address}, "latest", override)) == 42

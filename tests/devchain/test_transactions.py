from __future__ import annotations

from typing import Any

import pytest
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_typing import Address as EvmAddress

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, failure, set_code, words
from tests.devchain.sample import ALICE, BOB, FEE, GENESIS_TIME, SINK, Node
from wallet_rpc.devchain.ledger import encode_raw

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()


def test_fresh_chain_has_a_genesis_block(node: Node) -> None:
    block = node.rpc("eth_getBlockByNumber", "latest", False)
    assert (block["number"], int(block["timestamp"], 16)) == ("0x0", GENESIS_TIME)
    assert block["transactions"] == []
    assert node.rpc("eth_getBlockByNumber", "0x1", False) is None
    assert node.rpc("eth_getBlockByHash", block["hash"], False) == block


def test_each_transaction_gets_a_block_chained_to_the_last(node: Node) -> None:
    identity = node.send(to=SINK_TEXT, value=5)
    block = node.rpc("eth_getBlockByNumber", "0x1", False)
    assert block["transactions"] == [identity]
    assert block["parentHash"] == node.rpc("eth_getBlockByNumber", "0x0", False)["hash"]
    assert block["gasUsed"] == hex(21_000)
    assert node.rpc("eth_getBalance", SINK_TEXT) == "0x5"
    assert node.rpc("eth_getBlockTransactionCountByNumber", "0x1") == "0x1"
    assert node.rpc("eth_getBlockTransactionCountByHash", block["hash"]) == "0x1"
    assert node.rpc("eth_getBlockTransactionCountByNumber", "0x0") == "0x0"
    assert node.rpc("eth_getBlockTransactionCountByHash", "0x" + "00" * 32) is None


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (0, {"gasPrice": FEE}),
        (1, {"gasPrice": FEE, "accessList": [{"address": CODE_ADDRESS, "storageKeys": ["0x" + "00" * 32]}]}),
        (2, {}),
    ],
)
def test_transactions_of_each_type_are_mined_and_read_back(node: Node, kind: int, fields: Any) -> None:
    identity = node.send(to=SINK_TEXT, value=7, **fields)
    found = node.rpc("eth_getTransactionByHash", identity)
    assert (found["type"], found["from"], found["value"]) == (hex(kind), ALICE_TEXT.lower(), "0x7")
    assert found["gasPrice"] == hex(FEE)
    assert found == node.rpc("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x0")
    assert found == node.rpc("eth_getTransactionByBlockHashAndIndex", found["blockHash"], "0x0")
    assert found == node.rpc("eth_getBlockByNumber", "latest", True)["transactions"][0]
    assert node.rpc("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x1") is None
    receipt = node.receipt(identity)
    assert (receipt["status"], receipt["type"], receipt["effectiveGasPrice"]) == ("0x1", hex(kind), hex(FEE))
    assert node.rpc("eth_getBlockReceipts", "latest") == [receipt]
    if kind:
        assert found["yParity"] in ("0x0", "0x1")


def test_authorization_in_a_transaction_delegates_an_account(node: Node) -> None:
    set_code(node, contracts.return_word(42))
    signed = Account.sign_authorization({"chainId": 31337, "address": CODE_ADDRESS, "nonce": 0}, BOB.key)
    identity = node.send(to=BOB_TEXT, authorizationList=[signed])
    assert node.rpc("eth_getCode", BOB_TEXT) == "0xef0100" + "c0" * 20
    assert words(node.rpc("eth_call", {"to": BOB_TEXT})) == [42]
    assert node.rpc("eth_getTransactionCount", BOB_TEXT) == "0x1"
    authorizations = node.rpc("eth_getTransactionByHash", identity)["authorizationList"]
    assert authorizations[0]["address"] == CODE_ADDRESS.lower()
    node.send(sender=BOB, to=SINK_TEXT, value=1)  # a delegated account still sends
    removed = Account.sign_authorization({"chainId": 0, "address": "0x" + "00" * 20, "nonce": 2}, BOB.key)
    node.send(to=SINK_TEXT, authorizationList=[removed])
    assert node.rpc("eth_getCode", BOB_TEXT) == "0x"


def test_contract_is_created(node: Node) -> None:
    receipt = node.receipt(node.send(data="0x" + contracts.creation(contracts.return_word(9)).hex()))
    assert receipt["to"] is None
    assert words(node.rpc("eth_call", {"to": receipt["contractAddress"]})) == [9]


def test_reverted_transaction_is_mined_and_costs_gas(node: Node) -> None:
    receipt = node.receipt(node.send(to=set_code(node, contracts.revert_with(b"")), value=3))
    assert receipt["status"] == "0x0"
    assert node.rpc("eth_getBalance", CODE_ADDRESS) == "0x0"
    spent = 10_000 * 10**18 - int(node.rpc("eth_getBalance", ALICE_TEXT), 16)
    assert spent == int(receipt["gasUsed"], 16) * FEE


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chainId": 1}, "invalid chain id for signer: have 1 want 31337"),
        ({"value": 10**30}, "insufficient funds for gas * price + value"),
        ({"maxFeePerGas": 10**9 - 1, "maxPriorityFeePerGas": 0}, "max fee per gas less than block base fee"),
        ({"maxPriorityFeePerGas": FEE + 1}, "max priority fee per gas higher than max fee per gas"),
        ({"gas": 20_999}, "intrinsic gas too low"),
        ({"gas": 60_000_001}, "exceeds block gas limit"),
        ({"gas": 35_000, "data": "0x" + "11" * 500}, "insufficient gas for floor data gas cost"),
    ],
)
def test_transaction_that_cannot_be_mined_is_rejected_with_geths_message(node: Node, fields: Any, message: str) -> None:
    rejection = failure(node, "eth_sendRawTransaction", node.sign(to=SINK_TEXT, **fields))
    assert rejection.code == -32000
    assert rejection.message.startswith(message)
    assert node.rpc("eth_blockNumber") == "0x0"


def test_used_nonce_and_known_transaction_are_refused(node: Node) -> None:
    raw = node.sign(to=SINK_TEXT, value=1)
    node.rpc("eth_sendRawTransaction", raw)
    assert failure(node, "eth_sendRawTransaction", raw).message == "already known"
    low = failure(node, "eth_sendRawTransaction", node.sign(to=SINK_TEXT, nonce=0))
    assert low.message.startswith("nonce too low")


@pytest.mark.parametrize("raw", ["0x", "0x02", "0x03aabb", "0x05", "0xc0", "0xf8", "0x02c0", "0x" + "ff" * 40])
def test_bytes_that_are_no_transaction_are_refused(node: Node, raw: str) -> None:
    assert failure(node, "eth_sendRawTransaction", raw).code == -32000


def test_contract_cannot_send(node: Node) -> None:
    node.rpc("anvil_setCode", ALICE_TEXT, "0x00")
    assert failure(node, "eth_sendRawTransaction", node.sign(to=SINK_TEXT)).message.startswith("sender not an eoa")


def test_development_account_sends_unsigned(node: Node) -> None:
    identity = node.rpc("eth_sendTransaction", {"from": ALICE_TEXT, "to": SINK_TEXT, "value": "0x5"})
    assert node.receipt(identity)["gasUsed"] == "0x5208"
    legacy = {"from": ALICE_TEXT, "to": SINK_TEXT, "gasPrice": hex(FEE), "gas": "0x5208"}
    assert node.receipt(node.rpc("eth_sendTransaction", legacy))["type"] == "0x0"
    assert failure(node, "eth_sendTransaction", {"from": SINK_TEXT, "to": SINK_TEXT}).message.startswith(
        "unknown account"
    )
    assert failure(node, "eth_sendTransaction", {"to": SINK_TEXT}).code == -32602


def test_authorization_list_may_not_be_empty(node: Node) -> None:
    unsigned = PragueTransactionBuilder.new_unsigned_set_code_transaction(
        chain_id=31337,
        nonce=0,
        max_priority_fee_per_gas=0,
        max_fee_per_gas=FEE,
        gas=100_000,
        to=EvmAddress(bytes(SINK)),
        value=0,
        data=b"",
        access_list=(),
        authorization_list=[],
    )
    raw = unsigned.as_signed_transaction(PrivateKey(ALICE.key)).encode()
    rejection = failure(node, "eth_sendRawTransaction", "0x" + raw.hex())
    assert rejection.message == "EIP-7702 transaction with empty auth list"


def test_invalid_signature_is_rejected(node: Node) -> None:
    fields = [b"", FEE.to_bytes(4), (21_000).to_bytes(2), bytes(SINK), b"", b"", b"\x1b", b"", b"\x01"]
    rejection = failure(node, "eth_sendRawTransaction", "0x" + encode_raw(fields).hex())
    assert rejection.message == "invalid sender"


def test_contract_that_destroys_itself_while_it_is_made_leaves_nothing(node: Node) -> None:
    with pytest.warns(DeprecationWarning, match="SELFDESTRUCT"):
        receipt = node.receipt(node.send(data="0x60015f5533ff"))  # writes a word first
    made = receipt["contractAddress"]
    assert receipt["status"] == "0x1"
    assert node.rpc("eth_getStorageAt", made, "0x0") == "0x" + "00" * 32
    assert node.rpc("eth_getTransactionCount", made) == "0x0"


def test_unknown_transactions_and_blocks_are_null(node: Node) -> None:
    assert node.rpc("eth_getTransactionByHash", "0x" + "00" * 32) is None
    assert node.receipt("0x" + "00" * 32) is None
    assert node.rpc("eth_getTransactionByBlockNumberAndIndex", "earliest", "0x0") is None
    assert node.rpc("eth_getBlockReceipts", "0x9") is None
    assert node.rpc("eth_getBlockReceipts", "0x0") == []


def test_run_that_is_out_of_date_is_not_mined(node: Node) -> None:
    chain = node.dev.chain
    execution = chain.execute(bytes.fromhex(node.sign(to=SINK_TEXT, value=1)[2:]))
    chain.set_balance(SINK, 5)
    with pytest.raises(ValueError, match="state has changed"):
        chain.include(execution)

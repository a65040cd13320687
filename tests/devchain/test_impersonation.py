"""Transactions from accounts without their keys."""

from __future__ import annotations

import pytest

from tests.devchain import contracts
from tests.devchain.asking import failure, set_code
from tests.devchain.sample import BOB, SINK, Node, mint
from tests.devchain.test_mining_controls import GWEI, pay
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.primitives import Address

BOB_TEXT, SINK_TEXT = BOB.address.hex0x(), SINK.hex0x()


def test_an_impersonated_contract_sends_transactions(node: Node) -> None:
    contract = set_code(node, contracts.COUNTER)
    node.rpc("anvil_setBalance", contract, hex(10**18))
    request = {"from": contract, "to": TEST_TOKEN.hex0x(), "data": mint(TEST_TOKEN, Address.parse(contract), 9)["data"]}
    assert failure(node, "eth_sendTransaction", request).message.startswith("unknown account")
    for maker in ("anvil", "hardhat"):
        node.rpc(f"{maker}_impersonateAccount", contract)
        receipt = node.receipt(node.rpc("eth_sendTransaction", request))
        assert (receipt["from"], receipt["status"], len(receipt["logs"])) == (contract.lower(), "0x1", 1)
        node.rpc(f"{maker}_stopImpersonatingAccount", contract)
        assert failure(node, "eth_sendTransaction", request).message.startswith("unknown account")
    assert node.rpc("eth_getTransactionCount", contract, "latest") == "0x2"


def test_impersonated_accounts_are_among_the_accounts(node: Node) -> None:
    own = node.rpc("eth_accounts")
    for impersonated in (SINK_TEXT, BOB_TEXT):
        node.rpc("anvil_impersonateAccount", impersonated)
    assert node.rpc("eth_accounts") == [*own, SINK_TEXT]
    node.rpc("anvil_stopImpersonatingAccount", SINK_TEXT)
    assert node.rpc("eth_accounts") == own


def test_equal_transactions_of_two_impersonated_accounts_have_their_own_hashes(node: Node) -> None:
    node.rpc("anvil_autoImpersonateAccount", True)
    others = ["0x" + byte * 20 for byte in ("c7", "c8")]
    sent = []
    for other in others:
        node.rpc("anvil_setBalance", other, hex(10**18))
        for kind in ("0x0", "0x1", "0x2"):
            price = {"maxFeePerGas": hex(2 * GWEI)} if kind == "0x2" else {"gasPrice": hex(2 * GWEI)}
            sent.append(pay(node, other, type=kind, **price))

    assert len(set(sent)) == 6
    found = [node.rpc("eth_getTransactionByHash", identity) for identity in sent]
    assert [(each["from"], each["type"]) for each in found] == [
        (other, kind) for other in others for kind in ("0x0", "0x1", "0x2")
    ]


def test_the_number_of_impersonated_accounts_is_bounded(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wallet_rpc.devchain.impersonation.MAX_IMPERSONATED", 1)
    node.rpc("anvil_impersonateAccount", SINK_TEXT)
    node.rpc("anvil_impersonateAccount", SINK_TEXT)

    assert "at most 1" in failure(node, "anvil_impersonateAccount", BOB_TEXT).message

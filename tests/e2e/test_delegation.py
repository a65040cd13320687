"""Externally owned accounts (EIP-7702): delegation by the first call, use like any other account, and removal."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from tests.e2e.delegating import DELEGATE, DELEGATE_V1_1, ZERO, External
from tests.e2e.stacks import on_both_stacks
from tests.support.calls import transfer
from tests.support.constants import FRIEND, POLICY, ROOT, TOKEN
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

pytestmark = on_both_stacks
ELSEWHERE = "0x000000000000c5A9089039570Dd36455b5C07383"
"""Deployed contract that is not a supported delegate."""


@pytest.fixture
def eoa(client: Client) -> External:
    """Return a funded account that is not delegated."""
    return External(client).fund()


def test_the_first_call_delegates_and_calls_in_one(eoa: External) -> None:
    before = eoa.client.token_balance(FRIEND)
    prepared = eoa.prepare(transfer(5))
    assert [part["type"] for part in prepared["data"]] == ["authorization", "user-operation-v070"]
    authorization, operation = prepared["data"]
    assert authorization["data"] == {"address": DELEGATE, "nonce": "0x0"}
    assert "factory" not in operation["data"]
    assert "eip7702Auth" not in operation["data"]
    status = eoa.wait_until_final(eoa.submit(eoa.sign_array(prepared)))
    assert status["status"] == 200
    assert status["details"]["type"] == "user-operation"
    assert eoa.client.token_balance(FRIEND) == before + 5
    assert eoa.is_delegated_to(DELEGATE)
    assert eoa.count() == 1


def test_the_parts_may_come_in_any_order(eoa: External) -> None:
    request = eoa.sign_array(eoa.prepare({"to": FRIEND}))
    request["data"].reverse()
    assert eoa.wait_until_final(eoa.submit(request))["status"] == 200


def test_later_calls_are_single_operations(eoa: External) -> None:
    eoa.delegate({"to": FRIEND})
    prepared = eoa.prepare({"to": FRIEND, "value": "0x1"})
    assert prepared["type"] == "user-operation-v070"
    assert eoa.wait_until_final(eoa.send(prepared, eoa.owner))["status"] == 200
    named = eoa.prepare({"to": FRIEND}, eip7702Auth={"delegation": "ModularAccountV2", "account": eoa.account})
    assert named["type"] == eoa.prepare({"to": FRIEND}, eip7702Auth=True)["type"] == "user-operation-v070"


def test_an_empty_batch_delegates(eoa: External) -> None:
    assert eoa.delegate(eip7702Auth=True)["status"] == 200
    assert eoa.is_delegated_to(DELEGATE)


def test_the_account_pays_for_its_own_delegation(eoa: External) -> None:
    before = eoa.client.balance(eoa.account)
    prepared = eoa.prepare({"to": FRIEND, "value": "0x7"}, sponsored=False)
    assert prepared["data"][1]["feePayment"]["sponsored"] is False
    assert eoa.wait_until_final(eoa.submit(eoa.sign_array(prepared)))["status"] == 200
    assert eoa.client.balance(eoa.account) < before - 7


@pytest.mark.parametrize("implementation", [ELSEWHERE, FRIEND])
def test_a_delegation_to_another_contract_is_replaced(eoa: External, implementation: str) -> None:
    eoa.delegate_elsewhere(implementation)
    assert eoa.prepare(transfer(1))["type"] == "array"
    assert eoa.delegate(transfer(1))["status"] == 200
    assert eoa.is_delegated_to(DELEGATE)


def test_both_versions_of_the_implementation_are_supported(eoa: External) -> None:
    eoa.delegate_elsewhere(DELEGATE_V1_1)
    prepared = eoa.prepare({"to": FRIEND, "value": "0x1"})
    assert prepared["type"] == "user-operation-v070"
    assert eoa.wait_until_final(eoa.send(prepared, eoa.owner))["status"] == 200


def test_an_implementation_named_by_address_is_used(eoa: External) -> None:
    assert eoa.delegate({"to": FRIEND}, eip7702Auth={"delegation": DELEGATE_V1_1})["status"] == 200
    assert eoa.is_delegated_to(DELEGATE_V1_1)
    assert eoa.delegate({"to": FRIEND}, eip7702Auth={"delegation": DELEGATE})["status"] == 200
    assert eoa.is_delegated_to(DELEGATE)


def test_sending_the_array_again_returns_the_same_id_and_does_nothing(eoa: External) -> None:
    request = eoa.sign_array(eoa.prepare(transfer(5)))
    first = eoa.submit(request)
    eoa.wait_until_final(first)
    left = eoa.client.token_balance(eoa.account)
    assert eoa.submit(request) == first
    assert eoa.client.token_balance(eoa.account) == left
    assert eoa.count() == 1


def test_an_estimate_has_nothing_to_sign_but_the_authorization(eoa: External) -> None:
    service = {"policyId": POLICY, "onlyEstimation": True}
    authorization, operation = eoa.prepare({"to": FRIEND}, paymasterService=service)["data"]
    assert "signatureRequest" in authorization
    assert "signatureRequest" not in operation
    assert eoa.client.rpc("wallet_listAccounts", {"signerAddress": eoa.account})["accounts"] == []


def test_the_first_sent_call_makes_the_signers_own_address_its_account(eoa: External) -> None:
    prepared = eoa.prepare({"to": FRIEND})
    assert eoa.client.rpc("wallet_listAccounts", {"signerAddress": eoa.account})["accounts"] == []
    eoa.wait_until_final(eoa.submit(eoa.sign_array(prepared)))
    request = {"signerAddress": eoa.account, "includeCounterfactualInfo": True}
    found = eoa.client.rpc("wallet_requestAccount", request)
    assert found == {"accountAddress": eoa.account, "id": found["id"], "delegation": DELEGATE}
    contract = eoa.client.rpc("wallet_requestAccount", {**request, "creationHint": {"accountType": "sma-b"}})
    assert contract["counterfactualInfo"]["factoryType"] == "MAv2.0.0-sma-b"
    assert eoa.client.rpc("wallet_requestAccount", request) == found
    eoa.prepare({"to": FRIEND})
    assert eoa.client.rpc("wallet_listAccounts", {"signerAddress": eoa.account})["meta"]["totalCount"] == 2


def test_a_session_of_a_delegated_account_works_like_any_other(eoa: External) -> None:
    eoa.delegate()
    grant = eoa.grant({"type": "erc20-token-transfer", "data": {"allowance": "0x20", "address": TOKEN}})
    for amount in (0x10, 0x10):
        assert eoa.act(grant, transfer(amount))["status"] == 200
    with pytest.raises(RpcError) as error_info:
        eoa.act(grant, transfer(1))
    assert error_info.value.data["permissions"] == ["erc20-token-transfer"]


def test_a_session_needs_the_delegation_first(eoa: External) -> None:
    grant = eoa.grant(ROOT)
    with pytest.raises(RpcError) as error_info:
        eoa.prepare({"to": FRIEND}, permissions=grant.permissions)
    assert (error_info.value.code, error_info.value.reason) == (-32602, "account_not_delegated")
    eoa.delegate()
    assert eoa.act(grant, {"to": FRIEND})["status"] == 200
    grant = eoa.grant(ROOT)
    assert eoa.act(grant, {"to": FRIEND})["status"] == 200
    eoa.delegate_elsewhere(ELSEWHERE)
    for act in (lambda: eoa.create_session(ROOT), lambda: eoa.prepare(permissions=grant.permissions)):
        with pytest.raises(RpcError) as error_info:
            act()
        assert (error_info.value.code, error_info.value.reason) == (-32602, "account_not_delegated")
    with pytest.raises(RpcError) as error_info:
        eoa.prepare(permissions={"context": "0x020100000001"})
    assert error_info.value.reason == "account_not_delegated"


def test_a_session_cannot_redelegate(eoa: External) -> None:
    eoa.delegate()
    grant = eoa.grant(ROOT)
    with pytest.raises(RpcError, match="only the account's own key"):
        eoa.prepare(permissions=grant.permissions, eip7702Auth={"delegation": DELEGATE_V1_1})
    with pytest.raises(RpcError) as error_info:
        eoa.prepare(permissions=grant.permissions, eip7702Auth={"delegation": ZERO})
    assert error_info.value.reason == "removal_is_alone"


def catch_submit_error(eoa: External, **changed: Any) -> RpcError:
    """Send an array with a changed authorization, and return the error."""
    request = eoa.sign_array(eoa.prepare({"to": FRIEND}))
    request["data"][0] |= changed
    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert eoa.code() == "0x"
    return error_info.value


def test_an_authorization_signed_by_another_key_is_rejected(eoa: External) -> None:
    forged = eoa.sign_authorization(eoa.prepare()["data"][0], by=new_key())["signature"]
    for signature in (forged, {"data": "0x1234"}, {"data": "0x" + "00" * 65}, {"data": "0x" + "ff" * 64 + "1b"}):
        error = catch_submit_error(eoa, signature=signature)
        assert error.code == -32000
        assert error.message == "EIP-7702 authorization signature is invalid"
        assert error.reason == "authorization_invalid"


def test_an_authorization_changed_after_signing_is_rejected(eoa: External) -> None:
    assert catch_submit_error(eoa, data={"address": DELEGATE_V1_1, "nonce": "0x0"}).reason == "authorization_invalid"
    assert catch_submit_error(eoa, data={"address": ELSEWHERE, "nonce": "0x0"}).reason == "delegation_not_supported"
    assert catch_submit_error(eoa, data={"address": ZERO, "nonce": "0x0"}).reason == "delegation_not_supported"
    assert catch_submit_error(eoa, chainId="0x66eee").code == -32602


def test_an_authorization_with_another_nonce_is_rejected(eoa: External) -> None:
    request = eoa.sign_array(eoa.prepare({"to": FRIEND}))
    eoa.client.chain("anvil_setNonce", eoa.account, "0x3")
    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert (error_info.value.code, error_info.value.reason) == (-32000, "authorization_nonce")
    assert error_info.value.message == "EIP-7702 nonce mismatch. Expected: 3, Actual: 0"
    assert eoa.delegate({"to": FRIEND})["status"] == 200


def test_the_operation_without_its_authorization_is_rejected_while_it_needs_one(eoa: External) -> None:
    operation = eoa.prepare({"to": FRIEND})["data"][1]
    with pytest.raises(RpcError) as error_info:
        eoa.send(operation, eoa.owner)
    assert (error_info.value.code, error_info.value.reason) == (-32000, "authorization_missing")


def test_an_array_without_an_authorization_is_sent_as_an_operation(eoa: External) -> None:
    eoa.delegate()
    signed = eoa.sign(eoa.prepare({"to": FRIEND}), eoa.owner, None)
    assert eoa.wait_until_final(eoa.submit({"type": "array", "data": [signed]}))["status"] == 200


def test_arrays_with_other_contents_are_rejected(eoa: External) -> None:
    authorization, operation = eoa.sign_array(eoa.prepare({"to": FRIEND}))["data"]
    for parts in ([], [authorization], [operation, operation], [authorization, authorization, operation]):
        with pytest.raises(RpcError) as error_info:
            eoa.submit({"type": "array", "data": parts})
        assert (error_info.value.code, error_info.value.reason) == (-32602, "array_not_supported")


def test_a_delegation_is_removed(eoa: External) -> None:
    eoa.delegate()
    prepared = eoa.prepare_removal()
    assert prepared["type"] == "authorization"
    assert prepared["data"] == {"address": ZERO, "nonce": "0x1"}
    before = eoa.client.balance(eoa.account)
    call_id = eoa.submit(eoa.sign_authorization(prepared))
    status = eoa.wait_until_final(call_id)
    assert status["status"] == 200
    assert status["details"]["type"] == "delegation"
    assert status["details"]["txHash"] == status["receipts"][0]["transactionHash"]
    assert (status["id"], status["chainId"], status["receipts"][0]["logs"]) == (call_id, eoa.chain_id, [])
    assert (eoa.code(), eoa.count(), eoa.client.balance(eoa.account)) == ("0x", 2, before)
    assert eoa.prepare({"to": FRIEND})["type"] == "array"


def test_a_removal_sent_again_returns_the_same_id_and_costs_nothing(eoa: External) -> None:
    eoa.delegate()
    request = eoa.sign_authorization(eoa.prepare_removal())
    first = eoa.submit(request)
    paid = eoa.client.chain("eth_getTransactionByHash", eoa.wait_until_final(first)["details"]["txHash"])
    sent = eoa.client.chain("eth_getTransactionCount", paid["from"], "pending")
    assert int(sent, 16) == int(paid["nonce"], 16) + 1
    assert eoa.submit(request) == first
    assert eoa.client.chain("eth_getTransactionCount", paid["from"], "pending") == sent, "the relayer paid twice"
    digest = bytes.fromhex(eoa_digest(1)[2:])
    assert first[2:] == (31337).to_bytes(32, "big").hex() + keccak(bytes.fromhex(eoa.account[2:]) + digest).hex()
    assert eoa.delegate()["status"] == 200
    assert eoa.wait_until_final(first)["status"] == 200, "also after the account was delegated again"


def eoa_digest(nonce: int) -> str:
    """Return keccak256(05 | rlp([31337, 20 zero bytes, nonce])) for a nonce below 128."""
    return "0x" + keccak(b"\x05" + bytes([0xD9]) + b"\x82\x7a\x69" + b"\x94" + bytes(20) + bytes([nonce])).hex()


def test_a_delegation_to_another_contract_can_be_removed_too(eoa: External) -> None:
    eoa.delegate_elsewhere(FRIEND)
    assert eoa.wait_until_final(eoa.submit(eoa.sign_authorization(eoa.prepare_removal())))["status"] == 200
    assert eoa.code() == "0x"


def test_impossible_removals_are_rejected(eoa: External, wallet: Wallet) -> None:
    removal = {"delegation": ZERO}
    cases: list[tuple[Wallet, tuple[dict[str, str], ...], dict[str, str], str]] = [
        (eoa, (), removal, "nothing_to_remove"),
        (eoa, ({"to": FRIEND},), removal, "removal_is_alone"),
        (wallet, (), removal, "not_externally_owned"),
        (wallet, (), {"delegation": DELEGATE}, "not_externally_owned"),
        (eoa, (), {"delegation": ELSEWHERE}, "delegation_not_supported"),
        (eoa, (), {**removal, "account": FRIEND}, "delegation_of_another"),
    ]
    for sender, calls, authorization, reason in cases:
        with pytest.raises(RpcError) as error_info:
            sender.prepare(*calls, eip7702Auth=authorization)
        assert (error_info.value.code, error_info.value.reason) == (-32602, reason)


def test_a_removal_that_is_not_signed_or_too_late_is_rejected(eoa: External) -> None:
    eoa.delegate()
    request = eoa.sign_authorization(eoa.prepare_removal())
    for changed, reason in (
        ({"signature": {"data": "0x1234"}}, "authorization_invalid"),
        ({"data": {"address": DELEGATE, "nonce": "0x1"}}, "delegation_alone"),
    ):
        with pytest.raises(RpcError) as error_info:
            eoa.submit({**request, **changed})
        assert error_info.value.reason == reason
    eoa.client.chain("anvil_setNonce", eoa.account, "0x9")
    with pytest.raises(RpcError, match=r"EIP-7702 nonce mismatch. Expected: 9, Actual: 1"):
        eoa.submit(request)


def test_eip7702_auth_true_has_no_effect_on_a_contract_account(wallet: Wallet) -> None:
    prepared = wallet.prepare({"to": FRIEND}, eip7702Auth=True)
    assert prepared["type"] == "user-operation-v070"
    assert wallet.wait_until_final(wallet.send(prepared, wallet.owner))["status"] == 200

"""Externally owned accounts (EIP-7702): delegated by their first call, used like any other account, and freed again."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from tests.e2e.client import FRIEND, POLICY, TOKEN, Client, RpcError, Wallet, new_key, transfer
from tests.e2e.delegating import DELEGATE, DELEGATE_V1_1, ZERO, External
from tests.e2e.stacks import on_both_stacks

pytestmark = on_both_stacks
ROOT = {"type": "root"}
ELSEWHERE = "0x000000000000c5A9089039570Dd36455b5C07383"
"""A contract that is there, but not one to delegate to."""


@pytest.fixture
def eoa(client: Client) -> External:
    """An account with money that nobody has delegated."""
    made = External(client)
    made.fund()
    return made


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


def test_no_calls_at_all_delegate(eoa: External) -> None:
    assert eoa.delegate(eip7702Auth=True)["status"] == 200
    assert eoa.is_delegated_to(DELEGATE)


def test_the_account_pays_for_its_own_delegation(eoa: External) -> None:
    before = eoa.client.balance(eoa.account)
    prepared = eoa.prepare({"to": FRIEND, "value": "0x7"}, sponsored=False)
    assert prepared["data"][1]["feePayment"]["sponsored"] is False
    assert eoa.wait_until_final(eoa.submit(eoa.sign_array(prepared)))["status"] == 200
    assert eoa.client.balance(eoa.account) < before - 7


@pytest.mark.parametrize("implementation", [ELSEWHERE, FRIEND])
def test_delegated_elsewhere_is_not_delegated(eoa: External, implementation: str) -> None:
    eoa.delegate_elsewhere(implementation)
    assert eoa.prepare(transfer(1))["type"] == "array"
    assert eoa.delegate(transfer(1))["status"] == 200
    assert eoa.is_delegated_to(DELEGATE)


def test_both_versions_of_the_implementation_are_ours(eoa: External) -> None:
    eoa.delegate_elsewhere(DELEGATE_V1_1)
    prepared = eoa.prepare({"to": FRIEND, "value": "0x1"})
    assert prepared["type"] == "user-operation-v070"
    assert eoa.wait_until_final(eoa.send(prepared, eoa.owner))["status"] == 200


def test_an_implementation_that_is_named_by_address_is_the_one_that_runs(eoa: External) -> None:
    assert eoa.delegate({"to": FRIEND}, eip7702Auth={"delegation": DELEGATE_V1_1})["status"] == 200
    assert eoa.is_delegated_to(DELEGATE_V1_1)
    assert eoa.delegate({"to": FRIEND}, eip7702Auth={"delegation": DELEGATE})["status"] == 200
    assert eoa.is_delegated_to(DELEGATE)


def test_sending_the_array_again_answers_the_same_id_and_does_nothing(eoa: External) -> None:
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


def test_the_first_call_that_is_sent_makes_the_signers_own_address_its_account(eoa: External) -> None:
    prepared = eoa.prepare({"to": FRIEND})
    assert eoa.client.rpc("wallet_listAccounts", {"signerAddress": eoa.account})["accounts"] == []
    eoa.wait_until_final(eoa.submit(eoa.sign_array(prepared)))
    asked = {"signerAddress": eoa.account, "includeCounterfactualInfo": True}
    found = eoa.client.rpc("wallet_requestAccount", asked)
    assert found == {"accountAddress": eoa.account, "id": found["id"], "delegation": DELEGATE}
    contract = eoa.client.rpc("wallet_requestAccount", {**asked, "creationHint": {"accountType": "sma-b"}})
    assert contract["counterfactualInfo"]["factoryType"] == "MAv2.0.0-sma-b"
    assert eoa.client.rpc("wallet_requestAccount", asked) == found
    eoa.prepare({"to": FRIEND})
    assert eoa.client.rpc("wallet_listAccounts", {"signerAddress": eoa.account})["meta"]["totalCount"] == 2


def test_a_session_of_a_delegated_account_works_as_any(eoa: External) -> None:
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


def sent_with(eoa: External, **changed: Any) -> RpcError:
    """The refusal of an array whose authorization is changed."""
    request = eoa.sign_array(eoa.prepare({"to": FRIEND}))
    request["data"][0] |= changed
    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert eoa.code() == "0x"
    return error_info.value


def test_an_authorization_signed_by_another_is_refused(eoa: External) -> None:
    forged = eoa.sign_authorization(eoa.prepare()["data"][0], by=new_key())["signature"]
    for signature in (forged, {"data": "0x1234"}, {"data": "0x" + "00" * 65}, {"data": "0x" + "ff" * 64 + "1b"}):
        refused = sent_with(eoa, signature=signature)
        assert refused.code == -32000
        assert refused.message == "EIP-7702 authorization signature is invalid"
        assert refused.reason == "authorization_invalid"


def test_an_authorization_changed_after_signing_is_refused(eoa: External) -> None:
    assert sent_with(eoa, data={"address": DELEGATE_V1_1, "nonce": "0x0"}).reason == "authorization_invalid"
    assert sent_with(eoa, data={"address": ELSEWHERE, "nonce": "0x0"}).reason == "delegation_not_supported"
    assert sent_with(eoa, data={"address": ZERO, "nonce": "0x0"}).reason == "delegation_not_supported"
    assert sent_with(eoa, chainId="0x66eee").code == -32602


def test_an_authorization_of_another_nonce_is_refused(eoa: External) -> None:
    request = eoa.sign_array(eoa.prepare({"to": FRIEND}))
    eoa.client.chain("anvil_setNonce", eoa.account, "0x3")
    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert (error_info.value.code, error_info.value.reason) == (-32000, "authorization_nonce")
    assert error_info.value.message == "EIP-7702 nonce mismatch. Expected: 3, Actual: 0"
    assert eoa.delegate({"to": FRIEND})["status"] == 200


def test_the_operation_alone_is_refused_while_it_needs_the_delegation(eoa: External) -> None:
    operation = eoa.prepare({"to": FRIEND})["data"][1]
    with pytest.raises(RpcError) as error_info:
        eoa.send(operation, eoa.owner)
    assert (error_info.value.code, error_info.value.reason) == (-32000, "authorization_missing")


def test_an_array_without_an_authorization_is_an_operation(eoa: External) -> None:
    eoa.delegate()
    signed = eoa.sign(eoa.prepare({"to": FRIEND}), eoa.owner, None)
    assert eoa.wait_until_final(eoa.submit({"type": "array", "data": [signed]}))["status"] == 200


def test_arrays_of_other_contents_are_refused(eoa: External) -> None:
    authorization, operation = eoa.sign_array(eoa.prepare({"to": FRIEND}))["data"]
    for parts in ([], [authorization], [operation, operation], [authorization, authorization, operation]):
        with pytest.raises(RpcError) as error_info:
            eoa.submit({"type": "array", "data": parts})
        assert (error_info.value.code, error_info.value.reason) == (-32602, "array_not_supported")


def test_a_delegation_is_taken_away(eoa: External) -> None:
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


def test_a_removal_sent_again_answers_the_same_id_and_costs_nothing(eoa: External) -> None:
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
    """05 | rlp([31337, 20 zero bytes, nonce]), the nonce below 128."""
    return "0x" + keccak(b"\x05" + bytes([0xD9]) + b"\x82\x7a\x69" + b"\x94" + bytes(20) + bytes([nonce])).hex()


def test_what_is_not_delegated_by_us_can_be_freed_too(eoa: External) -> None:
    eoa.delegate_elsewhere(FRIEND)
    assert eoa.wait_until_final(eoa.submit(eoa.sign_authorization(eoa.prepare_removal())))["status"] == 200
    assert eoa.code() == "0x"


def test_removals_that_make_no_sense_are_refused(eoa: External, wallet: Wallet) -> None:
    removal = {"delegation": ZERO}
    cases: list[tuple[Wallet, tuple[dict[str, str], ...], dict[str, str], str]] = [
        (eoa, (), removal, "nothing_to_remove"),
        (eoa, ({"to": FRIEND},), removal, "removal_is_alone"),
        (wallet, (), removal, "not_externally_owned"),
        (wallet, (), {"delegation": DELEGATE}, "not_externally_owned"),
        (eoa, (), {"delegation": ELSEWHERE}, "delegation_not_supported"),
        (eoa, (), {**removal, "account": FRIEND}, "delegation_of_another"),
    ]
    for who, calls, asked, reason in cases:
        with pytest.raises(RpcError) as error_info:
            who.prepare(*calls, eip7702Auth=asked)
        assert (error_info.value.code, error_info.value.reason) == (-32602, reason)


def test_a_removal_is_refused_when_it_is_not_signed_or_late(eoa: External) -> None:
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


def test_true_asks_nothing_of_a_contract_account(wallet: Wallet) -> None:
    prepared = wallet.prepare({"to": FRIEND}, eip7702Auth=True)
    assert prepared["type"] == "user-operation-v070"
    assert wallet.wait_until_final(wallet.send(prepared, wallet.owner))["status"] == 200

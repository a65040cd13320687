"""Stale authorizations: the operation is still sent when the account already has the delegation."""

from __future__ import annotations

import time

import pytest

from tests.e2e.delegating import DELEGATE, DELEGATE_V1_1, External
from tests.e2e.stacks import on_both_stacks
from tests.support.constants import FRIEND, LONGEST_SECONDS
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError


@pytest.fixture
def eoa(client: Client) -> External:
    """Return a funded account that is not delegated."""
    made = External(client)
    made.fund(tokens=0)
    return made


def arrays(eoa: External, count: int) -> list[dict[str, object]]:
    """Prepare several first calls before any is sent, with different nonce keys, and sign them."""
    calls = {"to": FRIEND, "value": "0x1"}
    prepared = [eoa.prepare(calls, nonceOverride={"nonceKey": hex(key)}) for key in range(1, count + 1)]
    assert [each["type"] for each in prepared] == ["array"] * count
    return [eoa.sign_array(each) for each in prepared]


@on_both_stacks
def test_a_second_first_call_settles_after_the_first_has_delegated(eoa: External) -> None:
    before = eoa.client.balance(FRIEND)
    first, second = arrays(eoa, 2)

    assert eoa.wait_until_final(eoa.submit(first))["status"] == 200
    call_id = eoa.submit(second)
    assert eoa.wait_until_final(call_id)["status"] == 200
    assert eoa.submit(second) == call_id
    assert eoa.client.balance(FRIEND) - before == 2
    assert eoa.count() == 1, "the second authorization was not used"


def submit_with_retries(eoa: External, request: dict[str, object]) -> str:
    """Send until the bundler accepts: Alto's mempool has one operation with an authorization per account at a time."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        try:
            return eoa.submit(request)
        except RpcError as error:
            if error.data.get("retryable") is not True or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@on_both_stacks
def test_concurrent_first_calls_all_settle(eoa: External) -> None:
    before = eoa.client.balance(FRIEND)
    sent = [submit_with_retries(eoa, request) for request in arrays(eoa, 3)]

    assert [eoa.wait_until_final(call_id)["status"] for call_id in sent] == [200] * 3
    assert eoa.client.balance(FRIEND) - before == 3
    assert eoa.is_delegated_to(DELEGATE)


@on_both_stacks
def test_an_account_that_was_delegated_by_other_means_needs_no_authorization(eoa: External) -> None:
    (request,) = arrays(eoa, 1)
    eoa.delegate_elsewhere(DELEGATE)
    eoa.client.chain("anvil_setNonce", eoa.account, "0x1")

    assert eoa.wait_until_final(eoa.submit(request))["status"] == 200
    assert eoa.count() == 1


@pytest.mark.parametrize(("delegate", "nonce"), [(None, 1), (DELEGATE_V1_1, 1), (FRIEND, 1)])
def test_a_stale_authorization_of_an_account_that_runs_other_code_is_retryable(
    eoa: External, delegate: str | None, nonce: int
) -> None:
    (request,) = arrays(eoa, 1)
    if delegate is not None:
        eoa.delegate_elsewhere(delegate)
    eoa.client.chain("anvil_setNonce", eoa.account, hex(nonce))

    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert (error_info.value.code, error_info.value.reason) == (-32000, "authorization_nonce")
    assert error_info.value.data["retryable"] is True
    assert error_info.value.message == f"EIP-7702 nonce mismatch. Expected: {nonce}, Actual: 0"
    again = eoa.prepare({"to": FRIEND})
    signed = eoa.sign_array(again) if again["type"] == "array" else eoa.sign(again, eoa.owner, None)
    assert eoa.wait_until_final(eoa.submit(signed))["status"] == 200


def test_an_authorization_with_a_future_nonce_is_rejected_whatever_the_accounts_code(eoa: External) -> None:
    eoa.client.chain("anvil_setNonce", eoa.account, "0x5")
    (request,) = arrays(eoa, 1)
    eoa.delegate_elsewhere(DELEGATE)
    eoa.client.chain("anvil_setNonce", eoa.account, "0x4")

    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert error_info.value.reason == "authorization_nonce"


def test_a_stale_authorization_signed_by_another_key_is_rejected(eoa: External) -> None:
    first, second = arrays(eoa, 2)
    eoa.wait_until_final(eoa.submit(first))
    forged = External(eoa.client, owner=new_key())
    other = forged.sign_array(forged.prepare({"to": FRIEND}))
    parts = second["data"]
    assert isinstance(parts, list)
    parts[0] = other["data"][0]

    with pytest.raises(RpcError) as error_info:
        eoa.submit(second)
    assert error_info.value.reason == "authorization_invalid"


def test_an_operation_without_authorization_whose_delegation_was_removed_is_retryable(eoa: External) -> None:
    eoa.delegate()
    prepared = eoa.prepare({"to": FRIEND})
    assert eoa.wait_until_final(eoa.submit(eoa.sign_authorization(eoa.prepare_removal())))["status"] == 200

    with pytest.raises(RpcError) as error_info:
        eoa.send(prepared, eoa.owner)
    assert (error_info.value.reason, error_info.value.data["retryable"]) == ("authorization_missing", True)


def test_a_removal_that_is_already_done_is_rejected_as_such(eoa: External) -> None:
    eoa.delegate()
    request = eoa.sign_authorization(eoa.prepare_removal())
    eoa.client.chain("anvil_setCode", eoa.account, "0x")
    eoa.client.chain("anvil_setNonce", eoa.account, "0x2")

    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert error_info.value.reason == "nothing_to_remove"

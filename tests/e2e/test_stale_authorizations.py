"""An authorization that came too late does not stop the operation that it came with, where its work is done already."""

from __future__ import annotations

import time

import pytest

from tests.e2e.client import FRIEND, PATIENCE_SECONDS, Client, RpcError, new_key
from tests.e2e.delegating import DELEGATE, DELEGATE_V1_1, External
from tests.e2e.stacks import on_both_stacks


@pytest.fixture
def eoa(client: Client) -> External:
    """An account with money that nobody has delegated."""
    made = External(client)
    made.fund(tokens=0)
    return made


def arrays(eoa: External, count: int) -> list[dict[str, object]]:
    """Signed first calls that were prepared before any was sent, at nonce keys of their own."""
    calls = {"to": FRIEND, "value": "0x1"}
    prepared = [eoa.prepare(calls, nonceOverride={"nonceKey": hex(key)}) for key in range(1, count + 1)]
    assert [each["type"] for each in prepared] == ["array"] * count
    return [eoa.sign_array(each) for each in prepared]


@on_both_stacks
def test_a_second_first_call_lands_after_the_first_has_delegated(eoa: External) -> None:
    before = eoa.client.balance(FRIEND)
    first, second = arrays(eoa, 2)

    assert eoa.wait_until_final(eoa.submit(first))["status"] == 200
    call_id = eoa.submit(second)
    assert eoa.wait_until_final(call_id)["status"] == 200
    assert eoa.submit(second) == call_id
    assert eoa.client.balance(FRIEND) - before == 2
    assert eoa.count() == 1, "the second authorization was not used"


def patiently(eoa: External, request: dict[str, object]) -> str:
    """Sent as soon as the bundler takes it: Alto holds one operation with an authorization of an account at a time."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return eoa.submit(request)
        except RpcError as refused:
            if refused.data.get("retryable") is not True or time.monotonic() > ends:
                raise
        time.sleep(0.05)


@on_both_stacks
def test_first_calls_sent_at_once_all_land(eoa: External) -> None:
    before = eoa.client.balance(FRIEND)
    sent = [patiently(eoa, request) for request in arrays(eoa, 3)]

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


def test_an_authorization_of_a_nonce_to_come_is_refused_whatever_the_account_runs(eoa: External) -> None:
    eoa.client.chain("anvil_setNonce", eoa.account, "0x5")
    (request,) = arrays(eoa, 1)
    eoa.delegate_elsewhere(DELEGATE)
    eoa.client.chain("anvil_setNonce", eoa.account, "0x4")

    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert error_info.value.reason == "authorization_nonce"


def test_a_stale_authorization_that_another_key_signed_is_refused(eoa: External) -> None:
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


def test_an_operation_alone_whose_delegation_was_taken_away_is_retryable(eoa: External) -> None:
    eoa.delegate()
    prepared = eoa.prepare({"to": FRIEND})
    assert eoa.wait_until_final(eoa.submit(eoa.sign_authorization(eoa.prepare_removal())))["status"] == 200

    with pytest.raises(RpcError) as error_info:
        eoa.send(prepared, eoa.owner)
    assert (error_info.value.reason, error_info.value.data["retryable"]) == ("authorization_missing", True)


def test_a_removal_that_is_done_already_says_so(eoa: External) -> None:
    eoa.delegate()
    request = eoa.sign_authorization(eoa.prepare_removal())
    eoa.client.chain("anvil_setCode", eoa.account, "0x")
    eoa.client.chain("anvil_setNonce", eoa.account, "0x2")

    with pytest.raises(RpcError) as error_info:
        eoa.submit(request)
    assert error_info.value.reason == "nothing_to_remove"

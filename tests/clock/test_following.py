"""Sessions and deadlines of `dev` end with the clock of their chain, and tokens with the wall clock."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.clock.conftest import SPONSORING
from tests.clock.travel import BY_SERVER, DAY, YEAR, Traveller, reason_of
from tests.e2e.standards import ETHER, GRANT, catch_error, permission_request
from tests.support.constants import FRIEND, HOUR, ROOT, SPONSORSHIP, TOKEN
from tests.support.event_stream import StreamClient
from tests.support.keys import new_key, sign_request
from tests.support.wallet import Grant
from wallet_rpc.domain.times import format_time

PAY = {"to": FRIEND, "value": "0x1"}


@pytest.mark.parametrize("is_installed", [False, True])
def test_a_session_ends_with_the_clock_of_its_chain(traveller: Traveller, is_installed: bool) -> None:
    grant = traveller.grant_for(HOUR)
    if is_installed:
        assert traveller.act(grant, PAY)["status"] == 200
    before = traveller.node("evm_snapshot")
    assert traveller.reason(grant, PAY) is None

    traveller.move(HOUR + 1)
    assert traveller.refusal(grant, PAY) == BY_SERVER
    named = {"sessionId": grant.session_id}
    assert traveller.client.rpc("wallet_getSession", named)["state"] == "expired"
    explained = traveller.client.rpc("wallet_explainCalls", {**named, "calls": [PAY]})
    assert (explained["decision"], explained["reason"]) == ("denied", "session_expired")

    traveller.node("evm_revert", before)
    assert traveller.reason(grant, PAY) is None
    assert traveller.client.rpc("wallet_getSession", {"sessionId": grant.session_id})["state"] != "expired"


CONTROLS: dict[str, list[tuple[str, list[Any]]]] = {
    "increaseTime": [("evm_increaseTime", [2 * HOUR])],
    "setNextBlockTimestamp": [("evm_setNextBlockTimestamp", ["at"])],
    "setNextBlockTimestamp, mine": [("evm_setNextBlockTimestamp", ["at"]), ("evm_mine", [])],
    "mine at a time": [("evm_mine", [{"timestamp": "at"}])],
    "mine with an interval": [("anvil_mine", ["0x3", hex(HOUR)])],
    "setBlockTimestampInterval": [("evm_mine", []), ("anvil_setBlockTimestampInterval", [2 * HOUR])],
}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_request_after_a_control_sees_the_new_time(traveller: Traveller, name: str) -> None:
    grant = traveller.grant_for(HOUR)
    later = traveller.chain_time + 2 * HOUR
    for method, params in CONTROLS[name]:
        given = [later if each == "at" else {"timestamp": later} if isinstance(each, dict) else each for each in params]
        traveller.node(method, *given)

    assert traveller.chain_time >= later
    assert traveller.reason(grant, PAY) == "session_expired"
    refused = traveller.build_session([ROOT], FRIEND, expirySec=later - 1)
    assert reason_of(traveller.client, "wallet_createSession", refused) == "expired"
    requested = permission_request(traveller, new_key(), ETHER, expiry=later - 1)
    assert catch_error(traveller.client, GRANT, requested).reason == "expired"
    assert traveller.act(traveller.grant_for(9 * HOUR), PAY)["status"] == 200


def test_a_session_outlives_the_wall_clock_on_a_chain_that_stands_still(traveller: Traveller) -> None:
    traveller.node("anvil_setBlockTimestampInterval", 0)
    grant = traveller.grant_for(1)
    end = traveller.chain_time + 1
    while int(time.time()) <= end + 1:
        time.sleep(0.1)

    assert traveller.act(grant, PAY)["status"] == 200


def test_each_request_goes_by_the_clock_of_its_chain(traveller: Traveller, neighbour: Traveller) -> None:
    here, there = traveller.grant_for(HOUR), neighbour.grant_for(HOUR)
    traveller.move(2 * HOUR)

    assert traveller.reason(here, PAY) == "session_expired"
    assert neighbour.reason(there) is None
    soon = neighbour.chain_time + HOUR
    assert reason_of(traveller.client, "wallet_createSession", traveller.build_session([ROOT], FRIEND)) == "expired"
    neighbour.create_session(ROOT, expirySec=soon)
    states = {}
    for wallet in (traveller, neighbour):
        listed = wallet.client.rpc("wallet_listSessions", {"account": wallet.account})["sessions"]
        states[wallet.chain_id] = {each["state"] for each in listed}
    assert states == {traveller.chain_id: {"expired"}, neighbour.chain_id: {"pending"}}


def test_sponsorships_and_permits_are_valid_from_the_time_of_the_chain(traveller: Traveller) -> None:
    traveller.move(YEAR)
    prepared = traveller.prepare(PAY, paymasterService={"policyId": SPONSORING})
    assert traveller.wait_until_final(traveller.send(prepared, traveller.owner))["status"] == 200

    amount = hex(10**23)
    permit = {"autoPermit": {"below": amount, "amount": amount, "durationSeconds": "0x3c"}}
    erc20 = {"tokenAddress": TOKEN, "preOpSettings": permit}
    before = traveller.chain_time
    request = traveller.build_calls(PAY, paymasterService={**SPONSORSHIP, "erc20": erc20})
    required = traveller.client.rpc("wallet_prepareCalls", request)
    message = required["data"]["message"]
    assert int(str(message["deadline"]), 0) - before in range(60, 90)


def test_a_sponsorship_ends_with_the_clock_of_the_chain(traveller: Traveller) -> None:
    prepared = traveller.prepare(PAY, paymasterService={"policyId": SPONSORING})
    traveller.move(601)
    with pytest.raises(Exception, match="paymaster") as late:
        traveller.send(prepared, traveller.owner)
    assert "out_of_time_range" in str(vars(late.value))


def test_rules_count_by_the_clock_of_the_chain(traveller: Traveller) -> None:
    begins = traveller.chain_time + 10 * DAY
    rules = [
        {"type": "not-before", "time": begins},
        {"type": "calls", "limit": 1, "period": "day"},
        {"type": "rate", "limit": 2, "seconds": DAY},
    ]
    grant = traveller.grant_for(YEAR, rules=rules)
    assert traveller.reason(grant, PAY) == "rule_too_early"

    traveller.node("evm_setNextBlockTimestamp", begins // DAY * DAY + DAY + HOUR)
    assert traveller.act(grant, PAY)["status"] == 200
    assert traveller.reason(grant, PAY) == "rule_calls_exceeded"
    assert read_usage(traveller, grant) == [None, 1, 1]
    assert preview_usage(traveller, grant) == [1, 1]
    traveller.move(DAY)
    assert read_usage(traveller, grant) == [None, 0, 0]
    assert preview_usage(traveller, grant) == [0, 0]
    assert traveller.act(grant, PAY)["status"] == 200


def read_usage(wallet: Traveller, grant: Grant) -> list[int | None]:
    """Return what is used of each rule of a session."""
    rules = wallet.client.rpc("wallet_getSession", {"sessionId": grant.session_id})["rules"]["rules"]
    return [rule["usage"]["used"] if "usage" in rule else None for rule in rules]


def preview_usage(wallet: Traveller, grant: Grant) -> list[Any]:
    """Return what is used of each rule that counts, before the calls that are explained."""
    explained = wallet.client.rpc("wallet_explainCalls", {"sessionId": grant.session_id, "calls": [PAY]})
    return [rule["usage"]["used"] for rule in explained["rules"]]


def test_hours_are_those_of_the_chain(traveller: Traveller) -> None:
    midnight = traveller.chain_time // DAY * DAY + DAY
    hours = {"type": "hours", "days": ["saturday", "sunday", "monday", "tuesday", "wednesday", "thursday", "friday"]}
    rule = {**hours, "opens": "09:00", "closes": "17:00", "timeZone": "UTC"}
    grant = traveller.grant_for(YEAR, rules=[rule])
    found = []
    for hour in (8, 10, 18):
        traveller.node("evm_setNextBlockTimestamp", midnight + hour * HOUR)
        found.append(traveller.reason(grant, PAY))

    assert found == ["rule_outside_hours", None, "rule_outside_hours"]


def test_an_approval_ends_with_the_clock_of_the_chain(traveller: Traveller) -> None:
    grant = traveller.grant_for(YEAR, rules=[{"type": "approval", "above": "0x0", "seconds": DAY}])
    prepared = traveller.prepare(PAY, permissions=grant.permissions, sponsored=False)
    with StreamClient(traveller.client.url) as stream:
        call_id = traveller.send(prepared, grant.key, grant.permissions)
        approval = traveller.status(call_id)["details"]["data"]["approval"]
        assert approval["expiresAt"] - traveller.chain_time in range(DAY - 30, DAY + 1)
        traveller.move(DAY + 1)
        status = traveller.status(call_id)
        stream.wait_for(lambda: "approval.expired" in stream.types(callId=call_id))

    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, "approval_expired")
    assert stream.types(callId=call_id).count("approval.expired") == 1


def test_a_worker_ends_a_wait_after_the_clock_has_moved(traveller: Traveller) -> None:
    grant = traveller.grant_for(YEAR, rules=[{"type": "approval", "above": "0x0", "seconds": DAY}])
    prepared = traveller.prepare(PAY, permissions=grant.permissions, sponsored=False)
    with StreamClient(traveller.client.url) as stream:
        call_id = traveller.send(prepared, grant.key, grant.permissions)
        traveller.move(DAY + 1)
        stream.wait_for(lambda: "approval.expired" in stream.types(callId=call_id))


def test_the_end_of_a_session_is_published_when_it_comes_on_the_chain(
    traveller: Traveller, neighbour: Traveller
) -> None:
    grants = {wallet.chain_id: wallet.grant_for(DAY) for wallet in (traveller, neighbour)}
    for wallet in (traveller, neighbour):
        assert wallet.reason(grants[wallet.chain_id]) is None
    with StreamClient(traveller.client.url) as stream:
        ended, other = (grants[wallet.chain_id].session_id for wallet in (traveller, neighbour))
        traveller.move(DAY + 1)
        stream.wait_for(lambda: "session.expired" in stream.types(sessionId=ended))
        (event,) = (each.data for each in stream.messages if each.data.get("sessionId") == ended)

    assert stream.types(sessionId=other) == []
    assert event["time"] == format_time(grants[traveller.chain_id].message["deadline"] + 1)
    assert event["chainId"] == traveller.chain_id


def test_an_unsigned_session_is_forgotten_by_the_clock_of_its_chain(traveller: Traveller) -> None:
    grant = traveller.grant(ROOT, expirySec=0)
    traveller.move(89 * DAY)
    assert traveller.reason(grant, PAY) is None
    late = traveller.grant(ROOT, expirySec=0)
    traveller.move(91 * DAY)

    assert traveller.reason(late, PAY) == "session_forgotten"
    assert traveller.reason(grant, PAY) is None, "its owner's signature was presented in time"


def test_the_owners_consent_ends_with_the_clock_of_the_chain(traveller: Traveller) -> None:
    grant = traveller.grant_for(YEAR)
    assert traveller.act(grant, PAY)["status"] == 200
    traveller.move(30 * DAY)
    named = {"sessionId": grant.session_id}
    prepared = traveller.client.rpc("wallet_prepareSessionChange", {"action": "pause", **named})
    signed = {
        "nonce": prepared["nonce"],
        "deadline": prepared["deadline"],
        "signature": sign_request(traveller.owner, prepared["signatureRequest"]),
    }
    before = traveller.node("evm_snapshot")
    traveller.move(2 * DAY)
    request = {**named, "ownerSignature": signed}
    assert reason_of(traveller.client, "wallet_pauseSession", request) == "consent_expired"
    traveller.node("evm_revert", before)
    assert reason_of(traveller.client, "wallet_pauseSession", request) is None
    assert reason_of(traveller.client, "wallet_pauseSession", request) == "consent_used"


def test_tokens_keep_the_wall_clock(traveller: Traveller) -> None:
    url = traveller.client.url
    given = {"walletAddress": traveller.owner.address, "scopes": ["wallet:read"], "ttlSeconds": 60}
    key = {"x-api-key": "wrk_dev_everyone_knows_this_key"}
    made = traveller.client.http.post(f"{url}/v1/sessions", json=given, headers=key)
    assert made.status_code == 200, made.text
    traveller.move(YEAR)
    bearer = {"authorization": f"Bearer {made.json()['token']}"}
    assert traveller.client.http.get(f"{url}/v1/sessions/me", headers=bearer).status_code == 200

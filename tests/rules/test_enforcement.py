"""Each rule on chain: calls that it allows are included, and calls that it denies are not sent."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.org_sessions.org_client import OrgClient
from tests.rules.ruled import act, denial, execute_batch, open_ruled, pay, usage
from tests.support.calls import call_data, transfer
from tests.support.constants import CHAINS, FRIEND, TOKEN
from wallet_rpc.domain.account import Call, execute_call_data
from wallet_rpc.domain.rules.decision import decide_rules
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.primitives import Address, Data, EntityId
from wallet_rpc.services import session_rules
from wallet_rpc.services.session_rules import check_calls

OTHER = "0x00000000000000000000000000000000000000b0"
OTHER_CHECKSUM = "0x00000000000000000000000000000000000000B0"


async def test_native_amounts_end_with_the_window(client: OrgClient) -> None:
    wallet = await open_ruled(client, {"type": "amount", "limit": "0x64", "period": "day"})
    assert await act(wallet, pay(60)) == 200

    error = await denial(wallet, pay(41))

    assert (error.code, error.reason) == (4100, "rule_amount_exceeded")
    midnight = client.clock.now() // 86_400 * 86_400 + 86_400
    assert error.data | {"rule": "amount", "limit": "0x64", "remaining": "0x28", "resetsAt": midnight} == error.data
    assert await act(wallet, pay(20), pay(20)) == 200
    counts = {"used": "0x64", "reserved": "0x0", "remaining": "0x0", "resetsAt": midnight}
    assert (await usage(wallet))[0]["usage"] == counts
    client.clock.ahead_seconds = midnight - int(time.time())
    assert (await usage(wallet))[0]["usage"]["remaining"] == "0x64"


async def test_token_amounts_count_transfers_and_allowances(client: OrgClient) -> None:
    wallet = await open_ruled(client, {"type": "amount", "token": TOKEN, "limit": "0xa", "period": "total"}, tokens=100)
    approve = {"to": TOKEN, "data": call_data("approve(address,uint256)", FRIEND, 4)}
    assert await act(wallet, transfer(5), approve) == 200

    for calls in ([transfer(2)], [approve], [pay(1), transfer(1), transfer(1)]):
        assert (await denial(wallet, *calls)).reason == "rule_amount_exceeded"
    assert await act(wallet, transfer(1), pay(5)) == 200
    unknown = {"to": TOKEN, "data": "0x12345678"}
    short = {"to": TOKEN, "data": transfer(0)["data"][:-2]}
    for calls in ([unknown], [short]):
        assert (await denial(wallet, *calls)).reason == "rule_undecodable"


async def test_calls_inside_calls_count(client: OrgClient) -> None:
    wallet = await open_ruled(client, {"type": "amount", "limit": "0xa", "period": "total"})
    nested = {"to": wallet.account, "data": execute_batch((FRIEND, 3), (FRIEND, 3))}
    assert (await denial(wallet, nested, nested)).reason == "rule_amount_exceeded"
    create = {"to": wallet.account, "data": call_data("performCreate(uint256,bytes,bool,bytes32)", 11, b"", False, b"")}
    assert (await denial(wallet, create)).reason == "rule_undecodable"
    assert await act(wallet, nested) == 200


async def test_a_number_of_calls_counts_each_call_of_a_batch_and_reverted_ones(client: OrgClient) -> None:
    wallet = await open_ruled(client, {"type": "calls", "limit": 3, "period": "month"})
    assert await act(wallet, pay(1), pay(1)) == 200
    error = await denial(wallet, pay(1), pay(1))
    assert (error.reason, error.data["limit"], error.data["remaining"]) == ("rule_calls_exceeded", 3, 1)
    assert await act(wallet, pay(1)) == 200
    assert (await denial(wallet, pay(1))).reason == "rule_calls_exceeded"


async def test_a_rate_counts_operations_in_the_span_before_now(client: OrgClient) -> None:
    wallet = await open_ruled(client, {"type": "rate", "limit": 1, "seconds": 100})
    assert await act(wallet, pay(1), pay(1)) == 200
    error = await denial(wallet, pay(1))
    assert error.reason == "rule_rate_exceeded"
    client.clock.ahead_seconds += error.data["resetsAt"] - client.clock.now() - 2
    assert (await denial(wallet, pay(1))).reason == "rule_rate_exceeded"
    client.clock.ahead_seconds += 3
    assert await act(wallet, pay(1)) == 200


async def test_recipients_are_those_who_get_the_tokens(client: OrgClient) -> None:
    wallet = await open_ruled(client, {"type": "recipients", "allow": [FRIEND]}, tokens=100)
    assert await act(wallet, pay(1), transfer(1)) == 200
    approve = {"to": TOKEN, "data": call_data("approve(address,uint256)", OTHER, 4)}
    pull = {"to": TOKEN, "data": call_data("transferFrom(address,address,uint256)", wallet.account, OTHER, 4)}
    for call in (pay(1, OTHER), transfer(1, to=OTHER), approve, pull):
        error = await denial(wallet, pay(1), call)
        assert (error.reason, error.data["recipient"]) == ("rule_recipient_denied", OTHER_CHECKSUM)
    assert (await denial(wallet, {"to": TOKEN, "data": "0x12345678"})).reason == "rule_undecodable"

    blocked = await open_ruled(client, {"type": "recipients", "block": [OTHER]}, tokens=100)
    assert await act(blocked, pay(1), transfer(1)) == 200
    for call in (pay(1, OTHER), transfer(1, to=OTHER)):
        assert (await denial(blocked, call)).reason == "rule_recipient_denied"


async def test_arguments_meet_their_conditions(client: OrgClient) -> None:
    most = {"type": "argument", "contract": TOKEN, "function": "transfer(address,uint256)", "path": "1", "atMost": "7"}
    only = {"type": "argument", "function": "approve(address,uint256)", "path": "0", "oneOf": [FRIEND]}
    wallet = await open_ruled(client, most, only, tokens=100)
    assert (
        await act(wallet, transfer(7), {"to": TOKEN, "data": call_data("approve(address,uint256)", FRIEND, 9)}) == 200
    )
    denied = [transfer(8), {"to": TOKEN, "data": call_data("approve(address,uint256)", OTHER, 0)}]
    for call in denied:
        assert (await denial(wallet, call)).reason == "rule_argument_denied"
    assert (await denial(wallet, {"to": TOKEN, "data": transfer(1)["data"][:-2]})).reason == "rule_undecodable"


async def test_times_decide_when_a_call_is_accepted(client: OrgClient) -> None:
    start = int(time.time()) + 500
    wallet = await open_ruled(client, {"type": "not-before", "time": start})
    error = await denial(wallet, pay(1))
    assert (error.reason, error.data["resetsAt"]) == ("rule_too_early", start)
    client.clock.ahead_seconds = 500
    assert await act(wallet, pay(1)) == 200

    closed = time.gmtime(time.time() + 7200)
    hours = {"type": "hours", "opens": f"{closed.tm_hour:02}:00", "closes": f"{closed.tm_hour:02}:01"}
    wallet = await open_ruled(client, hours)
    assert (await denial(wallet, pay(1))).reason == "rule_outside_hours"


@pytest.mark.parametrize(("count", "thread"), [(2, "MainThread"), (900, "compute_0")])
async def test_many_calls_are_decided_outside_of_the_event_loop(
    client: OrgClient, monkeypatch: pytest.MonkeyPatch, count: int, thread: str
) -> None:
    wallet = await open_ruled(client, {"type": "calls", "limit": 1000, "period": "day"})
    threads = []

    def watch(*rules: Any, **facts: Any) -> Any:
        threads.append(threading.current_thread().name)
        return decide_rules(*rules, **facts)

    monkeypatch.setattr(session_rules, "decide_rules", watch)
    account = Address.parse(wallet.account)
    session = SessionReference(account=account, chain_id=CHAINS[0], entity_id=EntityId(wallet.grants[0].entity_id))
    calls = [Call(to=Address.parse(FRIEND), data=Data(bytes(4)))] * count
    assert await check_calls(client.ports, session, execute_call_data(account, calls), nonce=0) is None
    assert threads == [thread]

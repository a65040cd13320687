"""Faults of requests, seen by clients over HTTP: errors, lost answers, late ones, and requests that run twice."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.e2e.process import until
from tests.support.constants import CHAINS
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError
from wallet_rpc.client import Address, WalletClient, types

CHAIN_PATH = f"/chain/{CHAINS[0]}"


def entry(method: str, *params: Any, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def remaining(client: Client) -> list[tuple[str, int]]:
    return [(fault["kind"], fault["remaining"]) for fault in client.rpc("wallet_test_listFaults", {})["faults"]]


@pytest.fixture
def account() -> str:
    return str(new_key().address)


def test_a_request_fails_with_the_chosen_error_count_times(client: Client) -> None:
    error = {"code": -32005, "message": "too fast", "data": {"retryAfter": 1}}
    client.rpc("wallet_test_failNext", {"method": "eth_chainId", "count": 2, "status": 429, **error})

    assert client.rpc("eth_blockNumber")  # another method
    for left in (1, 0):
        response = client.http.post(client.url, json=entry("eth_chainId", number=7))
        assert (response.status_code, response.json()) == (429, {"jsonrpc": "2.0", "error": error, "id": 7})
        assert remaining(client) == [("fail", left)] * left
    assert client.rpc("eth_chainId") == hex(CHAINS[0])


def test_an_error_without_data_and_status_is_answered_with_200(client: Client) -> None:
    client.rpc("wallet_test_failNext", {"method": "wallet_listAccounts", "code": 4001, "message": "no"})

    response = client.http.post(client.url, json=entry("wallet_listAccounts", {}))

    assert (response.status_code, response.json()["error"]) == (200, {"code": 4001, "message": "no"})


@pytest.mark.parametrize("path", ["", CHAIN_PATH, "/v2/any-key"])
def test_of_a_batch_only_the_entries_of_the_method_fail(client: Client, path: str, account: str) -> None:
    client.rpc("wallet_test_failNext", {"method": "eth_chainId", "code": -32603})
    batch = [
        entry("eth_chainId", number=1),
        entry("anvil_setBalance", account, "0x5", number=2),
        entry("eth_chainId", number=3),
        {"jsonrpc": "2.0", "method": "anvil_setNonce", "params": [account, "0x3"]},
    ]

    found = {each["id"]: each for each in client.http.post(client.url + path, json=batch).json()}

    assert found.keys() == {1, 2, 3}
    assert found[1]["error"]["code"] == -32603
    assert found[3]["result"] == hex(CHAINS[0])
    assert client.balance(account) == 5
    assert client.rpc("eth_getTransactionCount", account, "latest") == "0x3"


def test_a_notification_that_fails_gets_no_answer(client: Client) -> None:
    client.rpc("wallet_test_failNext", {"method": "evm_mine", "code": -32603})
    height = client.rpc("eth_blockNumber")

    response = client.http.post(client.url, json={"jsonrpc": "2.0", "method": "evm_mine"})

    assert (response.status_code, response.content) == (204, b"")
    assert client.rpc("eth_blockNumber") == height


def test_a_fault_of_a_chain_holds_for_requests_that_name_it(client: Client, account: str) -> None:
    second = hex(CHAINS[1])
    client.rpc("wallet_test_failNext", {"chainId": second, "code": 1, "count": 4})

    def fails(path: str, *params: Any) -> bool:
        return "error" in client.http.post(client.url + path, json=entry(*params)).json()

    assert not fails("", "eth_blockNumber")
    assert not fails(CHAIN_PATH, "eth_blockNumber")
    assert not fails("", "wallet_listAccounts", {"signerAddress": account})
    assert fails(f"/chain/{CHAINS[1]}", "eth_blockNumber")
    assert fails(f"?chainId={CHAINS[1]}", "eth_blockNumber")
    assert fails(f"?chainId={second}", "eth_blockNumber")
    assert fails("", "wallet_prepareCalls", {"chainId": second})
    assert not fails(f"?chainId={second}", "eth_blockNumber")


def test_no_fault_holds_for_the_methods_of_tests(client: Client) -> None:
    client.rpc("wallet_test_failNext", {"code": 1, "count": 1000})

    with pytest.raises(RpcError) as error:
        client.rpc("wallet_test_failNext", {"method": "wallet_test_listFaults", "code": 1})

    assert error.value.reason == "test_method"
    assert remaining(client) == [("fail", 1000)]
    assert client.rpc("wallet_test_clearFaults", {}) == {"cleared": 1}
    assert client.rpc("eth_chainId")


@pytest.mark.parametrize("path", ["", CHAIN_PATH])
@pytest.mark.parametrize("executes", [False, True])
@pytest.mark.parametrize("fault", [("wallet_test_cutNext", {}), ("wallet_test_timeOutNext", {"milliseconds": 50})])
def test_the_connection_ends_without_an_answer_and_the_request_ran_or_not(
    client: Client, account: str, path: str, executes: bool, fault: tuple[str, dict[str, int]]
) -> None:
    method, more = fault
    client.rpc(method, {"method": "anvil_setBalance", "executes": executes, **more})

    with pytest.raises(httpx2.RemoteProtocolError):
        client.http.post(client.url + path, json=entry("anvil_setBalance", account, "0x5"))

    assert client.balance(account) == (5 if executes else 0)
    client.rpc("anvil_setBalance", account, "0x6")


@contextmanager
def open_request(client: Client, body: Any) -> Iterator[socket.socket]:
    """Send a request on a connection of its own, whose response the caller receives."""
    url = httpx2.URL(client.url)
    with socket.create_connection((url.host, url.port), timeout=30) as connection:
        content = json.dumps(body).encode()
        connection.sendall(b"POST / HTTP/1.1\r\nhost: %b\r\n" % url.netloc)
        connection.sendall(b"content-length: %d\r\n\r\n%b" % (len(content), content))
        yield connection


def has_answer(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def test_a_request_that_times_out_waits_for_its_client_while_others_are_answered(client: Client) -> None:
    client.rpc("wallet_test_timeOutNext", {"method": "eth_chainId", "milliseconds": 60_000})

    with open_request(client, entry("eth_chainId")) as connection:
        until(lambda: not remaining(client), "the request has begun")
        assert client.rpc("eth_chainId") == hex(CHAINS[0])
        assert not has_answer(connection)


def test_a_late_answer_is_that_of_a_request_that_ran_at_once(client: Client, account: str) -> None:
    client.rpc("wallet_test_delayNext", {"method": "anvil_setBalance", "milliseconds": 60_000})

    with open_request(client, entry("anvil_setBalance", account, "0x5")) as connection:
        until(lambda: client.balance(account) == 5, "the request has run")
        assert not has_answer(connection)


def test_a_late_answer_comes_after_its_time(client: Client) -> None:
    client.rpc("wallet_test_delayNext", {"method": "eth_chainId", "milliseconds": 300})
    started = time.monotonic()

    assert client.rpc("eth_chainId") == hex(CHAINS[0])
    assert time.monotonic() - started >= 0.3


def test_a_repeated_request_runs_twice_and_is_answered_as_the_second_time(client: Client) -> None:
    client.rpc("wallet_test_repeatNext", {"method": "evm_snapshot"})
    first = int(client.rpc("evm_snapshot"), 16)

    assert int(client.rpc("evm_snapshot"), 16) == first + 1

    client.rpc("wallet_test_repeatNext", {"method": "evm_snapshot"})
    batch = [entry("evm_snapshot", number=1), entry("evm_snapshot", number=2)]
    found = {each["id"]: int(each["result"], 16) for each in client.post(batch)}
    assert found == {1: first + 3, 2: first + 4}


def test_faults_are_listed_in_pages_and_removed_by_their_ids(client: Client) -> None:
    ids = [client.rpc("wallet_test_delayNext", {"milliseconds": 1 + number})["id"] for number in range(3)]
    ids.append(client.rpc("wallet_test_dropOperations", {"chainId": hex(CHAINS[1])})["id"])

    first = client.rpc("wallet_test_listFaults", {"limit": 3})
    rest = client.rpc("wallet_test_listFaults", {"limit": 3, "cursor": first["cursor"]})

    assert [fault["id"] for fault in first["faults"] + rest["faults"]] == ids
    assert rest["faults"][0] == {"id": ids[3], "kind": "dropOperations", "remaining": 1, "chainId": hex(CHAINS[1])}
    assert "cursor" not in rest
    for identity in (ids[1], ids[3]):
        assert client.rpc("wallet_test_clearFaults", {"id": identity}) == {"cleared": 1}
        assert client.rpc("wallet_test_clearFaults", {"id": identity}) == {"cleared": 0}
    assert [fault["id"] for fault in client.rpc("wallet_test_listFaults", {})["faults"]] == [ids[0], ids[2]]


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("failNext", {}, "code"),
        ("failNext", {"code": 1 << 31}, "code"),
        ("failNext", {"code": 1, "count": 0}, "count"),
        ("failNext", {"code": 1, "count": 1001}, "count"),
        ("failNext", {"code": 1, "status": 200}, "status"),
        ("failNext", {"code": 1, "message": "a" * 1001}, "message"),
        ("failNext", {"code": 1, "data": {"a": "é" * 8200}}, "data"),
        ("refuseSponsorship", {"data": ["a" * 16_381]}, "data"),
        ("failNext", {"code": 1, "method": ""}, "method"),
        ("failNext", {"code": 1, "chainId": "0x5"}, "chainId"),
        ("failNext", {"code": 1, "times": 2}, "times"),
        ("timeOutNext", {"milliseconds": 60_001}, "milliseconds"),
        ("timeOutNext", {"executes": 1}, "executes"),
        ("delayNext", {}, "milliseconds"),
        ("delayNext", {"milliseconds": 0}, "milliseconds"),
        ("delayOperations", {"milliseconds": "5"}, "milliseconds"),
        ("reorderOperations", {"count": 1}, "count"),
        ("raiseGasPrice", {}, "baseFee"),
        ("raiseGasPrice", {"baseFee": "0x1", "chainId": "0x5"}, "chainId"),
        ("reorg", {"depth": 257}, "depth"),
        ("reorg", {"depth": 1, "transactions": "gone"}, "transactions"),
        ("pauseRedis", {"milliseconds": 60_001}, "milliseconds"),
        ("clearFaults", {"id": "0x01"}, "id"),
        ("listFaults", {"limit": 101}, "limit"),
        ("listFaults", {"cursor": "AA"}, "cursor"),
    ],
)
def test_a_value_out_of_bounds_is_named(client: Client, method: str, request_: dict[str, Any], field: str) -> None:
    with pytest.raises(RpcError) as error:
        client.rpc(f"wallet_test_{method}", request_)

    assert error.value.code in {-32602, 5710}
    assert field in error.value.message
    assert "Data" not in error.value.message, "the value is shown, not its type"
    assert remaining(client) == []


def test_at_most_a_thousand_faults_wait(client: Client) -> None:
    batches = [[entry("wallet_test_delayNext", {"milliseconds": 1, "method": "a"})] * 100] * 10
    for batch in batches:
        assert all("result" in each for each in client.post(batch))

    with pytest.raises(RpcError) as error:
        client.rpc("wallet_test_delayNext", {"milliseconds": 1})

    assert error.value.reason == "too_many_faults"
    assert client.rpc("wallet_test_clearFaults", {}) == {"cleared": 1000}


def test_the_client_repeats_a_read_whose_answer_is_lost(wallet_client: WalletClient) -> None:
    request = types.ListAccounts(signer_address=Address.parse(new_key().address))
    wallet_client.test_cut_next(types.CutNext(method="wallet_listAccounts", count=2, executes=True))

    assert wallet_client.list_accounts(request).meta.total_count == 0
    assert wallet_client.test_list_faults(types.ListFaults()).faults == ()

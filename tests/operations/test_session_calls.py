"""Calls of a session in `wallet_getSession`: decoded as `wallet_explainCalls` decodes them, and within bounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.sample import ACCOUNT, a_call
from tests.operations.conftest import CHAIN, WalletFixture
from tests.operations.explaining import OTHER, Json, encode_call, explain, pay
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, ROOT, TOKEN
from wallet_rpc.domain.account import Call, execute_call_data
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.primitives import Address, Data
from wallet_rpc.services.decoded_operations import MAX_DECODED_BYTES, MAX_DECODED_CALLS, decode_operations

MOVE = bytes.fromhex(transfer(3)["data"][2:])
MULTICALL = {"to": FRIEND, "data": encode_call("multicall", ["bytes[]"], [MOVE, b"\x12\x34"])}
AGGREGATE = {"to": FRIEND, "data": encode_call("aggregate3", ["(address,bool,bytes)[]"], [(TOKEN, True, MOVE)])}
UNKNOWN = {"to": FRIEND, "data": "0xd09de08a"}
SHORT = {"to": FRIEND, "data": "0xa9059cbb0011"}
APPROVE = {"to": TOKEN, "data": call_data("approve(address,uint256)", OTHER, 10**18)}
BATCHES: dict[str, list[Json]] = {
    "one": [transfer(7)],
    "none decoded": [pay(5), UNKNOWN],
    "nested": [MULTICALL, AGGREGATE, transfer(1)],
    "arguments that do not decode": [SHORT, APPROVE],
}


async def get_calls(wallet: WalletFixture, **request: Any) -> list[Json]:
    found: Json = await wallet.client.rpc("wallet_getSession", request)
    calls: list[Json] = found["calls"]
    return calls


@pytest.mark.parametrize("calls", BATCHES.values(), ids=BATCHES)
async def test_calls_in_flight_and_executed_ones_are_decoded_as_explained(
    wallet: WalletFixture, calls: list[Json]
) -> None:
    minter = (await wallet.control("eth_accounts"))[0]
    mint = call_data("mint(address,uint256)", wallet.account, 1000)
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    await wallet.control("eth_sendTransaction", {"from": minter, "to": TOKEN, "data": mint})
    grant = await wallet.grant(ROOT)
    explained = [each["decoded"] for each in (await explain(wallet, grant, *calls))["calls"]]
    prepared = await wallet.prepare(*calls, sponsored=False, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)

    (waiting,) = await get_calls(wallet, sessionId=grant.session_id)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200
    (executed,) = await get_calls(wallet, sessionId=grant.session_id)

    assert (waiting["status"], executed["status"]) == (100, 200)
    assert waiting["calls"] == executed["calls"]
    assert [each["decoded"] for each in executed["calls"]] == explained
    assert [(each["to"], each["data"]) for each in executed["calls"]] == [
        (each["to"], each.get("data", "0x")) for each in calls
    ]


async def test_a_call_has_function_arguments_and_token_amounts(wallet: WalletFixture) -> None:
    """The token of the first operation is that of the inner call alone."""
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    grant = await wallet.grant(ROOT)
    calls = []
    for call in (AGGREGATE, APPROVE):
        prepared = await wallet.prepare(call, sponsored=False, permissions=grant.permissions)
        await wallet.send(prepared, grant.key, grant.permissions)
        await wallet.mempool.mine()
        newest, *_ = await get_calls(wallet, sessionId=grant.session_id)
        calls += newest["calls"]

    outer, inner = calls[0]["decoded"]
    assert (outer["function"], outer["depth"]) == ("aggregate3((address,bool,bytes)[])", 0)
    assert (inner["to"], inner["function"], inner["depth"]) == (TOKEN, "transfer(address,uint256)", 1)
    assert inner["amounts"][0]["text"] == "0.000000000000000003"
    assert calls[1]["decoded"] == [
        {
            "to": TOKEN,
            "function": "approve(address,uint256)",
            "source": "erc20",
            "arguments": {"spender": OTHER, "amount": str(10**18)},
            "amounts": [{"token": TOKEN, "argument": "amount", "amount": hex(10**18), "decimals": 18, "text": "1"}],
            "depth": 0,
        }
    ]


def an_operation(number: int, calls: int, *, size: int = 4) -> CallRecord:
    """Return a record of calls of `setApprovalForAll(address,bool)`, whose call data has at least the size."""
    data = Data.parse(call_data("setApprovalForAll(address,bool)", FRIEND, True))
    padded = Data(data + bytes(max(0, size - len(data))))
    batch = [Call(to=Address.parse(TOKEN), data=padded)] * calls
    return replace(a_call(number=number), call_data=execute_call_data(ACCOUNT, batch))


async def count_decoded(wallet: WalletFixture, *records: CallRecord) -> list[int]:
    found = await decode_operations(wallet.ports.chains[CHAIN], records)
    return [sum(len(call.decoded) for call in calls or ()) for calls in found]


async def test_the_number_of_decoded_calls_of_an_operation_is_limited(wallet: WalletFixture) -> None:
    many = an_operation(1, MAX_DECODED_CALLS + 1)
    assert await count_decoded(wallet, many, an_operation(2, 3)) == [MAX_DECODED_CALLS, 3]


async def test_the_call_data_of_decoded_operations_is_limited(wallet: WalletFixture) -> None:
    half = MAX_DECODED_BYTES // 2
    operations = [an_operation(1, 1), an_operation(2, 1, size=half), an_operation(3, 1, size=half), an_operation(4, 1)]
    assert await count_decoded(wallet, *operations) == [1, 1, 0, 0]
    assert await count_decoded(wallet, *operations[2:]) == [1, 1]


async def test_long_call_data_does_not_hold_the_event_loop(wallet: WalletFixture) -> None:
    """Calls without amounts need no read of the node, so only the worker thread gives time to other tasks."""
    decoding = asyncio.create_task(count_decoded(wallet, *(an_operation(number, 900) for number in range(4))))
    turns = 0
    while not decoding.done():
        await asyncio.sleep(0)
        turns += 1
    assert decoding.result() == [900] * 4
    assert turns > 20


class WatchedRecords(tuple[CallRecord, ...]):
    """Records that remember the threads that read them."""

    threads: set[str]

    def __iter__(self) -> Iterator[CallRecord]:
        self.threads.add(threading.current_thread().name)
        return super().__iter__()


@pytest.mark.parametrize(("calls", "threads"), [(2, {"MainThread"}), (900, {"MainThread", "compute_0"})])
async def test_only_long_call_data_is_decoded_in_the_worker_thread(
    wallet: WalletFixture, calls: int, threads: set[str]
) -> None:
    records = WatchedRecords([an_operation(1, calls)])
    records.threads = set()
    await decode_operations(wallet.ports.chains[CHAIN], records)
    assert records.threads == threads

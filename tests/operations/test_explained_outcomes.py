"""`wallet_explainCalls` where the execution decides, and against the outcome of calls that were sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.operations.explaining import (
    GAS,
    PAY,
    SPEND,
    act,
    explain,
    pay,
)
from tests.support.calls import call_data, transfer
from tests.support.constants import ENTRY_POINT, TOKEN
from wallet_rpc.errors import ExecutionReverted, Unavailable, WalletError
from wallet_rpc.ports import Node
from wallet_rpc.primitives import Address


class OtherNode:
    """The wallet's node, but for trials of calls."""

    def __init__(self, node: Node, answer: bytes | WalletError) -> None:
        self._node = node
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def call_itself(self, account: Address, data: bytes, *, override: Any = None) -> bytes:
        if isinstance(self._answer, WalletError):
            raise self._answer
        return self._answer


@pytest.mark.parametrize("answer", [b"", Unavailable("the node returned an error"), ExecutionReverted("no")])
async def test_without_a_trial_the_called_code_decides(rich: WalletFixture, answer: bytes | WalletError) -> None:
    grant = await rich.grant(SPEND, PAY)
    rich.change_chain(node=OtherNode(rich.ports.chains[CHAIN].node, answer))

    found = await explain(rich, grant, transfer(1), pay(0))

    assert found["decision"] == "atExecution"
    if isinstance(answer, ExecutionReverted):
        assert found["text"].endswith("it reverts now: without a reason")
    else:
        assert [one["decision"] for one in found["calls"]] == ["atExecution", "allowed"]
        assert (found["reason"], found["decidedBy"]) == ("target_decides", ["target"])


async def test_the_first_call_that_fails_is_found_among_many(rich: WalletFixture) -> None:
    grant = await rich.grant({**SPEND, "data": {"address": TOKEN, "allowance": "0x7d0"}})

    found = await explain(rich, grant, *[transfer(100)] * 15)

    assert [one["decision"] for one in found["calls"]] == ["allowed"] * 10 + ["atExecution"] * 5
    assert [one.get("reason") for one in found["calls"]][10:12] == ["execution_reverted", "earlier_call_fails"]


async def test_what_only_the_execution_decides_says_by_what(rich: WalletFixture) -> None:
    grant = await rich.grant({**SPEND, "data": {"address": TOKEN, "allowance": "0x7d0"}}, PAY)

    found = await explain(rich, grant, transfer(1000), transfer(1), pay(0))
    poor = await explain(rich, grant, pay(10**18 + 1))

    assert found["decision"] == "atExecution"
    assert [one["decision"] for one in found["calls"]] == ["allowed", "atExecution", "atExecution"]
    assert [one.get("reason") for one in found["calls"]] == [None, "execution_reverted", "earlier_call_fails"]
    assert "InsufficientBalance(0, 1)" in found["text"]
    assert found["decidedBy"] == ["target"]
    assert (poor["decision"], poor["reason"], poor["decidedBy"]) == ("atExecution", "balance_too_low", ["balance"])


async def test_a_grant_whose_nonce_is_burned_cannot_be_explained(rich: WalletFixture) -> None:
    grant = await rich.grant(PAY)
    assert (await explain(rich, grant, pay(0)))["decision"] == "allowed"
    key = int(grant.message["nonce"], 16) >> 64
    burn = {"to": ENTRY_POINT, "data": call_data("incrementNonce(uint192)", key)}
    call_id = await rich.send(await rich.prepare(burn), rich.owner)
    await rich.mempool.mine()
    assert await rich.status(call_id) == 200

    with pytest.raises(WalletError) as refused:
        await explain(rich, grant, pay(0))
    assert refused.value.reason == "session_not_on_chain"


async def test_the_status_of_a_call_that_a_limit_reverted_has_the_same_reason(rich: WalletFixture) -> None:
    grant = await rich.grant(SPEND)
    assert await act(rich, grant, transfer(0)) == 200
    ids = []
    for key in ("0x1", "0x2"):
        prepared = await rich.prepare(transfer(60), permissions=grant.permissions, nonceOverride={"nonceKey": key})
        ids.append(await rich.send(prepared, grant.key, grant.permissions))
    await rich.mempool.mine()

    statuses = [await rich.client.rpc("wallet_getCallsStatus", call_id) for call_id in ids]

    assert sorted(one["status"] for one in statuses) == [200, 500]
    error = next(one["details"]["data"]["error"] for one in statuses if one["status"] == 500)
    explained = await explain(rich, grant, transfer(60))
    assert (error["code"], error["data"]["reason"]) == (-32521, "erc20_limit_exceeded")
    assert error["data"]["permissions"] == ["erc20-token-transfer"]
    assert error["data"]["errors"] == ["PreExecHookReverted", "ExceededTokenLimit"]
    assert explained["reason"] == error["data"]["reason"]


async def test_the_gas_limit_needs_the_cost_of_the_gas(rich: WalletFixture) -> None:
    grant = await rich.grant(GAS, PAY)

    unknown = await explain(rich, grant, pay(0))
    within = await explain(rich, grant, pay(0), maxGasCost=hex(10**18))
    above = await explain(rich, grant, pay(0), maxGasCost=hex(10**18 + 1))
    sponsored = await explain(rich, grant, pay(0), sponsored=True, maxGasCost=hex(10**19))

    assert (unknown["decision"], unknown["reason"]) == ("atExecution", "gas_cost_unknown")
    assert (within["decision"], within["remaining"]["gas"]) == ("allowed", "0x0")
    assert (above["decision"], above["reason"]) == ("denied", "gas_limit_exceeded")
    assert (sponsored["decision"], sponsored["remaining"]["gas"]) == ("allowed", hex(10**18))

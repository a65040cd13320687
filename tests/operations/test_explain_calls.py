"""`wallet_explainCalls` against what happens to the calls: decisions, reasons, remaining limits, decoded calls."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.access.callers import by_token
from tests.operations.conftest import CHAIN, WalletFixture
from tests.operations.explaining import (
    NATIVE,
    OTHER,
    OWN,
    PAY,
    SPEND,
    Json,
    act,
    batch,
    encode_call,
    explain,
    pay,
)
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, HOUR, ROOT, TOKEN
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Scope
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE
from wallet_rpc.domain.rules.periods import Period
from wallet_rpc.domain.rules.rule import CallsRule
from wallet_rpc.domain.rules.stored_rules import RuleSet
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import StopMode, StopRecord
from wallet_rpc.domain.validation_install import HALF_ENTITY
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import ChainId, EntityId
from wallet_rpc.services.token_decimals import format_units

OWNED = "0x00000000000000000000000000000000000bEEf2"
"""A contract that only one grant names."""


async def test_a_call_within_the_limit_is_allowed_before_and_after_the_installation(rich: WalletFixture) -> None:
    grant = await rich.grant(SPEND, NATIVE, PAY)

    first = await explain(rich, grant, transfer(60), pay(100))

    assert (first["decision"], first["installed"]) == ("allowed", False)
    assert first["limits"] == {
        "native": "0x64",
        "tokens": [{"token": TOKEN, "amount": "0x64", "text": "0.0000000000000001"}],
    }
    assert [one["decision"] for one in first["calls"]] == ["allowed", "allowed"]
    assert first["calls"][0]["permission"] == {"type": "erc20-token-transfer", "index": 0}
    assert first["calls"][1]["permission"] == {"type": "contract-access", "index": 2}
    assert [one["remaining"].get("native") for one in first["calls"]] == ["0x64", "0x0"]

    assert await act(rich, grant, transfer(60), pay(100)) == 200
    later = await explain(rich, grant, transfer(40))

    assert (later["decision"], later["installed"]) == ("allowed", True)
    assert later["limits"] == {**first["remaining"]}
    assert later["remaining"]["tokens"][0]["amount"] == "0x0"
    entity = later["entityId"] + HALF_ENTITY
    view = call_data("erc20SpendLimits(uint32,address,address)", entity, TOKEN, rich.account)
    word = await rich.control("eth_call", {"to": ALLOWLIST_MODULE.hex0x(), "data": view}, "latest")
    assert int(word, 16) == int(later["limits"]["tokens"][0]["amount"], 16) == 40
    assert (await explain(rich, grant, transfer(41)))["reason"] == "erc20_limit_exceeded"


DENIED = [
    ([SPEND], [transfer(60), transfer(41)], "erc20_limit_exceeded", "erc20-token-transfer", 1),
    ([SPEND], [{"to": TOKEN, "data": transfer(1)["data"][:-2]}], "erc20_call_malformed", "erc20-token-transfer", 0),
    ([SPEND], [{"to": TOKEN, "data": "0x23b872dd"}], "function_not_allowed", "erc20-token-transfer", 0),
    ([SPEND], [transfer(1), pay(0, OTHER)], "contract_not_allowed", None, 1),
    ([NATIVE, PAY], [pay(60), pay(41)], "native_limit_exceeded", "native-token-transfer", 1),
    ([NATIVE, PAY], [pay(2 * 10**18)], "native_limit_exceeded", "native-token-transfer", 0),
    ([NATIVE, SPEND], [pay(2 * 10**18)], "contract_not_allowed", None, 0),
    ([OWN], [{"to": "own", "data": call_data("entryPoint()")}], "account_function_not_allowed", "account-functions", 0),
    ([PAY], [pay(0), {"to": "own", "data": batch()}], "self_call_nested", None, 1),
]
"""Grants and denied calls, by the reason, the permission and the position of the call."""


@pytest.mark.parametrize(("permissions", "calls", "reason", "permission", "position"), DENIED)
async def test_a_denial_has_the_reason_that_prepare_has(
    rich: WalletFixture, permissions: list[Json], calls: list[Json], reason: str, permission: str | None, position: int
) -> None:
    grant = await rich.grant(*permissions)
    calls = [{**call, "to": rich.account} if call["to"] == "own" else call for call in calls]

    found = await explain(rich, grant, *calls)
    with pytest.raises(WalletError) as refused:
        await rich.prepare(*calls, permissions=grant.permissions)

    assert (found["decision"], found["reason"], refused.value.reason) == ("denied", reason, reason)
    denied = found["calls"][position]
    assert (denied["decision"], denied["reason"]) == ("denied", reason)
    assert denied.get("permission", {}).get("type") == permission
    assert refused.value.data.get("permissions") == (None if permission is None else [permission])
    assert denied["text"] in refused.value.message
    assert [one["decision"] for one in found["calls"][:position]] == ["allowed"] * position


async def test_amounts_of_a_contract_without_decimals_have_no_text(rich: WalletFixture) -> None:
    grant = await rich.grant(ROOT)

    found = await explain(rich, grant, {**transfer(5), "to": FRIEND})

    (decoded,) = found["calls"][0]["decoded"]
    (amount,) = decoded["amounts"]
    assert amount == {"token": FRIEND, "argument": "amount", "amount": "0x5"}
    assert [format_units(*one) for one in ((15, 1), (10, 1), (7, 0), (1, 3))] == ["1.5", "1", "7", "0.001"]


async def test_a_session_past_its_end_is_denied(rich: WalletFixture) -> None:
    grant = await rich.grant(PAY, expirySec=int(time.time()) + HOUR)
    rich.clock.ahead_seconds += HOUR + 60

    found = await explain(rich, grant, pay(0))

    assert (found["decision"], found["reason"]) == ("denied", "session_expired")
    assert found["calls"][0]["permission"] == {"type": "expiry"}


async def test_an_installed_session_of_an_unknown_grant_is_read_from_the_chain(
    rich: WalletFixture, redis_server: RedisServer
) -> None:
    grant = await rich.grant(SPEND, PAY)
    assert await act(rich, grant, transfer(10)) == 200
    entity = (await explain(rich, grant))["entityId"]
    by_chain = {"account": rich.account, "chainId": hex(CHAIN)}

    async with RedisStore.open(redis_server.url, prefix="elsewhere") as empty:
        elsewhere = rich.with_ports(replace(rich.ports, store=empty))
        for name in ({"entityId": entity}, {"context": "0x0200" + entity.to_bytes(4, "big").hex()}):
            calls = [transfer(90), pay(1), pay(0, OTHER), transfer(1)]
            found = await elsewhere.client.rpc("wallet_explainCalls", {**by_chain, **name, "calls": calls})
            reasons = [one.get("reason") for one in found["calls"]]
            assert reasons == [None, None, "contract_not_allowed", "erc20_limit_exceeded"]
            assert found["calls"][0]["permission"] == {"type": "erc20-token-transfer"}


async def test_a_denial_names_the_same_permissions_before_and_after_the_installation(rich: WalletFixture) -> None:
    wildcard = {"type": "functions-on-all-contracts", "data": {"functions": ["0x12345678"]}}
    listed = {"type": "functions-on-contract", "data": {"address": OWNED, "functions": ["0x12345678"]}}
    for grant in (await rich.grant(PAY, wildcard), await rich.grant(PAY, SPEND, listed)):
        (before,) = (await explain(rich, grant, pay(0, OTHER)))["calls"]
        assert await act(rich, grant, pay(0)) == 200
        (after,) = (await explain(rich, grant, pay(0, OTHER)))["calls"]

        assert before["reason"] == "contract_not_allowed"
        assert [after.get(name) for name in ("permission", "text")] == [before.get("permission"), before["text"]]


async def test_a_paused_session_and_a_rule_of_the_server_deny_as_in_prepare(rich: WalletFixture) -> None:
    grant = await rich.grant(PAY, {"type": "native-token-transfer", "data": {"allowance": "0x64"}})
    rules = RuleSet(
        rules=(CallsRule(type="calls", limit=0, period=Period.TOTAL),),
        organization=rich.store.rules.organization,
        changed_at=rich.clock.now(),
        by="owner",
    )
    entity = (await explain(rich, grant))["entityId"]
    session = SessionReference(account=rich.address, chain_id=ChainId(CHAIN), entity_id=EntityId(entity))

    await rich.store.rules.write(session, rules.organization, rules)
    bounded = await explain(rich, grant, pay(1))
    with pytest.raises(WalletError) as refused:
        await rich.prepare(pay(1), permissions=grant.permissions)
    await rich.store.stops.pause(session, "owner", StopRecord(mode=StopMode.PAUSE, at=rich.clock.now(), by="owner"))
    paused = await explain(rich, grant, pay(0), pay(0, OTHER))

    assert (bounded["decision"], bounded["reason"]) == ("denied", refused.value.reason)
    assert bounded["calls"][0]["reason"] == bounded["reason"]
    assert [one["native"] for one in (bounded["remaining"], bounded["calls"][0]["remaining"])] == ["0x64", "0x64"]
    assert (paused["decision"], paused["reason"]) == ("denied", "session_paused")
    assert [one["reason"] for one in paused["calls"]] == ["session_paused", "contract_not_allowed"]


async def test_calls_are_decoded_by_bundled_and_given_abis(rich: WalletFixture) -> None:
    grant = await rich.grant(ROOT)
    custom = {"to": OTHER, "data": encode_call("order", ["(uint256,string)[]", "bytes4"], [(5, "tea")], b"abcd")}
    abi = [
        "function order((uint256 count, string what)[] items, bytes4 tag) external returns (bool)",
        {"type": "event", "name": "Ordered", "inputs": []},
    ]

    found = await explain(
        rich, grant, {"to": rich.account, "data": batch(transfer(7))}, abis=[{"address": OTHER, "abi": abi}]
    )
    second = await explain(rich, grant, custom, {**custom, "to": FRIEND}, abis=[{"address": OTHER, "abi": abi}])

    assert (found["decision"], len(found["calls"])) == ("allowed", 1)
    outer, moved = found["calls"][0]["decoded"]
    assert (outer["function"], outer["depth"]) == ("executeBatch((address,uint256,bytes)[])", 0)
    assert moved["depth"] == 1
    assert (moved["function"], moved["source"]) == ("transfer(address,uint256)", "erc20")
    assert moved["amounts"] == [
        {"token": TOKEN, "argument": "amount", "amount": "0x7", "decimals": 18, "text": "0.000000000000000007"}
    ]
    (decoded,) = second["calls"][0]["decoded"]
    assert (decoded["source"], decoded["function"]) == ("request", "order((uint256,string)[],bytes4)")
    assert decoded["arguments"] == {"items": [{"count": "5", "what": "tea"}], "tag": "0x61626364"}
    assert second["calls"][1]["decoded"] == []


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("transfer(address", "params.abis[0].abi[1]: expected"),
        ({"type": "function", "name": "f", "inputs": [{"type": "uint7"}]}, "expected a type, got uint7"),
        ({"type": "function", "name": "f"}, "expected a list of parameters"),
        (7, "expected an entry of a JSON ABI or a signature, got 7"),
    ],
)
async def test_a_malformed_abi_is_an_error_that_names_its_entry(rich: WalletFixture, entry: Any, text: str) -> None:
    grant = await rich.grant(PAY)

    with pytest.raises(WalletError) as refused:
        await explain(rich, grant, pay(0), abis=[{"abi": ["name()", entry]}])

    assert refused.value.reason == "abi_malformed"
    assert text in refused.value.message


async def test_the_number_of_calls_and_abis_is_bounded(rich: WalletFixture) -> None:
    grant = await rich.grant(PAY)

    most = await explain(rich, grant, *[pay(0)] * 100)
    assert len(most["calls"]) == 100
    inner = {"to": rich.account, "data": batch(*[transfer(0)] * 101)}
    cases: list[tuple[list[Json], list[Json], str]] = [
        ([pay(0)] * 101, [], "bundle_too_large"),
        ([inner], [], "bundle_too_large"),
        ([], [{"abi": []}] * 21, "too_many"),
    ]
    for calls, abis, reason in cases:
        with pytest.raises(WalletError) as refused:
            await explain(rich, grant, *calls, abis=abis)
        assert refused.value.reason == reason


async def test_a_session_that_is_gone_or_of_others_cannot_be_explained(rich: WalletFixture) -> None:
    missing = {"account": rich.account, "chainId": hex(CHAIN), "entityId": 77, "calls": []}
    for request, reason in (
        (missing, "session_not_on_chain"),
        ({"sessionId": "0x" + "11" * 16, "calls": []}, "session_not_found"),
    ):
        with pytest.raises(WalletError) as refused:
            await rich.client.rpc("wallet_explainCalls", request)
        assert refused.value.reason == reason


async def test_a_token_explains_the_sessions_of_its_own_wallet_only(rich: WalletFixture) -> None:
    grant = await rich.grant(PAY)
    own = rich.with_ports(replace(rich.ports, caller=by_token(Scope.WALLET_READ, wallet=rich.owner.address)))
    other = rich.with_ports(replace(rich.ports, caller=by_token(Scope.WALLET_READ)))

    assert (await explain(own, grant, pay(0)))["decision"] == "allowed"
    with pytest.raises(WalletError) as refused:
        await explain(other, grant, pay(0))
    assert refused.value.reason == "session_not_found"

"""Sessions that were created elsewhere: found by the account's events, and read from the modules."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.operations.module_reads import ALLOWLIST, limits_by_hand
from tests.operations.test_get_session import (
    EVERY_LIMIT,
    OTHER,
    SELECTOR,
    act,
    fund,
    remaining,
    uninstall_data,
)
from tests.operations.test_get_session import get as get_session
from tests.operations.test_parallel_reads import CountingClient
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.ports import NO_LOGS, Node
from wallet_rpc.services import session_discovery

Json = dict[str, Any]


@dataclass
class NodeWithoutLogs:
    """A `ports.Node` in front of a real one, without a search of logs."""

    inner: Node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def find_logs(self, *_: Any, **__: Any) -> Any:
        raise Unavailable("the node does not search its logs", reason=NO_LOGS, part="node")


@pytest.fixture
async def elsewhere(wallet: WalletFixture, redis_server: RedisServer) -> AsyncIterator[WalletFixture]:
    """Return the wallet at a server that stores nothing of it."""
    async with RedisStore.open(redis_server.url, prefix=f"test-{uuid.uuid4().hex}") as store:
        yield wallet.with_ports(replace(wallet.ports, store=store), store=store)


async def test_a_session_from_elsewhere_is_read_from_the_modules(
    wallet: WalletFixture, elsewhere: WalletFixture
) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    await act(wallet, grant, {"to": FRIEND, "value": "0x3"}, transfer(10))
    known = await get_session(wallet, grant)
    entity = known["entityId"]
    row = call_data("setSelectorAllowlist(uint32,address,bytes4,bool)", entity, OTHER, b"\x12\x34\x56\x78", True)
    await wallet.send(await wallet.prepare({"to": ALLOWLIST, "data": row}, sponsored=False), wallet.owner)
    await wallet.mempool.mine()

    reference = {"account": wallet.account, "chainId": hex(CHAIN), "entityId": entity}
    found = await elsewhere.client.rpc("wallet_getSession", reference)

    assert (found["state"], found["signer"]) == ("installed", grant.key.address)
    assert "sessionId" not in found
    assert remaining(found) == remaining(known) == await limits_by_hand(wallet, entity)
    assert found["validUntil"] == known["validUntil"]
    by_target = {each.get("address"): each.get("functions") for each in found["contracts"]}
    expected = {each.get("address"): each.get("functions") for each in known["contracts"]}
    other = next(each for each in expected if each and each.lower() == OTHER)
    assert by_target == expected | {other: ["0x12345678", SELECTOR]}
    assert found["isAllowlistComplete"] is True
    types = {each["type"] for each in found["permissions"]}
    assert types == {each["type"] for each in EVERY_LIMIT}
    assert f"The key {grant.key.address} may, until " in found["sentence"]


async def test_events_name_the_sessions_of_an_account_in_bounded_ranges(
    wallet: WalletFixture, elsewhere: WalletFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fund(wallet)
    grants = []
    for _ in range(3):
        grant = await wallet.grant({"type": "root"}, expirySec=0)
        await act(wallet, grant, {"to": FRIEND})
        grants.append(grant)
        for _ in range(4):
            await wallet.control("evm_mine")
    removed = await get_session(wallet, grants[1])
    data = uninstall_data(removed["entityId"])
    await wallet.send(await wallet.prepare({"to": wallet.account, "data": data}, sponsored=False), wallet.owner)
    await wallet.mempool.mine()
    request = {"account": wallet.account, "chainId": hex(CHAIN), "onChain": True}

    whole = await elsewhere.client.rpc("wallet_listSessions", request)

    assert [(each["signer"], each["state"]) for each in whole["sessions"] if "signer" in each] == [
        (grants[2].key.address, "installed"),
        (grants[0].key.address, "installed"),
    ]
    assert [each["entityId"] for each in whole["sessions"] if each["state"] == "removed"] == [removed["entityId"]]
    newest = int(await wallet.control("eth_blockNumber"), 16)
    assert (int(whole["firstBlock"], 16), int(whole["lastBlock"], 16)) == (max(0, newest - 19_999), newest)

    monkeypatch.setattr(session_discovery, "_STEP_BLOCKS", 3)
    monkeypatch.setattr(session_discovery, "DISCOVERY_BLOCKS", 6)
    seen: list[str] = []
    last = newest
    cursor: Json = {}
    while True:
        page = await elsewhere.client.rpc("wallet_listSessions", {**request, **cursor})
        assert int(page["lastBlock"], 16) == last
        assert last - int(page["firstBlock"], 16) < 6
        seen += [each["signer"] for each in page["sessions"] if "signer" in each]
        if len(seen) >= 2:
            break
        last, cursor = int(page["firstBlock"], 16) - 1, {"cursor": page["cursor"]}
    assert seen == [grants[2].key.address, grants[0].key.address]

    known = await wallet.client.rpc("wallet_listSessions", request)  # the steps are too small for all
    assert all(each.get("sessionId") in {None, *(grant.session_id for grant in grants)} for each in known["sessions"])


async def test_a_node_without_logs_says_so(wallet: WalletFixture, elsewhere: WalletFixture) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    await act(wallet, grant, {"to": FRIEND})
    entity = (await get_session(wallet, grant))["entityId"]
    elsewhere.change_chain(node=NodeWithoutLogs(elsewhere.ports.chains[CHAIN].node))
    place = {"account": wallet.account, "chainId": hex(CHAIN)}

    with pytest.raises(Unavailable) as error_info:
        await elsewhere.client.rpc("wallet_listSessions", {**place, "onChain": True})
    assert error_info.value.reason == NO_LOGS

    found = await elsewhere.client.rpc("wallet_getSession", {**place, "entityId": entity})
    assert (found["isAllowlistComplete"], found["contracts"]) == (False, [])
    assert "allowlistFromBlock" not in found
    assert remaining(found)["gas-limit"] == (await limits_by_hand(wallet, entity))["gas-limit"]


@pytest.mark.parametrize("given", [{}, {"account": FRIEND}, {"account": FRIEND, "chainId": "0x7a69", "tag": "x"}])
async def test_a_search_on_chain_needs_account_and_chain(wallet: WalletFixture, given: Json) -> None:
    with pytest.raises(InvalidParams) as error_info:
        await wallet.client.rpc("wallet_listSessions", {"key": FRIEND, **given, "onChain": True})
    assert (error_info.value.reason, error_info.value.field) == ("session_filter", "params.onChain")


async def test_a_cursor_of_another_list_is_rejected(wallet: WalletFixture) -> None:
    place = {"account": wallet.account, "chainId": hex(CHAIN)}
    with pytest.raises(InvalidParams) as error_info:
        await wallet.client.rpc("wallet_listSessions", {**place, "onChain": True, "cursor": "A" * 32})
    assert error_info.value.reason == "cursor_unknown"
    for text in ("", "!", "A" * 31, "A" * 10):
        with pytest.raises(InvalidParams) as error_info:
            await wallet.client.rpc("wallet_listSessions", {**place, "cursor": text})
        assert error_info.value.field == "params.cursor"


@pytest.mark.parametrize("state", ["pending", "installed"])
async def test_a_session_with_every_limit_is_read_by_one_post(wallet: WalletFixture, url: str, state: str) -> None:
    await fund(wallet)
    grant = await wallet.grant(*EVERY_LIMIT)
    if state == "installed":
        await act(wallet, grant, {"to": FRIEND})
        await act(wallet, grant, {"to": FRIEND, "value": "0x1"}, mine=False)  # one in flight
    async with HttpClient() as http:
        counting = CountingClient(http)
        wallet.change_chain(node=NodeChain(JsonRpcClient(counting, f"{url}/chain/{CHAIN}", part="node")))

        assert (await get_session(wallet, grant))["state"] == state
        assert counting.posts == 1

        listed = await wallet.client.rpc("wallet_listSessions", {"account": wallet.account})
        assert [each["state"] for each in listed["sessions"]] == [state]
        assert counting.posts == 2

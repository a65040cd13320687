"""Nodes behind a load balancer: reads of which some come from a server without the newest blocks, logs or receipts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.operations.chain_control import ask_node, pass_blocks
from tests.operations.conftest import CHAIN, WalletFixture, quantity
from tests.support.constants import FRIEND
from wallet_rpc.ports import Node
from wallet_rpc.services import witnesses

CALL = {"to": FRIEND}


@dataclass
class LaggingNode:
    """A `ports.Node` in front of a real one, some of whose answers are those of a server that lags."""

    inner: Node
    nonce: int
    """The nonce that the lagging server shows."""
    lags: frozenset[str] = frozenset()
    """The kinds of answers that lag: `receipts`, `events`, `nonce`, `blocks`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def read_operation(self, *arguments: Any, **options: Any) -> Any:
        return None if "receipts" in self.lags else await self.inner.read_operation(*arguments, **options)

    async def find_operation(self, *arguments: Any, **options: Any) -> Any:
        return None if "receipts" in self.lags else await self.inner.find_operation(*arguments, **options)

    async def find_nonce_use(self, *arguments: Any, **options: Any) -> Any:
        return None if "events" in self.lags else await self.inner.find_nonce_use(*arguments, **options)

    async def user_operation_nonce(self, account: Any, key: int, *, block: int | None = None) -> int:
        if "nonce" in self.lags and block is None:
            return self.nonce
        return await self.inner.user_operation_nonce(account, key, block=block)

    async def block_number(self) -> int:
        return await self.inner.block_number() - (2 if "blocks" in self.lags else 0)


def install_lagging(wallet: WalletFixture, prepared: dict[str, Any]) -> LaggingNode:
    node = LaggingNode(wallet.ports.chains[CHAIN].node, quantity(prepared, "nonce"))
    wallet.change_chain(node=node)
    return node


async def test_an_included_call_stays_included_while_a_node_lags(wallet: WalletFixture) -> None:
    wallet.change_chain(confirmations=5)
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    node = install_lagging(wallet, prepared)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 110

    node.lags = frozenset({"receipts", "events", "nonce", "blocks"})
    await wallet.work(after=15)
    assert (await wallet.status(call_id), wallet.mempool.sent) == (110, 1)
    node.lags = frozenset()
    await pass_blocks(wallet, 4)
    assert await wallet.status(call_id) == 200


@pytest.mark.usefixtures("snapshot")
async def test_a_call_that_was_included_in_time_never_expires(wallet: WalletFixture) -> None:
    block = await ask_node(wallet, "eth_getBlockByNumber", "latest", False)
    end = max(int(block["timestamp"], 16), wallet.clock.now()) + 100
    grant = await wallet.grant({"type": "root"}, expirySec=end)
    prepared = await wallet.prepare(CALL, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)
    await ask_node(wallet, "evm_setNextBlockTimestamp", end - 1)
    await wallet.mempool.mine()
    await ask_node(wallet, "evm_setNextBlockTimestamp", end + 1)
    await pass_blocks(wallet, 1)

    node = install_lagging(wallet, prepared)
    node.lags, wallet.mempool.is_behind = frozenset({"receipts", "events", "nonce"}), True
    assert await wallet.status(call_id) == 100
    node.lags, wallet.mempool.is_behind = frozenset(), False
    assert await wallet.status(call_id) == 200


async def test_no_status_advises_to_prepare_again_while_the_events_lag(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    node = install_lagging(wallet, prepared)
    node.lags, wallet.mempool.is_behind = frozenset({"receipts", "events"}), True

    reason = (await wallet.details(call_id))["pendingReason"]
    assert reason["reason"] == "nonce_used_without_event"
    assert "this may be the call itself" in reason["message"]
    node.lags = frozenset()
    assert await wallet.status(call_id) == 200


async def test_its_own_event_never_proves_that_a_call_was_replaced(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    node = install_lagging(wallet, prepared)
    node.lags, wallet.mempool.is_behind = frozenset({"receipts"}), True
    assert await wallet.status(call_id) == 100
    node.lags = frozenset()
    assert await wallet.status(call_id) == 200


async def test_a_call_below_the_block_of_its_acceptance_is_found(wallet: WalletFixture, snapshot: str) -> None:
    """The chain is replaced by a lower one between acceptance and inclusion, and the bundler forgets the call."""
    wallet.change_chain(confirmations=5)
    await pass_blocks(wallet, 3)
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    assert await ask_node(wallet, "evm_revert", snapshot)
    await wallet.mempool.mine()
    await pass_blocks(wallet, 8)
    wallet.mempool.is_behind = True
    assert await wallet.status(call_id) == 200


@pytest.mark.parametrize("blocks", [30, 3])
async def test_a_long_search_goes_on_with_the_next_look(
    wallet: WalletFixture, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    monkeypatch.setattr(witnesses, "SEARCHED_BLOCKS", 20)
    monkeypatch.setattr(witnesses, "REORG_MARGIN_BLOCKS", 2)
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    waiting = dict(wallet.mempool.waiting)
    wallet.mempool.is_behind = wallet.mempool.is_blind = True
    await pass_blocks(wallet, blocks)
    for _ in range(2):
        assert await wallet.status(call_id) == 100
    wallet.mempool.waiting = waiting
    await wallet.mempool.mine()
    await pass_blocks(wallet, blocks)
    found = [await wallet.status(call_id) for _ in range(4)]
    assert found[-1] == 200
    assert set(found) <= {100, 200}


async def test_an_event_is_found_while_the_nonce_lags_and_the_bundler_knows_nothing(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    node = install_lagging(wallet, prepared)

    node.lags, wallet.mempool.is_behind = frozenset({"nonce"}), True
    assert await wallet.status(call_id) == 200

"""Submission to the bundler: the report to the paymaster, and the errors that a rejected caller receives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.constants import FRIEND
from wallet_rpc import wire
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import StaleNonce, Unavailable
from wallet_rpc.ports import Node, Paymaster
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.services.root_causes import find_root_cause

CALL = {"to": FRIEND}
OTHER = {"to": FRIEND, "data": "0x1234"}


@dataclass
class RecordingPaymaster:
    """A `ports.Paymaster` in front of a real one that records the hashes of reported operations."""

    inner: Paymaster
    hashes: list[Hash32] = field(default_factory=list)
    fails: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def report_sent(self, operation: Any, operation_hash: Hash32) -> None:
        self.hashes.append(operation_hash)
        if self.fails:
            raise Unavailable("the paymaster does not answer", part="paymaster")
        await self.inner.report_sent(operation, operation_hash)


@dataclass
class SilentChain:
    """A `ports.Node` in front of a real one that does not respond to reads of user operation nonces."""

    inner: Node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def user_operation_nonce(self, account: Address, key: int, *, block: int | None = None) -> int:
        raise Unavailable("the node does not answer", part="node")


def install_recorder(wallet: WalletFixture) -> RecordingPaymaster:
    paymaster = RecordingPaymaster(wallet.paymaster)
    wallet.change_chain(paymaster=paymaster)
    return paymaster


@pytest.mark.parametrize("fails", [False, True])
async def test_an_operation_is_reported_to_its_paymaster_once(wallet: WalletFixture, fails: bool) -> None:
    paymaster = install_recorder(wallet)
    paymaster.fails = fails
    prepared = await wallet.prepare(CALL)
    for _ in range(2):
        await wallet.send(prepared, wallet.owner)
    await wallet.work(after=15)
    assert paymaster.hashes == [Hash32.parse(prepared["details"]["data"]["hash"])]


async def test_an_operation_without_a_paymaster_is_not_reported(wallet: WalletFixture) -> None:
    paymaster = install_recorder(wallet)
    node = wallet.ports.chains[CHAIN].node
    assert isinstance(node, NodeChain)
    await node._client.write("anvil_setBalance", [wallet.account, hex(10**18)])
    await wallet.send(await wallet.prepare(CALL, paymasterService=None), wallet.owner)
    assert (wallet.mempool.sent, paymaster.hashes) == (1, [])


async def test_an_operation_with_a_paymaster_is_sent_where_the_server_has_none(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.change_chain(paymaster=None)
    await wallet.send(prepared, wallet.owner)
    assert wallet.mempool.sent == 1


async def test_an_unavailable_bundler_is_the_root_cause_also_when_the_node_does_not_respond(
    wallet: WalletFixture,
) -> None:
    prepared = await wallet.prepare(CALL)
    chain = wallet.ports.chains[CHAIN]
    operation = wire.decode(UserOperationJson, prepared["data"]).to_domain("")
    error = Unavailable("the bundler does not answer", part="bundler")
    silent_chain = replace(chain, node=SilentChain(chain.node))
    assert await find_root_cause(silent_chain, operation, error) is error


async def test_the_error_of_a_nonce_that_another_call_used_names_the_cause(wallet: WalletFixture) -> None:
    first, second = [await wallet.prepare(call) for call in (CALL, OTHER)]
    await wallet.send(first, wallet.owner)
    await wallet.mempool.mine()
    wallet.mempool.refuses_used_nonces = True
    with pytest.raises(StaleNonce, match="another call used it first"):
        await wallet.send(second, wallet.owner)


async def test_the_error_of_a_grant_that_another_call_installed_names_the_cause(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    first, second = [await wallet.prepare(call, permissions=grant.permissions) for call in (CALL, OTHER)]
    await wallet.send(first, grant.key, grant.permissions)
    await wallet.mempool.mine()
    with pytest.raises(StaleNonce, match="another call installed the session first"):
        await wallet.send(second, grant.key, grant.permissions)

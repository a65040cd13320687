"""An account that another wallet delegates before the bundler receives its first call and rejects the authorization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.operations.test_relaying import send
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.domain.authorization import designator
from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_7702, SEMI_MODULAR_ACCOUNT_7702_V1_1
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import StaleNonce
from wallet_rpc.ports import OperationReceipt, PendingOperation
from wallet_rpc.primitives import Address, Hash32


@dataclass
class OvertakenBundler:
    """A `ports.Bundler` in front of a real one that delegates the sender itself before the first send."""

    inner: HttpBundler
    node: NodeChain
    delegate: Address
    sent: int = 0

    async def estimate(
        self, operation: UserOperation, overrides: Mapping[Address, Mapping[str, Any]] | None = None
    ) -> GasEstimate:
        return await self.inner.estimate(operation, overrides)

    async def send(self, operation: UserOperation) -> Hash32:
        self.sent += 1
        if self.sent == 1:
            sender, code = operation.sender.hex0x(), "0x" + designator(self.delegate).hex()
            await self.node._client.write("anvil_setCode", [sender, code])
            await self.node._client.write("anvil_setNonce", [sender, "0x1"])
        return await self.inner.send(operation)

    async def receipt(self, operation_hash: Hash32) -> OperationReceipt | None:
        return await self.inner.receipt(operation_hash)

    async def lookup(self, operation_hash: Hash32) -> PendingOperation | None:
        return await self.inner.lookup(operation_hash)


def install_overtaken(wallet: WalletFixture, delegate: Address) -> OvertakenBundler:
    chain = wallet.ports.chains[CHAIN].node
    assert isinstance(chain, NodeChain)
    bundler = OvertakenBundler(wallet.mempool.inner, chain, delegate)
    wallet.change_chain(bundler=bundler)
    return bundler


async def delegate(wallet: WalletFixture) -> str:
    """Send the first call of the owner's address, which delegates it, and return the call's id."""
    external = wallet.with_ports(wallet.ports, account=wallet.owner.address)
    return await send(external, external.sign_array(await external.prepare()))


async def test_the_operation_is_sent_without_the_authorization_that_came_too_late(wallet: WalletFixture) -> None:
    bundler = install_overtaken(wallet, SEMI_MODULAR_ACCOUNT_7702)

    call_id = await delegate(wallet)

    assert await wallet.status(call_id) == 200
    assert bundler.sent == 2


async def test_the_operation_is_rejected_if_the_account_was_delegated_to_other_code(wallet: WalletFixture) -> None:
    bundler = install_overtaken(wallet, SEMI_MODULAR_ACCOUNT_7702_V1_1)

    with pytest.raises(StaleNonce, match="Expected: 1, Actual: 0") as error_info:
        await delegate(wallet)
    assert (error_info.value.reason, bundler.sent) == ("authorization_nonce", 1)

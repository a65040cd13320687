"""An account that another wallet delegates before the bundler receives its first call and rejects the authorization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.operations.test_relaying import by_owner, prepare
from wallet_rpc import wire
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.domain.authorization import designator
from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_7702, SEMI_MODULAR_ACCOUNT_7702_V1_1
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.prepared import PreparedArray
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import StaleNonce
from wallet_rpc.operations import get_calls_status, send_prepared_calls
from wallet_rpc.operations.get_calls_status import GetCallsStatus
from wallet_rpc.ports import OperationReceipt, PendingOperation
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.services.signed_calls import SendArray


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


async def sign_array(wallet: WalletFixture) -> SendArray:
    policy = {"paymasterService": {"policyId": "11111111-2222-4333-8444-555555555555"}}
    items = wire.encode(PreparedArray, await prepare(wallet, wallet.ports, **policy))["data"]
    for item in items:
        item["signature"] = by_owner(wallet, Hash32.parse(item["signatureRequest"]["rawPayload"]))
    return wire.decode(SendArray, {"type": "array", "data": items})


async def test_the_operation_is_sent_without_the_authorization_that_came_too_late(wallet: WalletFixture) -> None:
    bundler = install_overtaken(wallet, SEMI_MODULAR_ACCOUNT_7702)

    sent = await send_prepared_calls.run(wallet.ports, await sign_array(wallet))

    assert (await get_calls_status.run(wallet.ports, GetCallsStatus(call_id=sent.id))).status == 200
    assert bundler.sent == 2


async def test_the_operation_is_rejected_if_the_account_was_delegated_to_other_code(wallet: WalletFixture) -> None:
    bundler = install_overtaken(wallet, SEMI_MODULAR_ACCOUNT_7702_V1_1)

    with pytest.raises(StaleNonce, match="Expected: 1, Actual: 0") as error_info:
        await send_prepared_calls.run(wallet.ports, await sign_array(wallet))
    assert (error_info.value.reason, bundler.sent) == ("authorization_nonce", 1)

"""Rejection of an account with insufficient balance before any call to a paymaster, if the shortage is certain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.operations.conftest import WalletFixture
from tests.support.constants import FRIEND
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import Rejected
from wallet_rpc.ports import Paymaster, Sponsorship
from wallet_rpc.primitives import Hash32
from wallet_rpc.services import account_funds

ENTRY_POINT = "0x0000000071727De22E5E9d8BAf0edAc6f37da032"


@dataclass
class CountingPaymaster:
    """A `ports.Paymaster` in front of a real one that counts requests."""

    inner: Paymaster
    requests: int = 0

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        self.requests += 1
        return await self.inner.stub(operation, context)

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        self.requests += 1
        return await self.inner.sponsor(operation, context)

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        await self.inner.report_sent(operation, operation_hash)


def install_counter(wallet: WalletFixture) -> CountingPaymaster:
    paymaster = CountingPaymaster(wallet.paymaster)
    wallet.change_chain(paymaster=paymaster)
    return paymaster


@pytest.mark.parametrize("plain", [1, account_funds.MAX_RECEIVERS])
async def test_a_certain_shortage_is_rejected_without_a_request_to_the_paymaster(
    wallet: WalletFixture, plain: int
) -> None:
    paymaster = install_counter(wallet)
    calls = [{"to": f"0x{number:040x}", "value": "0x0"} for number in range(0xF00D0000, 0xF00D0000 + plain)]

    with pytest.raises(Rejected) as error_info:
        await wallet.prepare(*calls, {"to": FRIEND, "value": "0x1"})
    assert (error_info.value.reason, error_info.value.facts["missing"]) == ("insufficient_funds", "0x1")
    assert paymaster.requests == 0


@pytest.mark.parametrize(
    "before",
    [
        [{"to": ENTRY_POINT}],
        [{"to": f"0x{number:040x}"} for number in range(0xF00D0000, 0xF00D0001 + account_funds.MAX_RECEIVERS)],
    ],
    ids=["code", "many"],
)
async def test_an_uncertain_shortage_is_left_to_the_estimate(
    wallet: WalletFixture, before: list[dict[str, str]]
) -> None:
    paymaster = install_counter(wallet)

    with pytest.raises(Rejected) as error_info:
        await wallet.prepare(*before, {"to": FRIEND, "value": "0x1"})
    assert (error_info.value.reason, paymaster.requests) == ("insufficient_funds", 1)

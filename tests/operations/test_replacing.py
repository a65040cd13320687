"""Replacement of a pending operation, which must raise both the maximum fee and the priority fee."""

from __future__ import annotations

import pytest

from tests.operations.conftest import WalletFixture, quantity
from tests.support.constants import FRIEND
from wallet_rpc.errors import InstallPending

CALL = {"to": FRIEND}
OTHER = {"to": FRIEND, "data": "0x1234"}
FEE, PRIORITY = 100_000_000_001, 10_000_000_001
ENOUGH_FEE, ENOUGH_PRIORITY = 110_000_000_002, 11_000_000_002
"""The fees raised by a tenth, rounded up. Source: ERC-4337 bundler rules."""


def fees(fee: int, priority: int) -> dict[str, str]:
    return {"maxFeePerGas": hex(fee), "maxPriorityFeePerGas": hex(priority)}


@pytest.mark.parametrize(
    ("fee", "priority"),
    [
        (FEE, PRIORITY),
        (ENOUGH_FEE - 1, ENOUGH_PRIORITY),
        (ENOUGH_FEE, ENOUGH_PRIORITY - 1),
        (2 * FEE, PRIORITY),
        (FEE, 2 * PRIORITY),
    ],
)
async def test_one_fee_alone_does_not_replace_an_installation(wallet: WalletFixture, fee: int, priority: int) -> None:
    grant = await wallet.grant_root()
    first = await wallet.prepare(CALL, permissions=grant.permissions, gasParamsOverride=fees(FEE, PRIORITY))
    second = await wallet.prepare(OTHER, permissions=grant.permissions, gasParamsOverride=fees(fee, priority))
    await wallet.send(first, grant.key, grant.permissions)
    with pytest.raises(InstallPending):
        await wallet.send(second, grant.key, grant.permissions)
    assert wallet.mempool.sent == 1


async def test_a_tenth_more_of_both_fees_replaces_an_installation(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    enough = fees(ENOUGH_FEE, ENOUGH_PRIORITY)
    first = await wallet.prepare(CALL, permissions=grant.permissions, gasParamsOverride=fees(FEE, PRIORITY))
    second = await wallet.prepare(OTHER, permissions=grant.permissions, gasParamsOverride=enough)
    await wallet.send(first, grant.key, grant.permissions)
    await wallet.send(second, grant.key, grant.permissions)
    assert wallet.mempool.sent == 2


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, (ENOUGH_FEE, ENOUGH_PRIORITY)),
        ({"maxFeePerGas": hex(3 * FEE)}, (3 * FEE, ENOUGH_PRIORITY)),
        ({"maxPriorityFeePerGas": hex(3 * PRIORITY)}, (ENOUGH_FEE, 3 * PRIORITY)),
    ],
)
async def test_an_operation_prepared_while_another_is_pending_replaces_it(
    wallet: WalletFixture, overrides: dict[str, str], expected: tuple[int, int]
) -> None:
    first = await wallet.prepare(CALL, gasParamsOverride=fees(FEE, PRIORITY))
    await wallet.send(first, wallet.owner)
    second = await wallet.prepare(OTHER, gasParamsOverride=overrides)
    assert quantity(second, "nonce") == quantity(first, "nonce")
    assert (quantity(second, "maxFeePerGas"), quantity(second, "maxPriorityFeePerGas")) == expected


async def test_an_installation_is_not_replaced_when_only_the_priority_fee_is_set(wallet: WalletFixture) -> None:
    grant = await wallet.grant_root()
    first = await wallet.prepare(CALL, permissions=grant.permissions, gasParamsOverride=fees(FEE, PRIORITY))
    await wallet.send(first, grant.key, grant.permissions)
    with pytest.raises(InstallPending):
        await wallet.prepare(
            OTHER, permissions=grant.permissions, gasParamsOverride={"maxPriorityFeePerGas": hex(2 * PRIORITY)}
        )

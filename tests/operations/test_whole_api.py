"""Operations that depend on a chain's configuration: its paymaster, and its number of confirmations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.constants import FRIEND, SPONSORSHIP
from wallet_rpc import wire
from wallet_rpc.errors import UnsupportedCapability
from wallet_rpc.operations import get_calls_status, get_capabilities
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address, Data

CALL = {"to": FRIEND}
REVERTS = {"to": FRIEND, "value": hex(10**21)}


def on(wallet: WalletFixture, chain: ChainPorts) -> WalletFixture:
    return wallet.with_ports(replace(wallet.ports, chains={CHAIN: chain}))


async def test_without_a_paymaster_sponsorship_is_rejected_unless_it_is_optional(wallet: WalletFixture) -> None:
    unsponsored = on(wallet, replace(wallet.ports.chains[CHAIN], paymaster=None))
    with pytest.raises(UnsupportedCapability, match="no paymaster"):
        await unsponsored.prepare(CALL)
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    prepared = await unsponsored.prepare(CALL, paymasterService={**SPONSORSHIP, "optional": True})
    assert "paymaster" not in prepared["data"]
    assert prepared["feePayment"]["sponsored"] is False


async def test_a_paymaster_of_the_callers_choice_is_rejected_unless_it_is_optional(wallet: WalletFixture) -> None:
    service = {"url": "https://paymaster.example", "context": {}}
    with pytest.raises(UnsupportedCapability, match=r"paymasterService\.url"):
        await wallet.prepare(CALL, paymasterService=service)
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    unsponsored = await wallet.prepare(CALL, paymasterService={**service, "optional": True})
    assert "paymaster" not in unsponsored["data"]
    sponsored = await wallet.prepare(CALL, paymasterService={**service, **SPONSORSHIP})
    assert "paymaster" in sponsored["data"]


async def test_capabilities_report_if_the_chain_has_a_paymaster(wallet: WalletFixture) -> None:
    unsponsored = on(wallet, replace(wallet.ports.chains[CHAIN], paymaster=None))
    for chain_ids in (None, (CHAIN,)):
        request = get_capabilities.GetCapabilities(address=Address(bytes(20)), chain_ids=chain_ids)
        for one, supported in ((wallet, True), (unsponsored, False)):
            (capabilities,) = (await get_capabilities.run(one.ports, request)).values()
            assert capabilities.paymaster_service.supported is supported


@pytest.mark.parametrize(("call", "early", "final"), [(CALL, 110, 200), (REVERTS, 115, 500)])
async def test_a_call_is_not_final_before_it_has_enough_confirmations(
    wallet: WalletFixture, call: dict[str, str], early: int, final: int
) -> None:
    deep = on(wallet, replace(wallet.ports.chains[CHAIN], confirmations=1_000_000))
    overrides = {wallet.account: {"balance": hex(10**22)}}
    call_id = await wallet.send(await wallet.prepare(call, stateOverride=overrides), wallet.owner)
    await wallet.mempool.mine()
    request = get_calls_status.GetCallsStatus(call_id=Data.parse(call_id))
    status = await get_calls_status.run(deep.ports, request)
    assert status.status == early
    assert wire.encode(get_calls_status.CallsStatus, status)["receipts"][0]["status"] == hex(int(final == 200))
    assert (await get_calls_status.run(wallet.ports, request)).status == final

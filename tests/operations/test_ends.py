"""Deadlines of permits: one second before, at, and one second after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.operations.conftest import WalletFixture
from tests.operations.test_token_gas import transact
from tests.support.calls import call_data
from tests.support.clocks import FixedClock
from tests.support.constants import SPONSORSHIP, TOKEN
from tests.support.keys import sign_request
from wallet_rpc import wire
from wallet_rpc.domain.prepared import PreparedCalls, PreparedPermit
from wallet_rpc.errors import WalletError
from wallet_rpc.operations import prepare_calls

PERMIT = {"autoPermit": {"below": hex(10**23), "amount": hex(10**23), "durationSeconds": "0x3c"}}


async def prepare_at(wallet: WalletFixture, request: dict[str, Any], second: int) -> PreparedCalls | str:
    """Prepare calls at a given second; return the response, or the reason of the error."""
    ports = replace(wallet.ports, clock=FixedClock(second))
    try:
        return await prepare_calls.run(ports, wire.decode(prepare_calls.PrepareCalls, request))
    except WalletError as error:
        return error.reason


async def test_a_permit_is_accepted_until_the_last_second_of_its_deadline(wallet: WalletFixture, url: str) -> None:
    """The token contract has the same limit."""
    transact(url, TOKEN, call_data("mint(address,uint256)", wallet.account, 10**24))
    now = wallet.clock.now()
    erc20 = {"tokenAddress": TOKEN, "preOpSettings": PERMIT}
    request = wallet.build_calls(paymasterService={**SPONSORSHIP, "erc20": erc20})
    first = await prepare_at(wallet, request, now)
    assert isinstance(first, PreparedPermit)
    signature = sign_request(wallet.owner, wire.encode(PreparedPermit, first)["signatureRequest"])
    signed = {"type": "secp256k1", "data": signature}
    request = {**first.modified_request, "paymasterPermitSignature": signed}
    details = request["capabilities"]["paymasterService"]["erc20"]["preOpSettings"]["permitDetails"]
    end = now + 60
    assert int(details["deadline"], 16) == end

    results = [await prepare_at(wallet, request, second) for second in (end - 1, end, end + 1)]

    outcomes = [each if isinstance(each, str) else "accepted" for each in results]
    assert outcomes == ["accepted", "accepted", "permit_expired"]

"""Property: after any sequence of time controls, the server's decision about a session's end is the contracts'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.clock.travel import BY_CHAIN, BY_SERVER, DAY, Traveller, reason_of
from tests.support.constants import FRIEND, HOUR, ROOT
from tests.support.rpc_client import Client
from tests.support.wallet import Grant

PAY = {"to": FRIEND, "value": "0x1"}
INSTALLED = {"context": "0x020100000001"}
"""The session by its entity id alone: the server knows no end of it, so the contracts decide."""
SPAN = 10 * DAY
"""Time from the grant of the session to its end, in seconds."""


def go_and_return(wallet: Traveller, seconds: int) -> None:
    snapshot = wallet.node("evm_snapshot")
    wallet.move(seconds)
    wallet.node("evm_mine")
    wallet.node("evm_revert", snapshot)


Controls = list[tuple[str, int]]
STEPS: dict[str, Callable[[Traveller, int], Any]] = {
    "increase": lambda wallet, seconds: wallet.move(seconds),
    "choose": lambda wallet, seconds: wallet.node("evm_setNextBlockTimestamp", wallet.chain_time + seconds),
    "mine": lambda wallet, seconds: wallet.node("evm_mine"),
    "mine some": lambda wallet, seconds: wallet.node("anvil_mine", "0x2", hex(seconds)),
    "mine at": lambda wallet, seconds: wallet.node("evm_mine", {"timestamp": wallet.chain_time + seconds}),
    "interval": lambda wallet, seconds: wallet.node("anvil_setBlockTimestampInterval", seconds),
    "no interval": lambda wallet, seconds: wallet.node("anvil_removeBlockTimestampInterval"),
    "there and back": go_and_return,
}
seconds = st.one_of(st.integers(0, 2), st.integers(0, 4 * DAY))
controls = st.lists(st.tuples(st.sampled_from(list(STEPS)), seconds), max_size=5)
lasts = st.one_of(st.integers(-2, 2), st.integers(-DAY, DAY), st.none())
"""The time of the next block that a last control sets, from the session's end; None: no last control."""


@pytest.fixture(scope="module")
def installed(moving: Client) -> tuple[Traveller, Grant]:
    """Return a wallet with an installed session, which ends `SPAN` from now on its chain."""
    wallet = Traveller(moving).fund()
    granted = wallet.grant_for(SPAN)
    assert wallet.act(granted, PAY)["status"] == 200
    return wallet, granted


@settings(max_examples=10)
@given(controls, lasts)
@example([], 0)
@example([], 1)
@example([("increase", 4 * DAY), ("mine", 0), ("interval", 3 * DAY), ("mine", 0)], None)
@example([("choose", 2 * DAY), ("there and back", 20 * DAY)], None)
@example([("mine at", 11 * DAY)], None)
def test_the_server_decides_like_the_contracts(
    installed: tuple[Traveller, Grant], steps: Controls, last: int | None
) -> None:
    wallet, granted = installed
    end = granted.message["deadline"]
    snapshot = wallet.node("evm_snapshot")
    try:
        for name, given_seconds in steps:
            STEPS[name](wallet, given_seconds)
        if last is not None and end + last >= wallet.chain_time:
            wallet.node("evm_setNextBlockTimestamp", end + last)
        while True:
            before = wallet.chain_time
            known = wallet.refusal(granted, PAY, sponsored=False)
            by_chain = wallet.refusal(granted, PAY, sponsored=False, permissions=INSTALLED)
            renewed = reason_of(
                wallet.client, "wallet_createSession", wallet.build_session([ROOT], FRIEND, expirySec=end)
            )
            if wallet.chain_time == before:
                break
        has_ended = before > end
        assert (known, by_chain) == ((BY_SERVER, BY_CHAIN) if has_ended else (None, None)), before - end
        assert renewed == ("expired" if has_ended else None), before - end
    finally:
        wallet.node("evm_revert", snapshot)


def test_the_contracts_and_the_server_let_a_new_session_act_until_its_last_second(moving: Client) -> None:
    wallet = Traveller(moving).fund()
    snapshot = wallet.node("evm_snapshot")
    granted = wallet.grant_for(HOUR)
    end = granted.message["deadline"]
    wallet.node("evm_setNextBlockTimestamp", end)
    prepared = wallet.prepare(PAY, permissions=granted.permissions, sponsored=False)
    status = wallet.wait_until_final(wallet.send(prepared, granted.key, granted.permissions))
    block = wallet.node("eth_getBlockByNumber", status["receipts"][0]["blockNumber"], False)

    assert (status["status"], int(block["timestamp"], 16)) == (200, end)
    wallet.node("evm_setNextBlockTimestamp", end + 1)
    assert wallet.reason(granted, PAY, sponsored=False) == "session_expired"
    wallet.node("evm_revert", snapshot)

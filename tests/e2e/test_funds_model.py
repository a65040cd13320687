"""Random batches, sponsored and not: calls are rejected for missing funds exactly when they would fail on chain."""

from __future__ import annotations

import secrets
from typing import Any

from eth_utils.address import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.test_funds import PAYS_OUT
from tests.support.constants import FRIEND
from tests.support.rpc_client import RpcError
from tests.support.wallet import Wallet

UNIT = 10**16
"""Amount above the gas cost of these calls."""
STEPS = st.lists(st.tuples(st.sampled_from(["friend", "contract"]), st.integers(0, 3)), min_size=1, max_size=4)


def outcome(wallet: Wallet, calls: list[dict[str, Any]], **more: Any) -> int | str:
    """Prepare and send calls, and return their status, or the reason of their rejection."""
    try:
        prepared = wallet.prepare(*calls, **more)
        return int(wallet.wait_until_final(wallet.send(prepared, wallet.owner))["status"])
    except RpcError as error:
        return str(error.reason)


@settings(max_examples=12)
@given(steps=STEPS, balance=st.integers(0, 6), sponsored=st.booleans(), pays_out=st.integers(0, 3))
def test_calls_are_rejected_for_funds_exactly_when_they_would_fail_on_chain(
    wallet: Wallet, steps: list[tuple[str, int]], balance: int, sponsored: bool, pays_out: int
) -> None:
    contract = to_checksum_address(secrets.token_bytes(20))
    chain = wallet.client.chain
    chain("anvil_setCode", contract, PAYS_OUT)
    chain("anvil_setBalance", contract, hex(pays_out * UNIT))
    chain("anvil_setBalance", wallet.account, hex(balance * UNIT))
    receivers = {"friend": FRIEND, "contract": contract}
    calls = [{"to": receivers[name], "value": hex(units * UNIT)} for name, units in steps]

    first = outcome(wallet, calls, sponsored=sponsored)
    if first == "insufficient_funds":
        rich = {wallet.account: {"balance": hex(10**24)}}
        unchecked = outcome(wallet, calls, sponsored=sponsored, stateOverride=rich)
        assert unchecked == 500 or (unchecked == "insufficient_funds" and not sponsored)
    else:
        assert first == 200

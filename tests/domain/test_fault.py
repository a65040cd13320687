"""The requests that a fault holds for."""

from __future__ import annotations

import pytest

from wallet_rpc.domain.fault import Fault, FaultKind


@pytest.mark.parametrize(
    ("method", "chain_id", "holds"),
    [
        (None, None, [True, True, True]),
        ("eth_call", None, [True, False, True]),
        (None, 1, [True, True, False]),
        ("eth_call", 1, [True, False, False]),
        ("eth_call", 2, [False, False, False]),
    ],
)
def test_a_fault_holds_for_its_method_and_chain(method: str | None, chain_id: int | None, holds: list[bool]) -> None:
    fault = Fault(kind=FaultKind.CUT, method=method, chain_id=chain_id)

    requests = [("eth_call", 1), ("eth_chainId", 1), ("eth_call", None)]
    assert [fault.holds_for(*request) for request in requests] == holds

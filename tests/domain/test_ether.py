"""Amounts of ether as text: exact, without trailing zeros."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.ether import format_ether


@pytest.mark.parametrize(
    ("wei", "text"),
    [
        (0, "0"),
        (1, "0.000000000000000001"),
        (10**18, "1"),
        (15 * 10**17, "1.5"),
        (-(10**17), "-0.1"),
        (10**22 + 10, "10000.00000000000000001"),
    ],
)
def test_an_amount_is_written_in_ether(wei: int, text: str) -> None:
    assert format_ether(wei) == text


@given(st.integers(-(10**30), 10**30))
def test_no_digit_is_lost(wei: int) -> None:
    assert Fraction(format_ether(wei)) * 10**18 == wei

"""Amounts of the native currency as text for people."""

from __future__ import annotations

ETHER = 10**18
"""One ether in wei."""


def format_ether(wei: int) -> str:
    """Format an amount in wei as decimal digits of ether, without a rounding error: 1 wei is `0.000000000000000001`."""
    ether, remainder = divmod(abs(wei), ETHER)
    decimals = f"{remainder:018}".rstrip("0")
    return f"{'-' if wei < 0 else ''}{ether}{'.' + decimals if decimals else ''}"

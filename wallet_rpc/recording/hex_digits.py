"""Hex digits that look like a random value."""

from __future__ import annotations

from wallet_rpc.devchain.accounts import ACCOUNTS

_SHORTEST_DIGITS = 32
_DISTINCT_SHARE = 0.75
"""The share of distinct bytes among the first 32 of a random value."""
_ZEROS = "0" * 6
"""Digits that numbers, padding and addresses of well-known contracts have, and random values have not."""
_FIXED = frozenset(each.address.hex() for each in ACCOUNTS)
"""Addresses that look random, but that clients write in their code."""


def looks_random(digits: str) -> bool:
    """Return True for hex digits of at least 16 bytes that a client is unlikely to have written in its code."""
    start = digits[:64]
    pairs = {start[index : index + 2] for index in range(0, len(start) - 1, 2)}
    is_varied = len(pairs) >= _DISTINCT_SHARE * len(start) / 2 and _ZEROS not in digits
    return len(digits) >= _SHORTEST_DIGITS and is_varied and digits not in _FIXED

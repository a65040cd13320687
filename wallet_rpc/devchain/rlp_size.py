"""Depth and number of items of RLP, without decoding: the decoder is recursive, and takes 10 microseconds an item.

The prefix of a list is 0xc0 + length up to 55, else 0xf7 + the length's length, followed by the length. The prefixes of
a string start from 0x80 and 0xb7 instead. A typed transaction (EIP-2718) has a byte before its list, which reads as an
item. Source: Ethereum Yellow Paper, appendix B.
"""

from __future__ import annotations

_SHORT = 55
_STRING, _LIST = 0x80, 0xC0


def is_within(raw: bytes, *, depth: int, items: int) -> bool:
    """Return True if lists nest at most `depth` deep and there are at most `items` items.

    Malformed RLP is read as far as possible.
    """
    at, found, ends = 0, 0, [len(raw)]
    while at < len(raw):
        while len(ends) > 1 and at >= ends[-1]:
            ends.pop()
        start, size, is_list = _payload(raw, at)
        found += 1
        if is_list:
            ends.append(min(start + size, len(raw)))
        if found > items or len(ends) - 1 > depth:
            return False
        at = start if is_list else start + size
    return True


def _payload(raw: bytes, at: int) -> tuple[int, int, bool]:
    """Return the start and the length of the payload of the item at `at`, and True for a list."""
    prefix = raw[at]
    if prefix < _STRING:
        return at, 1, False
    is_list = prefix >= _LIST
    short = prefix - (_LIST if is_list else _STRING)
    if short <= _SHORT:
        return at + 1, short, is_list
    start = at + 1 + short - _SHORT
    return start, int.from_bytes(raw[at + 1 : start]), is_list

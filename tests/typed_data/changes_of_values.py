"""Changes to values: invalid ones, or ones that libraries treat differently; named as in specs/typed-data.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tests.typed_data.drafts import Draft, Drafter, Slot

Change: TypeAlias = Callable[[Drafter, Draft], str | None]
"""A function that changes a draft and returns the change's name; None if the draft offers no such change."""
Forms: TypeAlias = Mapping[str, Sequence[Any]]
"""Values by the name of the change."""

REJECTED = "what viem refuses"
"""The name of all changes that viem rejects."""
ACCEPTED = "what both take"
"""The name of all changes that both libraries hash to the same digest."""
NO_INTEGER = "`true`, `false` or an array as an integer"
EXACT = "a JSON integer beyond 2^53 that a double holds"
ROUNDED = "a JSON integer that a double rounds"
NO_STRING = "a number, `true`, `false`, an array or an object as a `string`"
HALF = "half a surrogate pair in a `string`"
ODD = "an odd number of digits as `bytes`"
NO_HEX = "text that is not 0x hex as `bytes`"
SIZED_ODD = "an odd number of digits as `bytesN`"
SIZED_TEXT = "text of the right length that is not 0x hex as `bytesN`"
LENGTH = "an array of another length than its type has"
EMPTY_STRUCT = "what is not an object as a struct without members"

ABSENT = object()
"""Marker of a removed member."""
INTEGERS: Forms = {
    "empty text as an integer": [""],
    NO_INTEGER: [True, False, [5], [], ["0x5"]],
    ACCEPTED: [
        *(" 5 ", "5\n", "\ufeff5", "+5", "0o7", "0B11", "0X1f", "-0", "0" * 99 + "5", "0x" + "0" * 99 + "5"),
        5.0,
        -0.0,
    ],
    REJECTED: ["1_0", "-0x5", 1.5, "1.0", "1e3", "words", "0x", "5n", "٥", "0xg", "5\x1c", "--5", None, {}, ABSENT],
}
WIDE_INTEGERS: Forms = {
    EXACT: [2**60, 10**18],
    ROUNDED: [2**60 + 1, 2**53 + 1, 10**18 + 1],
    "a JSON number with an exponent from 2^53 on": [1e18, 1e16],
    REJECTED: [1 << 256, -(1 << 256), str(1 << 256), "9" * 99, "0x1" + "0" * 64, 1e80, -1e80],
}
BOOLS: Forms = {REJECTED: ["true", "false", 1, 0, "", None, [], {}, ABSENT]}
STRINGS: Forms = {
    NO_STRING: [5, 0, True, False, [], [72, 101], ["a"], {}],
    HALF: ["\ud83d", "a\udc00", "\udc00\ud83d"],
    REJECTED: [None, ABSENT, -1, 1.5],
}
BYTES: Forms = {
    ODD: ["0x1", "0x123"],
    NO_HEX: ["", "text", "1234", "0X12", "0xzz", "0x1g", "0x12 34", "0x12\n"],
    REJECTED: [None, ABSENT, 5, [1, 2], {}, True],
}
ADDRESSES: Forms = {
    REJECTED: [
        "0x",
        "0x12",
        "0x" + "ab" * 19,
        "0x" + "ab" * 21,
        "0x" + "zz" * 20,
        "0x" + "AB" * 20,
        "0X" + "ab" * 20,
        "ab" * 20,
        "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "XE65GB6LDNXYOFTX0NSV3FUWKOWIXAMJK36",
        "vitalik.eth",
        *(None, ABSENT, 0, []),
    ]
}
ARRAYS: Forms = {REJECTED: [None, ABSENT, "text", "", {}, {"0": 1, "length": 1}, 5, True]}
NO_OBJECTS = [None, ABSENT, "text", [], 5, True]


def _bytes_forms(slot: Slot) -> Forms:
    size = int(slot.type.removeprefix("bytes"))
    wrong = ["0x" + "11" * (size - 1), "0x" + "11" * (size + 1)]
    return {
        SIZED_ODD: ["0x" + "1" * (2 * size - 1)],
        SIZED_TEXT: ["a" * size, "z" * size, "0x" + "zz" * size],
        REJECTED: [*wrong, None, ABSENT, 1, []],
    }


def set_value(drafting: Drafter, slot: Slot, forms: Forms) -> str:
    """Put one of the values into the slot, and return the name of the change."""
    change = drafting.random.choice(sorted(forms))
    value = drafting.random.choice(forms[change])
    if value is ABSENT and isinstance(slot.inside, dict):
        del slot.inside[slot.at]
    else:
        slot.put(None if value is ABSENT else value)
    return change


def _change(fits: Callable[[Draft, str], bool], forms: Callable[[Slot], Forms]) -> Change:
    """Build a change of a slot of a fitting type to one of the forms."""

    def change(drafting: Drafter, draft: Draft) -> str | None:
        found = [slot for slot in draft.slots if fits(draft, slot.type)]
        if not found:
            return None
        slot = drafting.random.choice(found)
        return set_value(drafting, slot, forms(slot))

    return change


def _of(type_: str, forms: Forms) -> Change:
    return _change(lambda _, found: found == type_, lambda _: forms)


def _bits(type_: str) -> int:
    """Return the bits of an integer type; 0 for any other type."""
    digits = type_.removeprefix("u").removeprefix("int")
    return int(digits) if digits.isdigit() and "int" in type_ else 0


def _length(drafting: Drafter, draft: Draft) -> str | None:
    found = [slot for slot in draft.slots if slot.type.endswith(("[1]", "[2]", "[01]"))]
    if not found:
        return None
    slot = drafting.random.choice(found)
    items = slot.inside[slot.at]
    slot.put(drafting.random.choice((items[:-1], [*items, items[0]])))
    return LENGTH


CHANGES: Mapping[Change, int] = {
    _change(lambda _, type_: _bits(type_) > 0, lambda _: INTEGERS): 6,
    _change(lambda _, type_: _bits(type_) >= 64, lambda _: WIDE_INTEGERS): 4,
    _of("bool", BOOLS): 2,
    _of("string", STRINGS): 4,
    _of("bytes", BYTES): 4,
    _of("address", ADDRESSES): 4,
    _change(lambda _, type_: type_.endswith("]"), lambda _: ARRAYS): 3,
    _change(lambda draft, type_: bool(draft.data["types"].get(type_)), lambda _: {REJECTED: NO_OBJECTS}): 2,
    _change(lambda draft, type_: draft.data["types"].get(type_) == [], lambda _: {EMPTY_STRUCT: NO_OBJECTS}): 2,
    _change(lambda _, type_: type_.startswith("bytes") and type_[5:].isdigit(), _bytes_forms): 4,
    _length: 3,
}
"""The changes, each with its relative frequency."""

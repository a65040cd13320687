"""Samples of typed data for the comparison of encoders: a third valid, the others with one change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.typed_data import changes_of_types, changes_of_values
from tests.typed_data.drafts import Drafter

VALID = ""
REFERS_TO_ITSELF = "a struct that reaches itself"
_CHANGES = [
    change
    for changes in (changes_of_types.CHANGES, changes_of_values.CHANGES)
    for change in changes
    for _ in range(changes[change])
]


@dataclass(frozen=True)
class Sample:
    """Typed data, and the name of its change."""

    data: dict[str, Any]
    change: str = VALID


def samples(seed: int, count: int) -> Iterator[Sample]:
    """Yield `count` samples; the same for the same seed."""
    drafting = Drafter(Random(seed))  # noqa: S311  # the same for the same seed
    while count > 0:
        draft = drafting.draft()
        name: str | None = REFERS_TO_ITSELF if draft.refers_to_itself else VALID
        if name == VALID and drafting.random.random() < 0.67:
            name = drafting.random.choice(_CHANGES)(drafting, draft)
        if name is not None:
            yield Sample(draft.data, name)
            count -= 1

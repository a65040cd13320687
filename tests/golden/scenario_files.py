"""Reader of golden scenario files, which expands every abbreviation.

The format is described in specs/scenarios/README.md.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Meta:
    """Metadata shared by all scenarios of a file."""

    refs: dict[str, str]
    op_defaults: Json
    tx_defaults: Json
    world: Json


@dataclass(frozen=True, slots=True)
class Family:
    """One scenario file."""

    name: str
    meta: Meta
    scenarios: list[Json]
    """The scenarios as written, still abbreviated: see `expand`."""


def read_families(folder: Path) -> list[Family]:
    """Read every file of a folder, in order. Raises FileNotFoundError when there is none."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise FileNotFoundError(f"no scenario files in {folder}")
    return [_read_family(path) for path in paths]


def sample_families(families: list[Family], *, one_in: int, seed: int) -> list[Family]:
    """Return the families with a seeded sample of their scenarios, at least one of each."""
    samples = []
    for family in families:
        generator = random.Random(f"{seed} {family.name}")  # noqa: S311 - a sample, not a secret
        count = max(1, len(family.scenarios) // one_in)
        samples.append(Family(family.name, family.meta, generator.sample(family.scenarios, count)))
    return samples


def expand(scenario: Json, meta: Meta) -> Json:
    """Return the scenario with its names, grant references, zero runs and defaults replaced by full values."""
    refs = {**meta.refs, "ACCOUNT": scenario["account"]["address"]}
    grants: list[str] = []
    for grant in scenario["grants"]:
        grants.append(_text(grant["call"], refs, grants, is_topic=False))
    full: Json = _walk(scenario, refs, grants, is_topic=False)
    transactions = [step for step in full["setup"] + full["steps"] if step.get("kind", "tx") == "tx"]
    for step in transactions:
        step.update({**_walk(meta.tx_defaults, refs, grants, is_topic=False), **step})
    for op in _operations(full["steps"]):
        op.update({**meta.op_defaults, **op})
    return full


def _read_family(path: Path) -> Family:
    stored: Json = json.loads(path.read_text(encoding="utf-8"))
    meta = stored["meta"]
    shared = Meta(meta["refs"], meta["opDefaults"], meta["txDefaults"], meta["world"])
    return Family(path.stem, shared, stored["scenarios"])


def _operations(steps: list[Json]) -> Iterator[Json]:
    for step in steps:
        yield from [step["op"]] if step["kind"] == "userop" else step.get("ops", [])


def _walk(value: Any, refs: dict[str, str], grants: list[str], *, is_topic: bool) -> Any:
    match value:
        case str():
            return _text(value, refs, grants, is_topic=is_topic)
        case list():
            return [_walk(item, refs, grants, is_topic=is_topic) for item in value]
        case dict():
            return {key: _walk(item, refs, grants, is_topic=key == "topics") for key, item in value.items()}
        case _:
            return value


def _text(text: str, refs: dict[str, str], grants: list[str], *, is_topic: bool) -> str:
    if text.startswith("$"):
        named = refs[text[1:]]
        return "0x" + named[2:].rjust(64, "0").lower() if is_topic else named
    if not text.startswith("0x"):
        return text
    text = re.sub(r"\{g(\d+)\}", lambda found: grants[int(found[1])][2:], text)
    return re.sub(r"\((\d+)\)", lambda found: "0" * int(found[1]), text)

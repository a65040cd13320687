"""Test vectors of the official SDK, and tests that their check can fail."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import vectors

FOLDER = Path(__file__).parents[2] / "specs" / "vectors"
FAMILIES = sorted(vectors.CHECKS)


def read(family: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{family}.json").read_text("utf-8"))
    return content


@pytest.mark.parametrize("family", FAMILIES)
def test_every_vector_is_reproduced(family: str) -> None:
    passed, failed, _ = vectors.check_file(read(family))
    assert failed == []
    assert passed == read(family)["count"]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all hex texts in a vector."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, item in enumerate(value) for leaf in leaves(item, (*path, key))]
    return [path] if isinstance(value, str) and value.startswith("0x") and len(value) > 2 else []


NOT_COMPARED = {
    ("calldatas", "account"),  # the account matters for self-calls only
    ("self", "value"),  # the value of a call to itself has no effect
    ("signatures", "account"),  # part of the given hash, for plain signatures
    ("signatures", "signerKey"),  # not used where the inner signature is given
    ("signatures", "userOpHash"),  # the same
    ("permissions", "publicKey"),  # an earlier error may hide it
}


def samples() -> list[tuple[str, Any]]:
    """Return the first vector of every family and kind."""
    first: dict[tuple[str, str], tuple[str, Any]] = {}
    for family in FAMILIES:
        for vector in read(family)["vectors"]:
            first.setdefault((family, str(vector.get("kind", vector.get("type")))), (family, vector))
    return list(first.values())


@pytest.mark.parametrize(("family", "vector"), samples(), ids=lambda item: item if isinstance(item, str) else "")
def test_a_corrupted_vector_fails(family: str, vector: Any) -> None:
    for path in leaves(vector):
        if {(family, path[-1]), (vector.get("kind"), path[-1])} & NOT_COMPARED:
            continue
        broken = copy.deepcopy(vector)
        holder = broken
        for step in path[:-1]:
            holder = holder[step]
        text = holder[path[-1]]
        holder[path[-1]] = text[:-1] + ("0" if text[-1] != "0" else "1")
        assert list(vectors.failures(family, [broken])), f"{family}: {path} may be anything"


def test_a_corrupted_error_fails() -> None:
    vector = next(item for item in read("permissions")["vectors"] if "error" in item)
    for key, value in {"class": "OtherError", "stage": "elsewhere", "name": "OtherError"}.items():
        broken = {**vector, "error": {**vector["error"], key: value}}
        assert list(vectors.failures("permissions", [broken])), key


def test_a_field_without_a_computed_value_fails() -> None:
    vector = {**read("nonces")["vectors"][0], "surprise": "0x01"}
    assert list(vectors.failures("nonces", [vector]))


def test_an_error_where_an_installation_is_expected_fails_and_the_other_way_round() -> None:
    good = next(item for item in read("permissions")["vectors"] if "out" in item)
    bad = next(item for item in read("permissions")["vectors"] if "error" in item)
    assert list(vectors.failures("permissions", [{**good, "in": bad["in"]}]))
    swapped = {"id": "x", "in": good["in"], "error": bad["error"]}
    assert list(vectors.failures("permissions", [swapped]))


def test_an_unknown_family_or_kind_or_an_empty_folder_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vectors.main(tmp_path) == 1
    (tmp_path / "a.json").write_text(json.dumps({"family": "horoscopes", "count": 0, "vectors": []}))
    assert vectors.main(tmp_path) == 1
    assert capsys.readouterr().out.endswith("0 passed, 1 failed\n")
    odd = {**read("calldatas")["vectors"][0], "kind": "dance"}
    assert list(vectors.failures("calldatas", [odd]))
    assert list(vectors.failures("signatures", [{"id": "x", "kind": "dance"}]))


def test_the_runner_prints_skipped_vectors_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for family in ("legacy", "contexts"):
        (tmp_path / f"{family}.json").write_text(json.dumps(read(family)))
    assert vectors.main(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "contexts: 30 passed, 0 failed"
    assert lines[1].startswith("legacy: 48 left out")
    assert lines[-1] == "30 passed, 0 failed"


def test_a_file_that_lost_vectors_fails() -> None:
    content = read("contexts")
    _, failed, _ = vectors.check_file({**content, "vectors": content["vectors"][:-1]})
    assert failed

"""Tests of the measures: each finds what it should in a file written for it.

`make check` compares the project with its targets.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.style.__main__ import read_modules
from tests.style.measures import (
    Module,
    clause_docstrings,
    participle_functions,
    question_docstrings,
    repeated_names,
    retired_names,
)
from tests.style.words import is_participle, words_of


def parse(text: str, name: str = "sample") -> Module:
    """A module with this text."""
    return Module(Path(f"{name}.py"), ast.parse(text))


@pytest.mark.parametrize("text", ["What a key may do.", "Whether it is open.", "Who signs.", "How long it lasts."])
def test_a_docstring_that_begins_with_a_question_word_is_found(text: str) -> None:
    module = parse(f'"""A module."""\nX = 1\n"""{text}"""\n\ndef read():\n    """Return the value."""\n')
    assert [each.text for each in question_docstrings([module])] == [text]


@pytest.mark.parametrize("text", ["Refuse who shows no key here.", "Return what was sent.", "Whoever signs it."])
def test_a_clause_that_stands_for_a_noun_is_found(text: str) -> None:
    module = parse(f'class A:\n    """{text}"""\n\n    def read(self):\n        """Say to what it belongs."""\n')
    assert [each.text for each in clause_docstrings([module])] == [text]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("told", True),
        ("_sized", True),
        ("running", True),
        ("bound", True),
        ("seed", False),
        ("need", False),
        ("string", False),
        ("run", False),
        ("build_draft", False),
        ("find_sent", False),
    ],
)
def test_a_bare_participle_is_distinguished_from_a_verb_or_noun(name: str, expected: bool) -> None:
    assert is_participle(name) is expected
    module = parse(f"class A:\n    async def {name}(self): ...\n")
    assert [each.text for each in participle_functions([module])] == ([name] if expected else [])


def test_a_public_name_of_two_modules_is_found() -> None:
    first = parse("def read(): ...\nLIMIT = 1\n_own = 2\n", "first")
    second = parse("class Reader: ...\nLIMIT: int = 2\n_own = 3\nif LIMIT:\n    def read(): ...\n", "second")
    assert repeated_names([first, second]) == ["LIMIT: 2 modules"]


@pytest.mark.parametrize(
    "text",
    [
        "def open_door(): ...",
        "class OuterGate: ...",
        "def f(*, told): ...",
        "fate = 1",
        "import json as seal",
        "a.lane = 1",
    ],
)
def test_a_retired_word_is_found_in_any_name(text: str) -> None:
    assert len(retired_names([parse(text)])) == 1


def test_a_retired_word_is_found_in_a_file_name_and_not_within_a_word() -> None:
    assert len(retired_names([parse("", "jwt_seals")])) == 1
    assert retired_names([parse("aggregate = 1\nclass V(NodeVisitor):\n    def visit_Name(self): ...\n")]) == []


def test_words_are_those_of_snake_case_and_camel_case() -> None:
    assert words_of("JsonRpcDoor") == ["json", "rpc", "door"]
    assert words_of("_HTTPGate_2") == ["http", "gate", "2"]


def test_the_modules_of_the_project_are_found() -> None:
    assert len(read_modules("wallet_rpc")) > 500

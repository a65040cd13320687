"""The index of the documentation links every page, and no link of any page is dead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPECS = ROOT / "specs"
INDEX = SPECS / "README.md"
PAGES = [ROOT / "README.md", *sorted(SPECS.rglob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def links(page: Path) -> list[str]:
    """Return the links of a page to files of the project, without those inside code."""
    return [link for link in _LINK.findall(_CODE.sub("", page.read_text("utf-8"))) if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as repository hosts make them."""
    headings = _HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_dead(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or (anchor != "" and anchor not in anchors(target))


def test_the_index_links_every_page_once() -> None:
    linked = [(SPECS / link).resolve() for link in links(INDEX)]

    assert {page for page in PAGES if page != INDEX} <= set(linked)
    assert len(linked) == len(set(linked))


def test_each_line_of_the_index_says_what_its_page_answers() -> None:
    lines = re.split(r"^\d+\. ", INDEX.read_text("utf-8"), flags=re.MULTILINE)[1:]

    assert [line for line in lines if len(line.partition("): ")[2].split()) < 5] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    assert [link for link in links(page) if is_dead(page, link)] == []


def test_a_dead_link_is_found() -> None:
    assert is_dead(INDEX, "nothing.md")
    assert is_dead(INDEX, "redis.md#nothing")
    assert not is_dead(INDEX, "redis.md#what-a-crash-loses")

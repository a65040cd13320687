"""The words that names must not use, and how a name is split into words."""

from __future__ import annotations

import re

_RETIRED = """
admit admits admitted answerer asked bench beside book books chance desk dialect dialects door doorkeeper doors
due english enters fate fates faulty forgetful gate gates hurried hurry landed lane lanes lasting
meanwhile nobody observed offer offers otherwise placed promise promised promises seal sealed sealing seals
sides standing told unseal visit visited wanted whoever worded
"""
_IRREGULAR = """
begun bought bound broken brought built caught chosen done drawn driven fallen felt forgotten found frozen given
gone grown heard held hidden kept known laid left lent lost made meant met paid rebuilt rewritten said seen sent
shown sold spent spoken stood stolen taken taught thought thrown told torn understood unknown unread unset
unspent withdrawn withheld won woven written
"""
RETIRED = frozenset(_RETIRED.split())
"""Words of an earlier language of this project; `specs/contributing.md` has what to write instead."""
IRREGULAR = frozenset(_IRREGULAR.split())
"""Participles that neither end in -ed nor are also the verb's plain form, as `run`, `read`, `put` and `set` are."""
_NOT_PARTICIPLES = frozenset(
    {"bleed", "breed", "embed", "exceed", "feed", "need", "proceed", "seed", "speed", "succeed"}
)
_NOT_GERUNDS = frozenset({"bring", "spring", "string", "swing", "thing"})
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")


def words_of(name: str) -> list[str]:
    """The lower-case words of a name in snake_case or CamelCase."""
    return [word.lower() for word in _WORD.findall(name)]


def is_participle(name: str) -> bool:
    """True for one word such as `told`, `sized` or `running`; underscores at either end do not count."""
    word = name.strip("_").lower()
    if "_" in word:
        return False
    ends_in_ed = len(word) > 3 and word.endswith("ed") and word not in _NOT_PARTICIPLES
    ends_in_ing = len(word) > 5 and word.endswith("ing") and word not in _NOT_GERUNDS
    return ends_in_ed or ends_in_ing or word in IRREGULAR

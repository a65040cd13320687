"""Reading Python files: their docstrings, names and definitions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.style.words import RETIRED, is_participle, words_of

_QUESTION = re.compile(r"(What|Who|Whom|Whose|Which|Whether|When|Where|How|Why)\b")
_CLAUSE_AS_NOUN = re.compile(
    r"\b(whoever|who (may|asks|shows|calls|pays|signs|holds|sends|knows|waits|wants|is|has)"
    r"|(?<!to )what (is|was|it|a|an|the|they|may|has|came|others|somebody|one|this|each)) ",
    re.IGNORECASE,
)
_IS_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Found:
    """One occurrence: where it is, and its text."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Module:
    """A parsed file."""

    path: Path
    tree: ast.Module

    @classmethod
    def read(cls, path: Path) -> Module:
        """Parse the file at `path`."""
        return cls(path, ast.parse(path.read_text("utf-8")))

    def docstrings(self) -> Iterator[Found]:
        """The docstrings of the module and of its classes, functions and values."""
        for node in ast.walk(self.tree):
            for statement in node.body if isinstance(node, ast.Module | ast.ClassDef | _FunctionNode) else ():
                match statement:
                    case ast.Expr(value=ast.Constant(value=str() as text)):
                        yield Found(self.path, statement.lineno, text)

    def functions(self) -> Iterator[Found]:
        """The names of functions and methods."""
        for node in ast.walk(self.tree):
            if isinstance(node, _IS_FUNCTION):
                yield Found(self.path, node.lineno, node.name)

    def identifiers(self) -> Iterator[Found]:
        """Every name that the file defines: classes, functions, parameters, variables, attributes, aliases."""
        for node in ast.walk(self.tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    yield Found(self.path, node.lineno, node.name)
                case ast.arg(arg=name):
                    yield Found(self.path, node.lineno, name)
                case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                    yield Found(self.path, node.lineno, name)
                case ast.alias(asname=str() as name):
                    yield Found(self.path, self.tree.body[0].lineno, name)

    def public_names(self) -> Iterator[str]:
        """The names that the module itself defines at its top level, without an underscore before them."""
        for node in self.tree.body:
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    found = [name]
                case ast.Assign(targets=targets):
                    found = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found = [name]
                case _:
                    found = []
            yield from (name for name in found if not name.startswith("_"))


_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def question_docstrings(modules: Iterable[Module]) -> list[Found]:
    """The docstrings that begin with a question word instead of a verb or a noun."""
    return [each for module in modules for each in module.docstrings() if _QUESTION.match(each.text)]


def clause_docstrings(modules: Iterable[Module]) -> list[Found]:
    """The docstrings that use a clause with "who" or "what" as a noun."""
    return [each for module in modules for each in module.docstrings() if _CLAUSE_AS_NOUN.search(each.text)]


def participle_functions(modules: Iterable[Module]) -> list[Found]:
    """The functions and methods whose whole name is a participle."""
    return [each for module in modules for each in module.functions() if is_participle(each.text)]


def repeated_names(modules: Iterable[Module]) -> list[str]:
    """The public names that more than one module defines, each with how many."""
    counts: dict[str, int] = defaultdict(int)
    for module in modules:
        for name in set(module.public_names()):
            counts[name] += 1
    return [f"{name}: {count} modules" for name, count in sorted(counts.items()) if count > 1]


def retired_names(modules: Iterable[Module]) -> list[Found]:
    """The identifiers and file names with a retired word in them."""
    found = []
    for module in modules:
        names = [*module.identifiers(), Found(module.path, 0, module.path.stem)]
        found += [each for each in names if RETIRED & set(words_of(each.text)) and not _is_visitor(each.text)]
    return found


def _is_visitor(name: str) -> bool:
    """True for a method that `ast.NodeVisitor` calls by the name of a node's class."""
    return name.startswith("visit_") and hasattr(ast, name.removeprefix("visit_"))

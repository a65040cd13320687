"""Mutants of a module: those of cosmic-ray's operators, and removals.

Left out are mutants that do not compile, and changes without an effect on results: of `frozen`, `slots` and `kw_only`,
and of annotations of functions and dataclasses, which are never evaluated.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import count

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

_NEAREST = {
    "Lt": ("LtE", "GtE"),
    "LtE": ("Lt", "Gt"),
    "Gt": ("GtE", "LtE"),
    "GtE": ("Gt", "Lt"),
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
    "In": ("NotIn",),
    "NotIn": ("In",),
    "Add": ("Sub",),
    "Sub": ("Add",),
    "Mul": ("FloorDiv",),
    "Div": ("Mul",),
    "FloorDiv": ("Mul",),
    "Mod": ("FloorDiv",),
    "BitOr": ("BitAnd",),
    "BitAnd": ("BitOr",),
    "BitXor": ("BitOr",),
    "LShift": ("RShift",),
    "RShift": ("LShift",),
    "Pow": ("Mul",),
}
"""Replacements of each operator: its opposite and its boundary. Tests that detect these detect the dozen others too."""


@dataclass(frozen=True)
class Mutant:
    """One change of a module: its line, and the text before and after."""

    code: str
    line: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """The change as written on the page."""
        return f"`{self.before}` → `{self.after}`".replace("|", "\\|")


def mutants(code: str) -> Iterator[Mutant]:
    """Yield every mutant of a module once."""
    seen = {_evaluated_code(code), None}
    for changed in (*_by_operators(code), *_removals(code)):
        meaning = _evaluated_code(changed)
        if meaning not in seen:
            seen.add(meaning)
            yield _mutant(code, changed)


def _by_operators(code: str) -> Iterator[str]:
    for name in sorted(operator_names()):
        kind = get_operator(name)
        if kind.arguments() or not _is_taken(name):
            continue
        operator = kind()
        for occurrence in count():
            try:
                changed = mutate_code(code, operator, occurrence)
            except AttributeError:  # cosmic-ray 8.7.0 does not replace a dotted exception
                continue
            if changed is None:
                break
            yield changed


def _is_taken(operator: str) -> bool:
    """Return True for the nearest replacements of an operator, and for every other kind of mutant."""
    found = re.search(r"Replace(?:Binary|Comparison)Operator_(\w+)_(\w+)$", operator)
    return found is None or found[2] in _NEAREST[found[1]]


def _removals(code: str) -> Iterator[str]:
    """Yield the code without one element of a literal, or without one call or raise statement."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Set | ast.Tuple | ast.List):
            yield from (_without(code, each, each, "") for each in node.elts)
        if isinstance(node, ast.Dict):
            yield from (
                _without(code, key, value, "") for key, value in zip(node.keys, node.values, strict=True) if key
            )
        is_documentation = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Expr | ast.Raise) and not is_documentation:
            yield _without(code, node, node, "pass")


def _without(code: str, first: ast.expr | ast.stmt, last: ast.expr | ast.stmt, instead: str) -> str:
    """Return the code with a part replaced, and the comma after it removed if `instead` is empty."""
    assert last.end_lineno is not None
    assert last.end_col_offset is not None
    raw = code.encode()
    starts = [0, *(at + 1 for at, byte in enumerate(raw) if byte == ord("\n"))]
    rest = raw[starts[last.end_lineno - 1] + last.end_col_offset :]
    if not instead and rest.lstrip().startswith(b","):
        rest = rest.lstrip()[1:]
    return (raw[: starts[first.lineno - 1] + first.col_offset] + instead.encode() + rest).decode()


def _mutant(code: str, changed: str) -> Mutant:
    numbered = [(number, line.strip()) for number, line in enumerate(code.splitlines(), 1) if line.strip()]
    before, after = [line for _, line in numbered], [line.strip() for line in changed.splitlines() if line.strip()]
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    _, first, last, from_, to = next(step for step in steps if step[0] != "equal")
    at = min(first, len(numbered) - 1)
    return Mutant(changed, numbered[at][0], " ".join(before[first:last]), " ".join(after[from_:to]))


class _Evaluated(ast.NodeTransformer):
    """Transformer that removes the annotations of functions and dataclasses, and the arguments of `@dataclass`."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass":
                decorator.keywords = []
                for field in node.body:
                    if isinstance(field, ast.AnnAssign):
                        field.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def _evaluated_code(code: str) -> str | None:
    """Return a dump of the code without annotations that are never evaluated; None when it does not compile."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            compile(code, "mutant", "exec")
        except (SyntaxError, ValueError):
            return None
    return ast.dump(_Evaluated().visit(ast.parse(code)))

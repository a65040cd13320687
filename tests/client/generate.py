"""Generator of the client's modules from the catalogue: `python -m tests.client.generate` (`make openrpc` runs it).

`sync_methods.py` and `async_methods.py` have a method for each operation of JSON-RPC, in the form of the hosted Wallet
API. `sync_test_methods.py` and `async_test_methods.py` have those of faults.
`types.py` exports the types that requests and results consist of.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from textwrap import wrap
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from tests.e2e.process import run_command
from wallet_rpc import operations
from wallet_rpc.domain.account import Call
from wallet_rpc.operations import faults
from wallet_rpc.operations.catalogue import OPERATIONS
from wallet_rpc.operations.faults.catalogue import FAULT_OPERATIONS
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Data, Hash32, Selector, SessionId, Word

FOLDER = Path(__file__).parents[2] / "wallet_rpc" / "client"
_SCALARS = (Address, Data, Hash32, Selector, SessionId, Word)
_KINDS = ("sync", "async")
_TITLES = {"": "methods of the client", "test_": "methods of the client for faults"}
_CLASSES = {
    "": "The server's methods, with typed requests and results.",
    "test_": "The methods `wallet_test_…` of a development server, typed.",
}
_WIDTH = 120 - 14
"""The length of a docstring on one line."""


def operations_by_module(
    package: types.ModuleType = operations, served: Sequence[Operation[Any, Any, Any]] = OPERATIONS
) -> dict[str, Operation[Any, Any, Any]]:
    """The operations of a package by the names of their modules, in the order of the catalogue."""
    modules = [import_module(f"{package.__name__}.{one.name}") for one in iter_modules(package.__path__)]
    by_name = {
        module.OPERATION.name: (module.__name__.rpartition(".")[2], module.OPERATION)
        for module in modules
        if hasattr(module, "OPERATION")
    }
    return dict(by_name[operation.name] for operation in served)


def generate() -> dict[str, str]:
    """The text of each generated module, by its file's name."""
    found, of_faults = operations_by_module(), operations_by_module(faults, FAULT_OPERATIONS)
    texts = {f"{kind}_methods.py": _methods(found, kind) for kind in _KINDS}
    texts |= {f"{kind}_test_methods.py": _methods(of_faults, kind, package=faults) for kind in _KINDS}
    texts["types.py"] = _types([*found.values(), *of_faults.values()])
    return {name: _format(text) for name, text in texts.items()}


def write() -> None:
    for name, text in generate().items():
        (FOLDER / name).write_text(text, "utf-8")


def _methods(found: dict[str, Operation[Any, Any, Any]], kind: str, *, package: types.ModuleType = operations) -> str:
    infix = "" if package is operations else "test_"
    prefix, wait = ("async ", "await ") if kind == "async" else ("", "")
    kinds = [each for one in found.values() for each in (*_classes(one.request), *_classes(one.answer))]
    lines = [
        f'"""The {kind}hronous {_TITLES[infix]}, one for each operation; `make openrpc` writes this module."""',
        "from __future__ import annotations",
        "from abc import ABC, abstractmethod",
        "from typing import Any, TypeVar",
        f"from {package.__name__} import {', '.join(sorted(found))}",
        "from wallet_rpc.operations.operation import Operation",
        *_imports(kinds),
        '_A = TypeVar("_A")',
        f"class {kind.capitalize()}{infix.removesuffix('_').capitalize()}Methods(ABC):",
        f'    """{_CLASSES[infix]} Every method raises ClientError."""',
        "    @abstractmethod",
        f"    {prefix}def _call(self, operation: Operation[Any, Any, _A], request: Any) -> _A:",
        '        """Call an operation."""',
    ]
    for module, operation in found.items():
        lines += [
            f"    {prefix}def {infix}{module}(self, request: {_text(operation.request)}) -> {_text(operation.answer)}:",
            f'        """{_shorten(operation.summary)}"""',
            f"        return {wait}self._call({module}.OPERATION, request)",
        ]
    return "\n".join(lines)


def _types(found: Iterable[Operation[Any, Any, Any]]) -> str:
    kinds: dict[str, Any] = {}
    for operation in found:
        for kind in (operation.request, operation.answer):
            for each in _reachable(kind, set()):
                if kinds.setdefault(each.__name__, each) is not each:
                    raise ValueError(f"{each.__name__}: two types of requests and results have this name")
    kinds |= {each.__name__: each for each in (*_SCALARS, Call)}
    names = wrap(", ".join(f'"{name}"' for name in sorted(kinds)) + ",", 120 - 4, break_long_words=False)
    title = '"""The types of requests and results; `make openrpc` writes this module."""'
    head = [title, "from __future__ import annotations", *_imports(kinds.values())]
    exported = [
        "# One name a line would make the file too long.",
        "# fmt: off",
        "__all__ = [",
        *(f"    {line}" for line in names),
        "]",
    ]
    return "\n".join([*head, *exported])


def _imports(kinds: Iterable[Any]) -> list[str]:
    return sorted({f"from {each.__module__} import {each.__name__}" for each in kinds if each.__module__ != "builtins"})


def _reachable(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """The data classes and enumerations that a type consists of."""
    for each in _classes(kind):
        if each in seen or not (is_dataclass(each) or issubclass(each, Enum)):
            continue
        seen.add(each)
        yield each
        if is_dataclass(each):
            for hint in get_type_hints(each, include_extras=True).values():
                yield from _reachable(hint, seen)


def _classes(kind: Any) -> Iterator[Any]:
    """The classes of a type expression."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _classes(get_args(kind)[0])
    elif origin is Literal or kind in {Any, Ellipsis, None, type(None)}:
        return
    elif origin is not None:
        for each in get_args(kind):
            yield from _classes(each)
    elif isinstance(kind, type):
        yield kind


def _text(kind: Any) -> str:
    """A type expression as source text."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _text(parts[0])
    if origin in {Union, types.UnionType}:
        return " | ".join(map(_text, parts))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_text, parts))}]"
    return {Ellipsis: "...", Any: "Any"}.get(kind) or str(kind.__name__)


def _shorten(text: str) -> str:
    """Cut a summary at the last clause that fits on the line of a docstring."""
    while len(text) > _WIDTH:
        text = re.split(r"[;,] (?!.*[;,] )", text)[0] + "."
    return text


def _format(text: str) -> str:
    """Format source text as `ruff format` does, with sorted imports."""
    for command in (["check", "--select=I", "--fix-only", "--quiet"], ["format"]):
        arguments = [*command, "--stdin-filename", str(FOLDER / "generated.py"), "-"]
        done = run_command(sys.executable, "-m", "ruff", *arguments, folder=FOLDER.parents[1], given=text)
        done.check_returncode()
        text = done.stdout
    return text


if __name__ == "__main__":
    write()

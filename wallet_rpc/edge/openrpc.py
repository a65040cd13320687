"""OpenRPC 1.2 document of the JSON-RPC operations.

Everything is generated: parameters from the types that decode requests (lenient), results from the types that encode
them (strict), and errors from their classes and reasons.

Source: https://spec.open-rpc.org
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import yaml

from wallet_rpc.domain.access import Scope
from wallet_rpc.edge.error_documents import NOTE, ShortList, build_error_components, build_method_errors
from wallet_rpc.edge.schemas import Json, describe_schema, hoist, request_schema, response_schema, to_draft_7
from wallet_rpc.operations.operation import Credential, Operation
from wallet_rpc.wire import shape
from wallet_rpc.worker_threads import compute

AnyOperation: TypeAlias = Operation[Any, Any, Any]
"""An operation of any context."""
Document: TypeAlias = Callable[[], Json]
"""A function that builds a document when it is called first: this takes most of a second, and few servers need it."""
Examples: TypeAlias = Mapping[str, Sequence[Json]]
"""OpenRPC example pairings, by method."""

_SOURCES = "`GET /openrpc.json` and the method `rpc.discover` return this document."
OPENRPC = "1.2.6"
"""The version of the OpenRPC specification: the newest that clients of the official generator accept."""


@shape
class Discover:
    """The parameters of `rpc.discover`: none."""


def build_openrpc(
    operations: Sequence[AnyOperation], *, version: str, title: str = "wallet-rpc", examples: Examples | None = None
) -> Json:
    """Build the document of `operations`, in their order.

    Raises: ValueError when two different types have the same name.
    """
    requests = [request_schema(operation.request) for operation in operations]
    answers = [response_schema(operation.answer) for operation in operations]
    schemas = hoist(requests, answers)
    to_draft_7([*requests, *answers, *schemas.values()])  # the draft of OpenRPC
    methods = [
        _method(operation, request, answer)
        for operation, request, answer in zip(operations, requests, answers, strict=True)
    ]
    for method in methods:
        if examples is not None and method["name"] in examples:
            method["examples"] = list(examples[method["name"]])
    return {
        "openrpc": OPENRPC,
        "info": {"title": title, "version": version, "description": f"{_SOURCES} {NOTE}", "license": {"name": "MIT"}},
        "methods": methods,
        "components": {"schemas": schemas, "errors": build_error_components(operations)},
    }


def to_yaml(document: Json) -> str:
    """Write the document as YAML text; keys and methods keep their order."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def add_discovery(
    operations: Sequence[AnyOperation], *, version: str, examples: Callable[[], Examples] = dict
) -> tuple[list[AnyOperation], Document]:
    """Add `rpc.discover` as the last operation; return all operations, and the document that it returns.

    The document does not list `rpc.discover`: the specification reserves it, and client generators make a method of
    every listed name, which no language allows for a name with a dot.
    """

    @cache
    def document() -> Json:
        return build_openrpc(operations, version=version, examples=examples())

    async def run(_context: object, _request: Discover) -> Json:
        return await compute(document)

    return [*operations, Operation("rpc.discover", Discover, dict[str, Any], run, positional=True)], document


def _method(operation: AnyOperation, request: Json, answer: Json) -> Json:
    return {
        "name": operation.name,
        "summary": operation.summary,
        "description": describe_operation(operation),
        "paramStructure": "either" if operation.positional else "by-position",
        "params": _parameters(operation, request),
        "result": {"name": "result", **describe_schema(answer)},
        "errors": build_method_errors(operation),
    }


def describe_operation(operation: AnyOperation) -> str:
    """Return the operation's description, and the keys and tokens that may call it."""
    return f"{operation.description} {_describe_access(operation)}".strip()


def _describe_access(operation: AnyOperation) -> str:
    if operation.rest is not None and operation.rest.credential is Credential.TOKEN:
        return "Session tokens only."
    need = operation.need
    key = "API keys need write access" if need.writes else "Every API key is accepted"
    if not need.scopes:
        return f"{key}; session tokens are rejected."
    if set(need.scopes) == set(Scope):
        return f"{key}, and every session token."
    return f"{key}; session tokens need the scope {' or '.join(f'`{scope}`' for scope in need.scopes)}."


def _parameters(operation: AnyOperation, request: Json) -> list[Json]:
    if operation.variadic:
        return [_repeated_parameter(request)]
    return _fields(request) if operation.positional else [_single_parameter(request)]


def _repeated_parameter(request: Json) -> Json:
    """Describe the first parameter of a variadic operation; OpenRPC cannot express the further ones."""
    max_items = request.get("maxItems")
    limit = "" if max_items is None else f", at most {max_items} in total"
    description = f"Further parameters of the same type may follow{limit}."
    return {"name": "request", "description": description, "required": True, "schema": request["items"]}


def _single_parameter(request: Json) -> Json:
    """Describe the one parameter of an operation that takes an object; `params` may be that object itself."""
    return {"name": "request", "required": True, **describe_schema(request)}


def _fields(request: Json) -> list[Json]:
    required = request.get("required", [])
    return [
        {"name": name, "required": name in required, **describe_schema(schema)}
        for name, schema in request.get("properties", {}).items()
    ]


class _Plain(yaml.SafeDumper):
    """A YAML dumper without anchors, which writes a schema again where it occurs again, and with blocks of text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True, so that no alias is written."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Write text with several lines as a block, since quoted text repeats its line breaks."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    def represent_short_list(self, items: ShortList) -> yaml.SequenceNode:
        """Write a list in lines."""
        return self.represent_sequence("tag:yaml.org,2002:seq", list(map(str, items)), flow_style=True)


_Plain.add_representer(str, _Plain.represent_text)
_Plain.add_representer(ShortList, _Plain.represent_short_list)

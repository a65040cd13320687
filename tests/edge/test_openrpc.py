"""The OpenRPC document: valid, complete, deterministic, and consistent with the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import Field

from tests.edge.sample import ADDRESS, OPERATIONS, Journal, Nothing, ask, request
from wallet_rpc.edge.openrpc import add_discovery, build_openrpc, to_yaml
from wallet_rpc.errors.reasons import DENIALS
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Wei
from wallet_rpc.wire import shape

DOCUMENT = add_discovery(OPERATIONS, version="0.1.0")[1]()
NAMES = {"Address", "Call", "CallInput", "Data", "Uint256", "Uint256Input", "Uint32", "Uint32Input"}
METHODS = {method["name"]: method for method in DOCUMENT["methods"]}


def _nodes(value: Any) -> Iterator[Any]:
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from _nodes(child)


def _validator(schema: Any) -> Draft7Validator:
    return Draft7Validator({**schema, "components": DOCUMENT["components"]})


def test_every_reference_resolves() -> None:
    references = {node["$ref"] for node in _nodes(DOCUMENT) if isinstance(node, dict) and "$ref" in node}

    for reference in references:
        found: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert isinstance(found, dict)
    assert {reference.rpartition("/")[2] for reference in references} == NAMES


def test_every_schema_is_a_schema() -> None:
    schemas = [*DOCUMENT["components"]["schemas"].values()]
    for method in DOCUMENT["methods"]:
        schemas += [method["result"]["schema"], *(param["schema"] for param in method["params"])]

    for schema in schemas:
        Draft7Validator.check_schema(schema)
        assert "$defs" not in schema


def test_methods_have_the_order_of_the_catalogue_without_discovery() -> None:
    assert list(METHODS) == [operation.name for operation in OPERATIONS]
    assert "`rpc.discover`" in DOCUMENT["info"]["description"]
    for method in METHODS.values():
        assert {"name", "summary", "params", "result", "errors", "paramStructure"} <= method.keys()


def test_parameters_are_the_fields_of_a_positional_operation_required_first() -> None:
    params = METHODS["sum"]["params"]

    assert [(param["name"], param["required"]) for param in params] == [
        ("first", True),
        ("second", True),
        ("third", False),
    ]
    assert params[2]["schema"] == {"type": "integer", "default": 0}
    assert METHODS["sum"]["paramStructure"] == "either"


def test_an_operation_that_is_not_positional_takes_one_object() -> None:
    (param,) = METHODS["send"]["params"]

    assert (param["name"], param["required"]) == ("request", True)
    assert param["schema"]["required"] == ["calls"]
    assert METHODS["send"]["paramStructure"] == "by-position"


def test_a_variadic_operation_takes_one_or_more_parameters_of_one_type() -> None:
    (param,) = METHODS["total"]["params"]

    assert (param["name"], param["required"]) == ("request", True)
    assert param["schema"] == {"$ref": "#/components/schemas/CallInput"}
    assert param["description"].endswith("may follow, at most 2 in total.")
    assert METHODS["total"]["paramStructure"] == "by-position"


def test_a_variadic_operation_may_take_any_number() -> None:
    async def run(_: Journal, __: tuple[Nothing, ...]) -> None:
        return None

    document = build_openrpc([Operation("all", tuple[Nothing, ...], None, run, variadic=True)], version="0.1.0")

    (param,) = document["methods"][0]["params"]
    assert param["description"].endswith("may follow.")


def test_a_type_read_more_leniently_than_written_has_two_schemas() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["CallInput"]["required"] == ["to"]
    assert schemas["CallInput"]["properties"]["value"]["default"] == "0x0"
    assert {"type": "null"} in schemas["CallInput"]["properties"]["data"]["anyOf"]
    assert schemas["Call"]["required"] == ["to", "value"]
    assert "anyOf" not in schemas["Call"]["properties"]["data"]


def test_errors_are_those_of_the_operation_and_the_common_ones_one_for_each_code() -> None:
    errors = {error["code"]: error for error in METHODS["send"]["errors"]}

    assert list(errors) == [-32521, -32000, 4100, -32005, -32602, -32603]
    assert errors[-32521] == {
        "code": -32521,
        "message": "The calls of the operation revert (ERC-7769); nothing was sent.",
        "data": {"reasons": [*sorted(DENIALS), "execution_reverted"]},
    }
    assert errors[-32000]["data"]["reasons"] == ["precheck_failed"]
    assert "key_scope" in errors[4100]["data"]["reasons"]
    assert set(errors[-32602]["data"]["reasons"]) >= {"invalid_params", "unknown_member"}
    assert {"deadline", "shutting_down"} <= set(errors[-32603]["data"]["retryable"])
    assert "internal_error" not in errors[-32603]["data"]["retryable"]


def test_each_reason_of_an_error_is_explained() -> None:
    components = {error["code"]: error for error in DOCUMENT["components"]["errors"].values()}

    assert {-32700, -32600, -32601} <= components.keys()  # of requests that reach no method
    assert len(components) == len(DOCUMENT["components"]["errors"])
    for method in METHODS.values():
        for error in method["errors"]:
            assert set(error["data"]["reasons"]) <= components[error["code"]]["data"]["reasons"].keys()


async def test_a_real_request_and_response_match_the_document() -> None:
    given = {"calls": [{"to": ADDRESS, "value": "0x5"}]}
    answer = await ask(request("send", [given], id=1))

    _validator(METHODS["send"]["params"][0]["schema"]).validate(given)
    _validator(METHODS["send"]["result"]["schema"]).validate(answer["result"])
    assert not _validator(METHODS["send"]["params"][0]["schema"]).is_valid({"calls": [{"to": "0x1"}]})
    assert not _validator(METHODS["send"]["result"]["schema"]).is_valid({**answer["result"], "note": None})


def test_the_document_is_deterministic_and_survives_yaml() -> None:
    again = add_discovery(OPERATIONS, version="0.1.0")[1]()

    assert json.dumps(again) == json.dumps(DOCUMENT)
    assert yaml.safe_load(to_yaml(DOCUMENT)) == DOCUMENT
    assert to_yaml(DOCUMENT).startswith("openrpc: 1.2.6\ninfo:\n  title: wallet-rpc\n")
    assert "&id" not in to_yaml(DOCUMENT)


def test_examples_are_added_to_their_method() -> None:
    pairing = {"name": "two", "params": [{"name": "first", "value": 1}], "result": {"name": "result", "value": 3}}

    document = build_openrpc(OPERATIONS, version="0.1.0", examples={"sum": [pairing]})

    assert [method["name"] for method in document["methods"] if "examples" in method] == ["sum"]
    assert document["methods"][1]["examples"] == [pairing]


def _answers(kind: Any) -> Operation[Journal, Nothing, Any]:
    async def run(_: Journal, __: Nothing) -> Any:
        return None

    return Operation("other", Nothing, kind, run)


@pytest.mark.parametrize("name", ["Call", "CallInput"])
def test_two_types_with_the_same_name_are_rejected(name: str) -> None:
    twin: Any = shape(type(name, (), {"__annotations__": {"other": int}, "__module__": __name__}))

    with pytest.raises(ValueError, match=f"two types of one name: {name}$"):
        build_openrpc([*OPERATIONS, _answers(tuple[twin, ...])], version="0.1.0")


@shape
class Cat:
    kind: Literal["cat"]
    lives: Wei = 9


@shape
class Dog:
    kind: Literal["dog"]


@shape
class Box:
    cat: Cat


@shape
class Note:
    text: str | None = None


@shape
class Home:
    box: Box
    note: Note
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    guest: Cat | Dog | None = None
    homes: tuple[Home, ...] = ()


def test_a_union_keeps_its_branches_and_a_type_around_a_type_with_two_schemas_has_two() -> None:
    async def run(_: Journal, home: Home) -> Home:
        return home

    document = build_openrpc([Operation("visit", Home, Home, run)], version="0.1.0")["components"]["schemas"]

    shapes = [name for name in document if not name.startswith("Uint")]
    assert shapes == ["Box", "BoxInput", "Cat", "CatInput", "Dog", "Home", "HomeInput", "Note", "NoteInput"]
    assert document["HomeInput"]["properties"]["pet"]["discriminator"] == {
        "mapping": {"cat": "#/components/schemas/CatInput", "dog": "#/components/schemas/Dog"},
        "propertyName": "kind",
    }
    assert document["Home"]["properties"]["guest"] == {
        "anyOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]
    }
    assert "required" not in document["Note"]
    assert document["BoxInput"]["properties"]["cat"] == {"$ref": "#/components/schemas/CatInput"}
    assert document["HomeInput"]["properties"]["homes"]["items"] == {"$ref": "#/components/schemas/HomeInput"}

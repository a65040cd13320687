"""Tests of typed data: its digest, and the path of an invalid part."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.domain.typed import DOMAIN_TYPE, MAIL, change_value, of, refusal
from tests.typed_data.drafts import Drafter
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.typed_data import hash_typed_data, typed_data_digest
from wallet_rpc.errors import InvalidParams


def test_the_example_of_the_eip() -> None:
    found = hash_typed_data(MAIL)
    mail = b"Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    assert found.type_hash == keccak(mail)
    assert found.separator.hex() == "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f"
    assert found.digest.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"


def test_unreached_types_and_undeclared_members_are_ignored() -> None:
    more = change_value("types.Unused", "nonsense")
    more["message"] = {**MAIL["message"], "more": [1]}
    assert typed_data_digest(more) == typed_data_digest(MAIL)


def test_the_type_of_the_domain_may_be_left_out() -> None:
    types = {name: members for name, members in MAIL["types"].items() if name != "EIP712Domain"}
    assert typed_data_digest({**MAIL, "types": types}) == typed_data_digest(MAIL)


def test_an_absent_or_null_domain_is_one_without_fields_and_a_null_field_is_absent() -> None:
    without = {**of("bool", value=True), "domain": {}}
    digest = typed_data_digest(without)
    assert typed_data_digest(of("bool", value=True)) == digest
    for domain in (None, {"name": None, "chainId": None}):
        assert typed_data_digest({**without, "domain": domain}) == digest
    declared = {**without, "types": {**without["types"], "EIP712Domain": []}}
    assert typed_data_digest(declared) == digest
    assert typed_data_digest({**without, "domain": {"name": ""}}) != digest


INTEGER = "expected a JSON integer that a double holds exactly, or decimal or 0x hex text, within uint8"
ADDRESS = "expected an address, 20 bytes as 0x hex, in lower case or with a correct EIP-55 checksum"


@pytest.mark.parametrize(
    ("data", "field", "text"),
    [
        (change_value("message.to.wallet", "0x12"), "message.to.wallet", f'{ADDRESS}, got "0x12"'),
        (change_value("message.to", None), "message.to", "expected an object, got null"),
        (change_value("message.contents", 7), "message.contents", "expected a string, got 7"),
        (change_value("message", {}), "message.from", "required, but absent"),
        (change_value("message", None), "message", "expected an object, got null"),
        (change_value("primaryType", "Letter"), "primaryType", 'expected the name of a struct of types, got "Letter"'),
        (change_value("primaryType", None), "primaryType", "expected the name of a struct of types, got null"),
        (change_value("types", None), "types", "expected an object, got null"),
        (change_value("types.Person", {}), "types.Person", "expected an array of members, got an object"),
        (change_value("types.Person.1", "x"), "types.Person[1]", 'expected an object with name and type, got "x"'),
        (
            change_value("types.Person.1.name", 5),
            "types.Person[1].name",
            "expected text without parentheses and commas, got 5",
        ),
        (
            change_value("types.Person.1.name", "name"),
            "types.Person",
            "expected members of different names, got two of the same name",
        ),
        (
            change_value("types.Person.1.type", "strong"),
            "types.Person[1].type",
            'expected an elementary type with its size, such as uint256, or a struct of types, got "strong"',
        ),
        (
            change_value("types.Person.1.type", "uint8[a]"),
            "types.Person[1].type",
            'expected a type such as uint256, Person or bytes32[2][], got "uint8[a]"',
        ),
        (change_value("domain", 7), "domain", "expected an object, got 7"),
        (
            change_value("domain.colour", "red"),
            "domain.colour",
            "expected no other fields than name, version, chainId, verifyingContract, salt",
        ),
        (
            change_value("types.EIP712Domain", DOMAIN_TYPE[::-1]),
            "types.EIP712Domain[0]",
            "expected string name, as EIP-712 orders the fields of domain, "
            'got "address verifyingContrac…" of 25 characters',
        ),
        (
            change_value("types.EIP712Domain", DOMAIN_TYPE[:3]),
            "types.EIP712Domain[3]",
            "expected address verifyingContract, as EIP-712 orders the fields of domain, got null",
        ),
        (
            change_value("types.EIP712Domain", [*DOMAIN_TYPE, {"name": "salt", "type": "bytes32"}]),
            "types.EIP712Domain[4]",
            'expected no more members, as EIP-712 orders the fields of domain, got "bytes32 salt"',
        ),
        (of("uint8[2][]", [[1, 2], [1, 256]]), "message.a[1][1]", f"{INTEGER}, got 256"),
        (of("uint8[2][]", [[1, 2], [1]]), "message.a[1]", "expected an array of 2, got an array of 1"),
        (
            of("P[]", [{"x": True}, {"x": 1}], P=[{"name": "x", "type": "bool"}]),
            "message.a[1].x",
            "expected true or false, got 1",
        ),
        (of("bytes4", "0x123456"), "message.a", 'expected 4 bytes as 0x hex, got "0x123456"'),
        (of("bytes", "0x1"), "message.a", 'expected bytes as 0x hex, got "0x1"'),
        (of("bytes", "text"), "message.a", 'expected bytes as 0x hex, got "text"'),
        (of("string", "\ud800"), "message.a", "expected Unicode characters, got an unpaired surrogate"),
        (
            {**of("A B", 1), "primaryType": "A B", "types": {"A B": []}},
            "primaryType",
            'expected a name without parentheses, brackets, commas and spaces, got "A B"',
        ),
        (
            of("uint8", 1, uint8=[]),
            "types.Data[0].type",
            'expected a struct that is not named like an elementary type, got "uint8"',
        ),
        (
            of("inty", {}, inty=[]),
            "types.Data[0].type",
            'expected a struct whose name does not begin like an elementary type, got "inty"',
        ),
        (
            of("A:B", {}, **{"A:B": []}),
            "types.A:B",
            'expected only letters, digits and _ in the name of a struct next to other structs, got "A:B"',
        ),
        (
            {**MAIL, "primaryType": "EIP712Domain"},
            "message",
            "expected no message, because primaryType EIP712Domain signs the domain alone",
        ),
        (of("k" * 80, 1), "types.Data[0].type", None),
        ({**of("bool", 1), "types": {"Data": [{"name": "k" * 80, "type": "bool"}]}}, f"message.{'k' * 24}…", None),
    ],
)
def test_an_error_names_the_path_the_expected_value_and_the_received_value(
    data: dict[str, Any], field: str, text: str | None
) -> None:
    for at, full in (("", field), ("params.data", f"params.data.{field}")):
        found = refusal(data, at)
        assert (found.field, found.reason) == (full, "typed_data_malformed")
        assert text is None or found.message == f"{full}: {text}"


@pytest.mark.parametrize("message", [None, {}])
def test_the_domain_alone_may_be_signed(message: object) -> None:
    found = hash_typed_data({**MAIL, "primaryType": "EIP712Domain", "message": message})
    assert found.digest == keccak(b"\x19\x01" + hash_typed_data(MAIL).separator)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
some_types = st.sampled_from(["uint256", "uint8[2][]", "bytes", "bytes4", "string", "bool", "address", "M", "int", ""])
members = st.fixed_dictionaries({"name": st.just("a"), "type": some_types})


@given(
    st.fixed_dictionaries(
        {
            "domain": json_values | st.just({"chainId": 1}),
            "types": json_values | st.fixed_dictionaries({"M": st.lists(members)}),
            "primaryType": st.just("M") | json_values,
            "message": json_values | st.fixed_dictionaries({"a": json_values}),
        }
    )
)
def test_any_typed_data_gives_a_digest_or_a_refusal(typed: dict[str, Any]) -> None:
    with suppress(InvalidParams):
        assert len(typed_data_digest(typed)) == 32


@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_another_value_is_another_digest(seed: int, other: int) -> None:
    draft = Drafter(Random(seed)).draft()  # noqa: S311  # the same for the same seed
    elementary = [slot for slot in draft.slots if slot.type in {"bool", "string", "address", "bytes32", "uint256"}]
    assume(elementary and "[0]" not in str(draft.data["types"]))
    before = typed_data_digest(draft.data)
    random = Random(other)  # noqa: S311  # the same for the same seed
    slot = random.choice(elementary)
    values = {"bool": not slot.inside[slot.at], "uint256": str(random.getrandbits(256)), "string": str(random.random())}
    fresh = "0x" + random.randbytes(32 if slot.type == "bytes32" else 20).hex()
    slot.put(values.get(slot.type, fresh))
    assert typed_data_digest(draft.data) != before


@pytest.mark.parametrize(
    "types",
    [
        {"A": [{"name": "v", "type": "B[]"}], "B": [{"name": "x", "type": "uint8"}], "B[]": []},
        {"A": [{"name": "v", "type": "uint8[]"}], "uint8[]": []},
        {"A": [{"name": "v", "type": "uint8[][2]"}], "uint8[]": [{"name": "y", "type": "string"}]},
    ],
)
def test_an_array_that_is_declared_as_a_struct_too_is_refused(types: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams) as error_info:
        typed_data_digest({"types": types, "primaryType": "A", "domain": {}, "message": {"v": []}})
    assert error_info.value.data["field"] == "types.A[0].type"
    unreached = {"A": [{"name": "v", "type": "uint8"}], "uint8[]": []}
    assert typed_data_digest({"types": unreached, "primaryType": "A", "domain": {}, "message": {"v": 1}})


def test_the_first_of_several_unknown_fields_of_the_domain_is_named() -> None:
    domain = {"name": "x", "zebra": 1, "ant": 2, "moth": 3}
    assert refusal({**MAIL, "domain": domain}).field == "domain.zebra"

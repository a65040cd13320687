"""Changes to types and domains: invalid ones, or treated differently by libraries; named as in specs/typed-data.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.typed_data.changes_of_values import ACCEPTED, EXACT, REJECTED, ROUNDED, Change
from tests.typed_data.drafts import DOMAIN_FIELDS, Draft, Drafter, declare_domain

OTHER_SIZE = "`uint7`, `int264`, `bytes0` and other sizes that no type has"
OTHER_TEXT = "other text in a type: `uint8[a]`, `uint8]`, `uintx`"
NO_SIZE = "`uint` and `int` without a size"
UNDECLARED = "an array without items, of a type that is not declared"
DOMAIN_MEMBER = "`EIP712Domain` as the type of a member"
TWICE = "two members of one name"
NO_TEXT = "a member's name that is not text"
PARTED_MEMBER = "a member's name with parentheses or commas"
PARTED_STRUCT = "a struct's name with parentheses, brackets, commas or spaces"
ELEMENTARY = "a struct's name that is an elementary type, or looks like one"
BEGINS = "a struct's name that begins with int, uint or bytes, as the type of a member"
OTHER_LETTERS = "a struct's name with more than letters, digits and _, beside other structs"
DOMAIN_ALONE = "`primaryType` `EIP712Domain`"
DOMAIN_AND_MESSAGE = "`primaryType` `EIP712Domain` with a message"
NULL_DOMAIN = "a null domain"
ARRAY_DOMAIN = "an array as the domain"
UNKNOWN_FIELD = "a field of the domain that EIP-712 does not have"
OTHER_FIELD = "a field of the domain that is not of its type in EIP-712"
TEXT_CHAIN = "`chainId` as text, `EIP712Domain` not declared"
SPACED_CHAIN = "`chainId` as text other than decimal or 0x hex digits, `EIP712Domain` declared"
EMPTY_VERSION = "an empty `version`, `EIP712Domain` not declared"
DECLARED = "`EIP712Domain` declared with other fields, order or types than the domain and EIP-712 have"

TYPES: Mapping[str, Sequence[tuple[Any, Any]]] = {
    OTHER_SIZE: [("uint7", 5), ("uint264", 5), ("int0", 0), ("uint08", 5), ("bytes0", "0x"), ("bytes01", "0x11")],
    OTHER_TEXT: [
        *((f"uint8{text}", [5]) for text in ("[a]", "[-1]", "]", "[ ]", "[+1]", "[1.0]")),
        *((f"uint8{text}", 5) for text in (" ", "_", "x", "\n", "256x")),
    ],
    NO_SIZE: [("uint", 5), ("int", -5), ("uint[]", [5]), ("int[2]", [1, 2])],
    UNDECLARED: [("Nope[]", [])],
    REJECTED: [
        *(("bytes33", "0x" + "11" * 33), ("byte", "0x11"), ("function", "0x" + "11" * 24), ("fixed128x18", "1")),
        *(("Nope", {}), ("Nope[]", [{}]), ("Uint256", 5), ("address payable", "0x" + "11" * 20), ("string[", "a")),
        *(("String ", "a"), ("", 5), ("[]", [5]), (None, 5), (5, 5), (["uint8"], 5), ({}, 5)),
    ],
}
"""Types, each with a value that may seem to fit."""
NAMES: Mapping[str, Sequence[tuple[Any, str]]] = {
    PARTED_MEMBER: [("x,uint256 y", "x,uint256 y"), ("x)Mail(uint256 y", "x)Mail(uint256 y"), ("(", "("), (")", ")")],
    NO_TEXT: [(5, "5"), (None, "null"), (True, "true")],
    ACCEPTED: [("", ""), ("a[0]", "a[0]"), ("length", "length"), ("__proto__", "__proto__"), ("\n", "\n")],
}
"""Names of members, each with the key under which JavaScript finds the value."""
STRUCTS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    ELEMENTARY: (("string", "address", "bool", "bytes", "uint256", "bytes4", "uint7", "bytes33", "int"), ("bool[]",)),
    BEGINS: ((), ("internal", "bytesLike", "uinty", "int_")),
    PARTED_STRUCT: (("A(uint8 x)B", "A,B", "A B", "A[]", " A", "A(", "A)", "A["), ()),
    OTHER_LETTERS: ((), ("Exchange:Send", "Über", "$a", "a-b", "Exchange:Send[]")),
    ACCEPTED: (
        ("Exchange:Send", "Über", "$a", "A.B", "a-b", "intent", "bytesLike", "1", "tuple", "_", "constructor"),
        ("internal[]", "bytesLike[]", "addresses", "stringy", "boolean", "function", "fixed", "1A", "tuple"),
    ),
}
"""Names of structs: for a lone struct, and for a struct that is the type of a member."""
PRIMARIES: Sequence[Any] = (
    "Nope",
    None,
    5,
    "",
    "uint256",
    "string",
    "constructor",
    "__proto__",
    "Person[]",
    ["Person"],
    {},
)
MESSAGES: Sequence[Any] = (None, [], "text", 5, True, {})
DOMAINS: Mapping[str, Sequence[Any]] = {
    NULL_DOMAIN: [None],
    ARRAY_DOMAIN: [[], [1]],
    ACCEPTED: [{"colour": None}, {"name": None, "salt": None}, {"name": ""}, {"chainId": 0}, {"chainId": 1.0}],
    UNKNOWN_FIELD: [{"colour": "red"}, {"Name": "a"}],
    TEXT_CHAIN: [{"chainId": "1"}, {"chainId": "0x7a69"}, {"chainId": "01"}],
    EMPTY_VERSION: [{"version": ""}, {"name": "a", "version": "", "chainId": 1}],
    EXACT: [{"chainId": 1 << 60}],
    ROUNDED: [{"chainId": (1 << 60) + 1}],
    OTHER_FIELD: [
        *(
            {"chainId": True},
            {"chainId": [1]},
            {"chainId": {}},
            {"chainId": ""},
            {"chainId": "one"},
            {"chainId": "1_0"},
        ),
        *(
            {"version": 5},
            {"version": True},
            {"version": [1]},
            {"name": 5},
            {"name": ["a"]},
            {"verifyingContract": ""},
            {"salt": ""},
        ),
    ],
    REJECTED: [
        *({"chainId": given} for given in (1.5, -1, 1 << 256, 1e80)),
        *({"verifyingContract": given} for given in ("0x12", "0x" + "AB" * 20, "0x5AAE" + "b" * 36)),
        *({"verifyingContract": given} for given in (5, True)),
        *({"salt": given} for given in ("0x01", 5, "0x" + "11" * 33)),
        *("text", 5, True),
    ],
}


def _member(types: Mapping[str, Sequence[tuple[Any, Any]]], *, is_name: bool) -> Change:
    def change(drafting: Drafter, draft: Draft) -> str | None:
        # a struct with several values would need the change in each of them
        alone = [each for each in draft.members if sum(other.inside is each.inside for other in draft.members) == 1]
        if not alone:
            return None
        member = drafting.random.choice(alone)
        name = drafting.random.choice(sorted(types))
        given, with_it = drafting.random.choice(types[name])
        if is_name:
            member.inside["name"] = given
            member.at.inside[with_it] = member.at.inside.pop(member.at.at)
        else:
            member.inside["type"] = given
            member.at.put(with_it)
        return name

    return change


def _twice(drafting: Drafter, draft: Draft) -> str | None:
    if not draft.members:
        return None
    member = drafting.random.choice(draft.members).inside
    owner = next(each for each in draft.data["types"].values() if isinstance(each, list) and member in each)
    owner.append(dict(member))
    return TWICE


def _declaration(drafting: Drafter, draft: Draft) -> str:
    members = draft.data["types"][draft.data["primaryType"]]
    wrong: Sequence[Any] = (
        None,
        "text",
        {},
        {"0": {}},
        5,
        [*members, None],
        [*members, "uint8 x"],
        [*members, {}],
        [*members, 5],
    )
    draft.data["types"][draft.data["primaryType"]] = drafting.random.choice(wrong)
    return REJECTED


def _struct_name(drafting: Drafter, draft: Draft) -> str:
    change = drafting.random.choice(sorted(STRUCTS))
    alone, used = STRUCTS[change]
    name = drafting.random.choice([*alone, *used])
    data = draft.data
    inner = [{"name": "x", "type": "uint8"}]
    if name in alone and not (name in used and drafting.random.random() < 0.5):
        data.update(types={name: inner}, primaryType=name, message={"x": 1})
    else:
        types = {"Outer": [{"name": "a", "type": name}], name.removesuffix("[]"): inner}
        value: Any = [{"x": 1}] if name.endswith("[]") else {"x": 1}
        data.update(types=types, primaryType="Outer", message={"a": value})
    return change


def _part(name: str, invalid: Sequence[Any]) -> Change:
    def change(drafting: Drafter, draft: Draft) -> str | None:
        types = draft.data["types"]
        if name == "message" and all(member["type"] in types for member in types[draft.data["primaryType"]]):
            return None  # libraries ignore the message if all members are structs without members
        draft.data[name] = drafting.random.choice(invalid)
        return REJECTED

    return change


def _domain_alone(drafting: Drafter, draft: Draft) -> str:
    draft.data["primaryType"] = "EIP712Domain"
    messages: tuple[Any, ...] = ({}, None, {"a": 1}, {"chainId": 1}, "text")
    draft.data["message"] = drafting.random.choice(messages)
    return DOMAIN_AND_MESSAGE if draft.data["message"] else DOMAIN_ALONE


def _domain_member(drafting: Drafter, draft: Draft) -> str:
    draft.data["domain"] = {"chainId": 1}
    if drafting.random.random() < 0.5:
        declare_domain(draft.data)
    draft.data["types"][draft.data["primaryType"]].append({"name": "d", "type": "EIP712Domain"})
    draft.data["message"]["d"] = {"chainId": 1}
    return DOMAIN_MEMBER


def _domain(drafting: Drafter, draft: Draft) -> str:
    draft.data["types"].pop("EIP712Domain", None)
    change = drafting.random.choice(sorted(DOMAINS))
    draft.data["domain"] = drafting.random.choice(DOMAINS[change])
    return change


def _declared_domain(drafting: Drafter, draft: Draft) -> str:
    """Set a field that all libraries read alike if the type of the domain is declared."""
    field, value, change = drafting.random.choice(
        (
            *((("chainId", text, ACCEPTED)) for text in ("1", "0x7a69", "007")),
            *((("chainId", text, SPACED_CHAIN)) for text in (" 1 ", "+1", "0b1", "0X1f")),
            ("version", "", ACCEPTED),
        )
    )
    draft.data["domain"] = {"name": "a", "salt": None, field: value}
    declare_domain(draft.data)
    return change


def _other_domain(drafting: Drafter, draft: Draft) -> str:
    data = draft.data
    data["domain"] = {"name": "a", "version": "1", "chainId": 1}
    declare_domain(data)
    fields = data["types"]["EIP712Domain"]
    match drafting.random.randrange(6):
        case 0:
            fields.reverse()
        case 1:
            fields.pop(drafting.random.randrange(3))
        case 2:
            fields[2]["type"] = drafting.random.choice(("uint64", "int256", "string"))
        case 3:
            fields.append({"name": "salt", "type": DOMAIN_FIELDS["salt"]})
        case 4:
            fields.append({"name": "colour", "type": "string"})
            data["domain"]["colour"] = "red"
        case _:
            data["types"]["EIP712Domain"] = drafting.random.choice(([], None, "text", {}))
    return DECLARED


CHANGES: Mapping[Change, int] = {
    _member(TYPES, is_name=False): 10,
    _member(NAMES, is_name=True): 4,
    _twice: 1,
    _declaration: 2,
    _struct_name: 10,
    _part("primaryType", PRIMARIES): 2,
    _part("message", MESSAGES): 1,
    _part("types", (None, {}, [], "text", 5)): 1,
    _domain_alone: 2,
    _domain_member: 1,
    _domain: 10,
    _declared_domain: 2,
    _other_domain: 4,
}
"""The changes, each with its relative frequency."""

"""Structs of typed data: the parser of their declarations, their type hashes, and their encoders.

    type hash   = keccak(the struct's own type, then those of all structs that it reaches, sorted by name)
    type        = Name(type member,type member,...)
    struct hash = keccak(type hash | a word for each member)

Names cannot contain the separators of this text, so two different sets of structs never have the same type.
Source: EIP-712.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, TypeAlias

from eth_hash.auto import keccak

from wallet_rpc.domain.typed_values import ELEMENTARY, Encoder, TypedDataError, array_encoder, map_each
from wallet_rpc.primitives import preview_key

DOMAIN = "EIP712Domain"
"""Name of the domain's struct."""
MAX_STRUCTS = 512
"""Maximum number of structs that primaryType reaches, including itself."""
MAX_DIMENSIONS = 16
"""Maximum number of dimensions of an array."""
MAX_TYPE_BYTES = 1 << 22
"""Maximum number of bytes hashed for the types of all structs together."""

_TYPE = re.compile(r"([^()\[\], \ud800-\udfff]+)((?:\[[0-9]{0,9}\])*)")
_MEMBER_NAME = re.compile(r"[^(),\ud800-\udfff]*")
_DIMENSION = re.compile(r"\[[0-9]*\]")
_PLAIN_NAME = re.compile(r"\w+", re.ASCII)
_LIKE_ELEMENTARY = re.compile(r"(u?int|bytes)[0-9]*|address|bool|string", re.ASCII)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct."""

    name: str
    base: str
    """The name of an elementary type or a struct."""
    dimensions: tuple[str, ...] = ()
    """`[]` or `[3]` for each dimension of an array, the innermost first; empty if it is not an array."""

    @property
    def text(self) -> str:
        """The member in the text of its struct's type."""
        return f"{self.base}{''.join(self.dimensions)} {self.name}"


Structs: TypeAlias = Mapping[str, Sequence[Member]]
"""The members of each struct, by its name."""


def collect_structs(primary: object, types: Mapping[str, Any]) -> Structs:
    """Collect the struct that primaryType names and, after it, every struct that it reaches.

    Raises: TypedDataError at `primaryType` or `types`.
    """
    if not isinstance(primary, str) or primary not in types:
        raise TypedDataError.value("the name of a struct of types", primary, path="primaryType")
    _check_name(primary, "primaryType")
    structs: dict[str, Sequence[Member]] = {}
    pending = [primary]
    while pending:
        name = pending.pop()
        if name in structs:
            continue
        if len(structs) == MAX_STRUCTS:
            raise TypedDataError.too_large(f"{MAX_STRUCTS} structs in use, got more", path="types")
        structs[name] = parse_members(name, types)
        with _prefix_errors(name):
            map_each(structs[name], partial(_check_type, types=types))
        pending += [member.base for member in structs[name] if member.base not in ELEMENTARY]
    for name in structs if len(structs) > 1 else ():
        if _PLAIN_NAME.fullmatch(name) is None:  # viem 2.57.1 leaves it out of the types of other structs
            expected = "only letters, digits and _ in the name of a struct next to other structs"
            raise TypedDataError.value(expected, name, path=f"types.{preview_key(name)}")
    return structs


def parse_members(name: str, types: Mapping[str, Any]) -> Sequence[Member]:
    """Parse the members that `types` declares for a struct. Raises: TypedDataError at `types`."""
    with _prefix_errors(name):
        declared = types[name]
        if not isinstance(declared, list):
            raise TypedDataError.value("an array of members", declared)
        members = map_each(declared, _parse_member)
        if len({member.name for member in members}) < len(members):
            raise TypedDataError("expected members of different names, got two of the same name")
        return members


@contextmanager
def _prefix_errors(name: str) -> Iterator[None]:
    """Prefix the path of a TypedDataError that the block raises with the path of the struct."""
    try:
        yield
    except TypedDataError as error:
        raise error.prefix_path(f"types.{preview_key(name)}") from None


def _parse_member(declared: Any) -> Member:
    if not isinstance(declared, dict):
        raise TypedDataError.value("an object with name and type", declared)
    name = declared.get("name")
    type_ = declared.get("type")
    if not isinstance(name, str) or _MEMBER_NAME.fullmatch(name) is None:
        raise TypedDataError.value("text without parentheses and commas", name, path=".name")
    parts = _TYPE.fullmatch(type_) if isinstance(type_, str) else None
    if parts is None:
        raise TypedDataError.value("a type such as uint256, Person or bytes32[2][]", type_, path=".type")
    dimensions = tuple(_DIMENSION.findall(parts[2])) if parts[2] else ()
    if len(dimensions) > MAX_DIMENSIONS:
        raise TypedDataError.too_large(f"{MAX_DIMENSIONS} dimensions, got {len(dimensions)}", path=".type")
    return Member(name, parts[1], dimensions)


def _check_name(name: str, path: str) -> None:
    """Raise TypedDataError when a struct's name is ambiguous."""
    parts = _TYPE.fullmatch(name)
    if parts is None or parts[2]:
        raise TypedDataError.value("a name without parentheses, brackets, commas and spaces", name, path=path)
    if _LIKE_ELEMENTARY.fullmatch(name) is not None:
        raise TypedDataError.value("a struct that is not named like an elementary type", name, path=path)


def _check_type(member: Member, *, types: Mapping[str, Any]) -> None:
    """Raise TypedDataError unless the member's type is elementary, or a struct with an unambiguous name."""
    base = member.base
    if base == DOMAIN or (base not in types and base not in ELEMENTARY):
        expected = "an elementary type with its size, such as uint256, or a struct of types"
        raise TypedDataError.value(expected, base, path=".type")
    _, *arrays = accumulate(member.dimensions, initial=base)
    if not types.keys().isdisjoint(arrays):
        raise TypedDataError.value("an array type that is not also the name of a struct", arrays[-1], path=".type")
    if base in types:
        _check_name(base, ".type")
        if not member.dimensions and base.startswith(("int", "uint", "bytes")):  # viem 2.57.1 rejects it
            raise TypedDataError.value("a struct whose name does not begin like an elementary type", base, path=".type")


def hash_types(structs: Structs) -> Mapping[str, bytes]:
    """Return the type hash (32 bytes) of each struct. Raises: TypedDataError (typed_data_too_large) at `types`."""
    types = {name: f"{name}({','.join(member.text for member in members)})" for name, members in structs.items()}
    uses = {name: {member.base for member in members} & structs.keys() for name, members in structs.items()}
    ordered = sorted(structs)
    hashes: dict[str, bytes] = {}
    size = 0
    for name in structs:
        reached = _collect_reachable(name, uses)
        encoded_type = types[name] + "".join([types[each] for each in ordered if each in reached and each != name])
        size += len(encoded_type.encode())
        if size > MAX_TYPE_BYTES:
            text = f"{MAX_TYPE_BYTES} bytes of types, each counted with those that it reaches, got more"
            raise TypedDataError.too_large(text, path="types")
        hashes[name] = keccak(encoded_type.encode())
    return hashes


def _collect_reachable(name: str, uses: Mapping[str, Collection[str]]) -> set[str]:
    """Return the names of the struct and of all structs that it reaches."""
    reached = {name}
    pending = [name]
    while pending:
        for used in uses[pending.pop()]:
            if used not in reached:
                reached.add(used)
                pending.append(used)
    return reached


def build_encoders(structs: Structs, hashes: Mapping[str, bytes]) -> Mapping[str, Encoder]:
    """Build the encoder of each struct."""
    encoders: dict[str, Encoder] = {}

    def encoder_of(member: Member) -> Encoder:
        encoder = ELEMENTARY[member.base] if member.base in ELEMENTARY else _lazy_encoder(encoders, member.base)
        for dimension in member.dimensions:
            encoder = array_encoder(encoder, None if dimension == "[]" else int(dimension[1:-1]))
        return encoder

    for name, members in structs.items():
        encoders[name] = _struct_encoder(hashes[name], [(member.name, encoder_of(member)) for member in members])
    return encoders


def _lazy_encoder(encoders: Mapping[str, Encoder], name: str) -> Encoder:
    """Return an encoder that looks up the struct's own encoder when called, because structs may refer to each other."""

    def encode(value: Any) -> bytes:
        return encoders[name](value)

    return encode


def _struct_encoder(type_hash: bytes, members: Sequence[tuple[str, Encoder]]) -> Encoder:
    def encode(value: Any) -> bytes:
        if not isinstance(value, dict):
            raise TypedDataError.value("an object", value)
        words = [type_hash]
        name = ""
        try:
            for name, encoder in members:
                words.append(encoder(value[name]))
        except KeyError:
            raise TypedDataError("required, but absent", path=f".{preview_key(name)}") from None
        except TypedDataError as error:
            raise error.prefix_path(f".{preview_key(name)}") from None
        return keccak(b"".join(words))

    return encode

"""EIP-712 typed data: the digest for wallets to sign, or an error with the path of the invalid part.

    digest = keccak(19 01 | domain separator | struct hash of the message)

The domain separator is the struct hash of the domain. specs/typed-data.md lists the limits and the differences between
client libraries. Source: EIP-712.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from wallet_rpc.domain.signature import typed_digest
from wallet_rpc.domain.typed_structs import DOMAIN, Member, build_encoders, collect_structs, hash_types, parse_members
from wallet_rpc.domain.typed_values import TypedDataError, parse_integer
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Hash32, preview, preview_key
from wallet_rpc.wire import measure

DOMAIN_FIELDS = (
    Member("name", "string"),
    Member("version", "string"),
    Member("chainId", "uint256"),
    Member("verifyingContract", "address"),
    Member("salt", "bytes32"),
)
"""The members of a domain, in order; the domain's type leaves out absent members."""
MAX_TYPED_DATA_VALUES = 1 << 16
"""Maximum number of values in domain, types and message together; nested values count."""
MAX_TYPED_DATA_LEVELS = 64
"""Maximum nesting of arrays and objects in each of domain, types and message."""
_CHAIN_ID = re.compile(r"[0-9]+|0x[0-9a-fA-F]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class HashedTypedData:
    """The hashes of typed data."""

    separator: Hash32
    type_hash: Hash32
    """Of primaryType."""
    digest: Hash32


def hash_typed_data(given: Mapping[str, Any], *, at: str = "") -> HashedTypedData:
    """Hash typed data in its JSON form: domain, types, primaryType and message.

    An absent or null domain is a domain without fields, and a null field of a domain counts as absent. Types that
    primaryType does not reach, and message members that its structs do not declare, are ignored.

    Raises: InvalidParams (typed_data_malformed, typed_data_too_large) with a path that begins with `at`.
    """
    try:
        _refuse_large(given)
        return _hash(given)
    except TypedDataError as error:
        path = f"{at}.{error.path}" if at else error.path
        raise InvalidParams(error.text, field=path, reason=error.reason) from None


def typed_data_digest(given: Mapping[str, Any]) -> Hash32:
    """Return the digest of `hash_typed_data`."""
    return hash_typed_data(given).digest


def domain_chain_id(given: object) -> int | None:
    """Parse the chain id of a domain: a JSON integer, or decimal or 0x hex digits; None for anything else."""
    if isinstance(given, str) and _CHAIN_ID.fullmatch(given) is None:
        return None
    return parse_integer(given)


def _hash(given: Mapping[str, Any]) -> HashedTypedData:
    types = given.get("types")
    primary = given.get("primaryType")
    message = given.get("message")
    if not isinstance(types, dict):
        raise TypedDataError.value("an object", types, path="types")
    separator, domain_type = _domain(given.get("domain"), types)
    if primary == DOMAIN:
        if message not in (None, {}):
            text = f"expected no message, because primaryType {DOMAIN} signs the domain alone"
            raise TypedDataError(text, path="message")
        return HashedTypedData(separator, domain_type, typed_digest(separator, b""))
    structs = collect_structs(primary, types)
    hashes = hash_types(structs)
    name = next(iter(structs))
    try:
        struct_hash = build_encoders(structs, hashes)[name](message)
    except TypedDataError as error:
        raise error.prefix_path("message") from None
    return HashedTypedData(separator, Hash32(hashes[name]), typed_digest(separator, struct_hash))


def _domain(given: Any, types: Mapping[str, Any]) -> tuple[Hash32, Hash32]:
    """Return the separator of a domain and its type hash."""
    domain = {} if given is None else given
    if not isinstance(domain, dict):
        raise TypedDataError.value("an object", domain, path="domain")
    present = {name: value for name, value in domain.items() if value is not None}
    members = [member for member in DOMAIN_FIELDS if member.name in present]
    if len(members) < len(present):
        known = [member.name for member in DOMAIN_FIELDS]
        unknown = next(name for name in present if name not in known)
        names = ", ".join(known)
        raise TypedDataError(f"expected no other fields than {names}", path=f"domain.{preview_key(unknown)}")
    if DOMAIN in types:
        _check_declared(parse_members(DOMAIN, types), members)
    try:
        if isinstance(present.get("chainId"), str) and domain_chain_id(present["chainId"]) is None:
            expected = "a JSON integer, or decimal or 0x hex digits"
            raise TypedDataError.value(expected, present["chainId"], path=".chainId")
        hashes = hash_types({DOMAIN: members})
        return Hash32(build_encoders({DOMAIN: members}, hashes)[DOMAIN](present)), Hash32(hashes[DOMAIN])
    except TypedDataError as error:
        raise error.prefix_path("domain") from None


def _check_declared(declared: Sequence[Member], members: Sequence[Member]) -> None:
    """Raise TypedDataError unless the declared members are the domain's, in the order and with the types of EIP-712."""
    for index, (member, expected) in enumerate(zip_longest(declared, members)):
        if member != expected:
            given_text = None if member is None else member.text
            expected_text = "no more members" if expected is None else expected.text
            text = f"expected {expected_text}, as EIP-712 orders the fields of domain, got {preview(given_text)}"
            raise TypedDataError(text, path=f"types.{DOMAIN}[{index}]")


def _refuse_large(given: Mapping[str, Any]) -> None:
    """Raise TypedDataError (typed_data_too_large) when typed data has too many values or too many levels."""
    remaining = MAX_TYPED_DATA_VALUES
    for part in ("domain", "types", "message"):
        size = measure(given.get(part), max_values=remaining)
        remaining -= size.values
        if remaining < 0:
            raise TypedDataError.too_large(
                f"{MAX_TYPED_DATA_VALUES} values in domain, types and message, got more", path=part
            )
        if size.levels > MAX_TYPED_DATA_LEVELS:
            raise TypedDataError.too_large(
                f"{MAX_TYPED_DATA_LEVELS} levels of arrays and objects, got {size.levels}", path=part
            )

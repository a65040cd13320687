"""ABIs of a request, bounded in number and depth. A malformed one is an error that names its entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wallet_rpc.domain.decoding.calls import Abis
from wallet_rpc.domain.decoding.functions import AbiError, AbiFunction, parse_json_function, parse_signature
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, NonZeroAddress, Selector, preview
from wallet_rpc.wire import strict_shape

MAX_ABIS = 20
"""The maximum number of ABIs in a request."""
MAX_ENTRIES = 500
"""The maximum number of entries in all ABIs of a request."""
_SOURCE = "request"


@strict_shape
class GivenAbi:
    """The ABI of one contract, or without an address of any contract."""

    address: NonZeroAddress | None = None
    """Contract that has these functions. Default: any contract without an ABI of its own."""
    abi: tuple[Any, ...]
    """Entries of a JSON ABI, or signatures such as `transfer(address to, uint256 amount)`. Only functions count."""


def parse_abis(given: Sequence[GivenAbi], *, at: str) -> Abis:
    """Parse the ABIs of a request. Raises: InvalidParams (abi_malformed, too_many)."""
    entries = sum(len(one.abi) for one in given)
    if len(given) > MAX_ABIS or entries > MAX_ENTRIES:
        text = f"expected at most {MAX_ABIS} ABIs with {MAX_ENTRIES} entries in all, got {len(given)} with {entries}"
        raise InvalidParams(text, field=at, reason="too_many")
    by_contract: dict[Address, dict[Selector, AbiFunction]] = {}
    anywhere: dict[Selector, AbiFunction] = {}
    for index, one in enumerate(given):
        functions = anywhere if one.address is None else by_contract.setdefault(Address(one.address), {})
        for position, entry in enumerate(one.abi):
            function = _parse_entry(entry, f"{at}[{index}].abi[{position}]")
            if function is not None:
                functions[function.selector] = function
    return Abis(by_contract=by_contract, anywhere=anywhere)


def _parse_entry(entry: Any, at: str) -> AbiFunction | None:
    """Parse an entry; None for one that is no function, such as an event."""
    try:
        match entry:
            case str():
                return parse_signature(entry, _SOURCE)
            case Mapping() if entry.get("type", "function") == "function":
                return parse_json_function(entry, _SOURCE)
            case Mapping():
                return None
    except AbiError as error:
        raise InvalidParams(f"{error}, got {_preview(entry)}", field=at, reason="abi_malformed") from None
    raise InvalidParams(field=at, expected="an entry of a JSON ABI or a signature", given=entry, reason="abi_malformed")


def _preview(entry: object) -> str:
    """Describe an entry for an error message: a function of a JSON ABI by its name, if it has one."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return preview(entry) if name is None else f"{preview(entry)} with the name {preview(name)}"

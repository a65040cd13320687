"""View functions of accounts and modules: encoders of call data and decoders of return data.

Sources: IModularAccountView, SemiModularAccountBase, SingleSignerValidationModule (Modular Account v2); ERC-1271.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.errors import UnreadableAnswer
from wallet_rpc.primitives import Address, Data, Selector

SIGNERS = Selector(bytes.fromhex("217178fb"))
"""Selector of SingleSigner's `signers(uint32,address)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationData:
    """One validation of an account; all fields are empty if none is installed under its entity id."""

    flags: int
    validation_hooks: tuple[bytes, ...]
    execution_hooks: tuple[bytes, ...]
    selectors: tuple[bytes, ...]

    @property
    def is_installed(self) -> bool:
        """True if the validation is installed; a session of wallet-rpc always has the user operation flag."""
        return self.flags != 0 or bool(self.selectors)

    @property
    def is_global(self) -> bool:
        """True if the validation applies to every function of the account (root)."""
        return bool(self.flags & 4)


NOT_INSTALLED = ValidationData(flags=0, validation_hooks=(), execution_hooks=(), selectors=())
"""The validation data of an account without code, for every entity id."""


def _decode(types: tuple[str, ...], return_data: bytes, function: str) -> tuple[Any, ...]:
    try:
        return decode(types, return_data)
    except (DecodingError, OverflowError):
        raise UnreadableAnswer(f"{function}: expected {types[0]}, got other return data from the contract") from None


def encode_get_validation_data(entity_id: int) -> Data:
    """Encode `getValidationData(bytes24)` for SingleSigner's `entity_id`, a call to the account."""
    return Data(abi.GET_VALIDATION_DATA + abi.fixed_bytes(SINGLE_SIGNER_MODULE + entity_id.to_bytes(4, "big")))


def decode_validation_data(return_data: bytes) -> ValidationData:
    """Decode the return data of `getValidationData`.

    It is one tuple: uint8 flags, bytes25[] validation hooks, bytes25[] execution hooks, bytes4[] selectors.
    Raises: UnreadableAnswer.
    """
    (fields,) = _decode(("(uint8,bytes25[],bytes25[],bytes4[])",), return_data, "getValidationData")
    flags, validation, execution, selectors = fields
    return ValidationData(flags=flags, validation_hooks=validation, execution_hooks=execution, selectors=selectors)


def encode_signers(entity_id: int, account: Address) -> Data:
    """Encode `signers(uint32,address)`, a call to SingleSigner."""
    return Data(SIGNERS + abi.uint(entity_id, 32) + abi.address(account))


def decode_address(return_data: bytes) -> Address:
    """Decode return data whose first word is an address. Raises: UnreadableAnswer when it is shorter than a word."""
    if len(return_data) < 32:
        raise UnreadableAnswer(f"expected an address from the contract, got {len(return_data)} bytes of return data")
    return Address(return_data[12:32])


def encode_get_fallback_signer_data() -> Data:
    """Encode `getFallbackSignerData()`, a call to the account that returns (owner, disabled)."""
    return Data(abi.GET_FALLBACK_SIGNER_DATA)


def encode_is_valid_signature(digest: bytes, signature: bytes) -> Data:
    """Encode `isValidSignature(bytes32,bytes)` (ERC-1271), a call to the contract that signs."""
    return Data(abi.IS_VALID_SIGNATURE + abi.sequence(abi.fixed_bytes(digest), abi.blob(signature)))


def is_erc1271_magic_value(return_data: bytes) -> bool:
    """Return True if the first word of the return data is ERC-1271's magic value."""
    return len(return_data) >= 32 and return_data[:32] == abi.fixed_bytes(abi.IS_VALID_SIGNATURE)

"""What accounts and modules answer when asked: the question's call data, and the reading of its answer.

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
"""SingleSigner `signers(uint32,address)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationData:
    """One validation of an account; all empty when nothing is installed under its entity id."""

    flags: int
    validation_hooks: tuple[bytes, ...]
    execution_hooks: tuple[bytes, ...]
    selectors: tuple[bytes, ...]

    @property
    def is_installed(self) -> bool:
        """A session of ours always carries the user operation flag."""
        return self.flags != 0 or bool(self.selectors)


NOT_INSTALLED = ValidationData(flags=0, validation_hooks=(), execution_hooks=(), selectors=())
"""What an account without code has under every entity id."""


def _decode(types: tuple[str, ...], answer: bytes, question: str) -> tuple[Any, ...]:
    try:
        return decode(types, answer)
    except (DecodingError, OverflowError):
        raise UnreadableAnswer(f"{question}: the contract gave an unreadable answer") from None


def encode_get_validation_data(entity_id: int) -> Data:
    """`getValidationData(bytes24)` of SingleSigner's `entity_id`; asked of the account."""
    return Data(abi.GET_VALIDATION_DATA + abi.fixed_bytes(SINGLE_SIGNER_MODULE + entity_id.to_bytes(4, "big")))


def decode_validation_data(answer: bytes) -> ValidationData:
    """The answer, one tuple: uint8 flags, bytes25[] validation hooks, bytes25[] execution hooks, bytes4[] selectors."""
    (found,) = _decode(("(uint8,bytes25[],bytes25[],bytes4[])",), answer, "getValidationData")
    flags, validation, execution, selectors = found
    return ValidationData(flags=flags, validation_hooks=validation, execution_hooks=execution, selectors=selectors)


def encode_signers(entity_id: int, account: Address) -> Data:
    """`signers(uint32,address)`; asked of SingleSigner."""
    return Data(SIGNERS + abi.uint(entity_id, 32) + abi.address(account))


def decode_address(answer: bytes) -> Address:
    """An answer whose first word is an address."""
    if len(answer) < 32:
        raise UnreadableAnswer("the contract gave an unreadable answer: expected an address")
    return Address(answer[12:32])


def encode_get_fallback_signer_data() -> Data:
    """`getFallbackSignerData()`; asked of the account. The answer is (owner, disabled)."""
    return Data(abi.GET_FALLBACK_SIGNER_DATA)


def encode_is_valid_signature(digest: bytes, signature: bytes) -> Data:
    """`isValidSignature(bytes32,bytes)` (ERC-1271); asked of the signing contract."""
    return Data(abi.IS_VALID_SIGNATURE + abi.sequence(abi.fixed_bytes(digest), abi.blob(signature)))


def is_erc1271_magic_value(answer: bytes) -> bool:
    """Whether the answer is ERC-1271's magic value, one whole word."""
    return len(answer) >= 32 and answer[:32] == abi.fixed_bytes(abi.IS_VALID_SIGNATURE)

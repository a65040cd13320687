"""Digests for wallets to sign, recovery of the signer, and the signature envelopes that the account decodes.

A signature is 65 bytes r | s | v with v 27 or 28 and s in the lower half of the curve's order. Signers are recovered
from no other form, because the account rejects every other form. Sources: EIP-191, EIP-712, EIP-2, ERC-1271, ERC-6492,
and SemiModularAccountBase and SingleSignerValidationModule of Modular Account v2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, Hash32

SIGNATURE_SIZE = 65
"""Bytes of a signature: r (32) | s (32) | v (1)."""
HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Largest accepted s. Source: EIP-2; OpenZeppelin ECDSA."""
DUMMY_SIGNATURE = Data(bytes.fromhex("ff" * 15 + "f0" + "00" * 16 + "7a" + "aa" * 31 + "1c"))
"""A placeholder signature of 65 bytes, for gas estimation. Source: the official SDK."""
OWN_SEGMENT = b"\xff"
"""Index byte in front of the validation's own signature segment; lower indices carry data for hooks."""
ERC6492_SUFFIX = bytes.fromhex("6492" * 16)
"""The last 32 bytes of a wrapped signature. Source: ERC-6492."""
_DOMAIN_OF_ACCOUNT = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract)")
_DOMAIN_OF_MODULE = keccak(b"EIP712Domain(uint256 chainId,address verifyingContract,bytes32 salt)")
REPLAY_SAFE_TYPE = keccak(b"ReplaySafeHash(bytes32 hash)")
"""The type hash of ReplaySafeHash."""


class SignerKind(IntEnum):
    """The byte before a signature that selects the account's way of checking it."""

    KEY = 0
    """An externally owned account; the signature is 65 bytes r | s | v."""
    CONTRACT = 1
    """A contract that implements ERC-1271; the signature is any bytes that its check accepts."""


def personal_sign_digest(message: bytes) -> Hash32:
    """Return the digest of `personal_sign` for `message` (a 32-byte hash, or any bytes).

    keccak("\\x19Ethereum Signed Message:\\n" | decimal length | message). Source: EIP-191, version 0x45.
    """
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)


def typed_digest(domain_separator: bytes, struct_hash: bytes) -> Hash32:
    """Return the EIP-712 digest keccak(19 01 | domain separator | struct hash)."""
    return keccak(b"\x19\x01" + domain_separator + struct_hash)


def recover_signer(digest: bytes, signature: bytes) -> Address | None:
    """Recover the signer of `digest` from `signature` (65 bytes r | s | v, v 27 or 28).

    Return None for a wrong length, a wrong v, an r or s of zero or out of range, and an s in the upper half (EIP-2).
    """
    if len(signature) != SIGNATURE_SIZE or signature[64] not in (27, 28):
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if s > HALF_ORDER:
        return None
    try:
        signer = Signature(vrs=(signature[64] - 27, r, s))
        return Address(signer.recover_public_key_from_msg_hash(digest).to_canonical_address())
    except (BadSignature, ValidationError):
        return None


def normalize_key_signature(signature: bytes) -> Data | None:
    """Normalize v of r | s | v from 0 or 1 to 27 or 28, as contracts expect; None for a wrong length or v."""
    if len(signature) != SIGNATURE_SIZE or signature[64] not in (0, 1, 27, 28):
        return None
    return Data(signature[:64] + bytes([27 + signature[64] % 27]))


def prefix_signer_kind(kind: SignerKind, signature: bytes) -> Data:
    """Prefix a signature for the account: kind (1 byte) | signature. Source: Alchemy's `prefixSignatureKeyType`."""
    return Data(bytes([kind]) + signature)


def user_operation_signature(signature: bytes, *, kind: SignerKind = SignerKind.KEY, deferred: bytes = b"") -> Data:
    """Build a user operation's `signature`: [deferred action] | ff | kind (1 byte) | the signer's signature.

    The signer signs the user operation hash as a personal message. `deferred` is the deferred action as
    `SignedDeferredAction.signature_prefix` gives it, empty for a plain operation.
    """
    return Data(deferred + OWN_SEGMENT + prefix_signer_kind(kind, signature))


def dummy_user_operation_signature(*, kind: SignerKind = SignerKind.KEY, deferred: bytes = b"") -> Data:
    """Build a placeholder `signature` for gas estimation; its deferred action, if any, is the real one.

    The account calls a contract signer to check the placeholder too, so the estimate includes the cost of that call.
    """
    return user_operation_signature(DUMMY_SIGNATURE, kind=kind, deferred=deferred)


def replay_safe_digest(inner: bytes, *, account: Address, chain_id: int, entity_id: int = 0) -> Hash32:
    """Return the digest that the owner or a session key signs for ERC-1271 on `account`, for the 32-byte hash `inner`.

    EIP-712 over ReplaySafeHash(bytes32 hash) in the domain of `replay_safe_domain`.
    """
    separator = domain_separator(replay_safe_domain(account=account, chain_id=chain_id, entity_id=entity_id))
    return typed_digest(separator, replay_safe_struct_hash(inner))


def replay_safe_struct_hash(inner: bytes) -> Hash32:
    """Return the struct hash of ReplaySafeHash(bytes32 hash): keccak(type hash | inner)."""
    return keccak(REPLAY_SAFE_TYPE + inner)


@dataclass(frozen=True, slots=True)
class Domain:
    """An EIP-712 domain of the account or one of its modules: no name, no version; a salt only for a module."""

    chain_id: int
    verifying_contract: Address
    salt: Hash32 | None = None


def replay_safe_domain(*, account: Address, chain_id: int, entity_id: int = 0) -> Domain:
    """Return the domain of ReplaySafeHash: the account for entity id 0, else SingleSigner salted with the account.

    The salt is 12 zero bytes | account. Source: SemiModularAccountBase, SingleSignerValidationModule.
    """
    if entity_id == 0:
        return Domain(chain_id, account)
    return Domain(chain_id, SINGLE_SIGNER_MODULE, Hash32(abi.address(account)))


def domain_separator(domain: Domain) -> Hash32:
    """Hash the domain: keccak of its type hash and fields, a word each: chain id | contract [| salt]."""
    fields = abi.uint(domain.chain_id) + abi.address(domain.verifying_contract)
    if domain.salt is None:
        return keccak(_DOMAIN_OF_ACCOUNT + fields)
    return keccak(_DOMAIN_OF_MODULE + fields + domain.salt)


def replay_safe_typed_data(inner: bytes, *, account: Address, chain_id: int, entity_id: int = 0) -> dict[str, Any]:
    """Return the typed data in JSON whose digest is `replay_safe_digest`."""
    domain = replay_safe_domain(account=account, chain_id=chain_id, entity_id=entity_id)
    fields: dict[str, Any] = {"chainId": chain_id, "verifyingContract": domain.verifying_contract.hex0x()}
    if domain.salt is not None:
        fields["salt"] = domain.salt.hex0x()
    return {
        "domain": fields,
        "types": {"ReplaySafeHash": [{"name": "hash", "type": "bytes32"}]},
        "primaryType": "ReplaySafeHash",
        "message": {"hash": Hash32(inner).hex0x()},
    }


def contract_signature(signature: bytes, *, entity_id: int = 0, kind: SignerKind = SignerKind.KEY) -> Data:
    """Build the account's ERC-1271 signature: 00 (options) | entity id (4) | ff | kind (1) | signature.

    72 bytes for a key's signature. The signer signs `replay_safe_digest`.
    """
    return Data(b"\0" + entity_id.to_bytes(4, "big") + OWN_SEGMENT + prefix_signer_kind(kind, signature))


@dataclass(frozen=True, slots=True)
class WrappedSignature:
    """A signature of an account without code, with the factory call that deploys it. Source: ERC-6492."""

    factory: Address
    factory_data: Data
    signature: Data


def wrap_erc6492(wrapped: WrappedSignature) -> Data:
    """Encode a wrapped signature: abi(factory, factory data, signature) | 6492 sixteen times. Source: ERC-6492."""
    fields = abi.address(wrapped.factory), abi.blob(wrapped.factory_data), abi.blob(wrapped.signature)
    return Data(abi.sequence(*fields) + ERC6492_SUFFIX)


def unwrap_erc6492(signature: bytes, *, field: str | None = None) -> WrappedSignature | None:
    """Decode a signature that `wrap_erc6492` encoded; None if the suffix is missing.

    Raises: InvalidParams (signature_malformed) when the bytes before the suffix are not that encoding.
    """
    if not signature.endswith(ERC6492_SUFFIX):
        return None
    reader = Reader(signature[:-32])
    try:
        factory, factory_data, inner = reader.address(0), reader.blob(reader.word(32)), reader.blob(reader.word(64))
    except AbiDecodeError as error:
        raise InvalidParams(
            f"expected an ERC-6492 signature, got {len(signature) - 32} bytes in another encoding before its suffix",
            reason="signature_malformed",
            field=field,
        ) from error
    return WrappedSignature(factory, factory_data, inner)

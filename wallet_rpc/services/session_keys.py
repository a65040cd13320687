"""Session keys in the form of other standards (ERC-7836, ERC-7715): a public key or an address, read as an address."""

from __future__ import annotations

from wallet_rpc.domain.abi import keccak
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.primitives import Address, preview

KINDS = frozenset({"secp256k1", "ecdsa", "address", "contract"})
"""Supported key types: a secp256k1 key, or the address of a key or contract; some ERC-7836 wallets send `address`."""


def key_address(kind: str, public_key: bytes, *, at: str) -> Address:
    """Return the address of a key, given as its address (20 bytes) or public key (x | y, 64 bytes, with or without 04).

    Raises: UnsupportedCapability (key_type_not_supported) for any other key type; InvalidParams (public_key_malformed).
    """
    if kind not in KINDS:
        raise UnsupportedCapability(
            f"expected secp256k1, got {preview(kind)}, whose keys cannot sign for a session here",
            reason="key_type_not_supported",
            field=f"{at}.type",
            capability=kind[:64],
        )
    if len(public_key) == 20:
        return Address(public_key)
    if kind in {"secp256k1", "ecdsa"}:
        if len(public_key) == 65 and public_key[0] == 4:
            return Address(keccak(public_key[1:])[12:])
        if len(public_key) == 64:
            return Address(keccak(public_key)[12:])
    raise InvalidParams(
        f"expected an address, or an uncompressed public key of 64 or 65 bytes, got {len(public_key)} bytes",
        field=f"{at}.publicKey",
        reason="public_key_malformed",
    )

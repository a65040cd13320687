"""Keys as other dialects name them (ERC-7836, ERC-7715): by a public key or an address; for us a key is its address."""

from __future__ import annotations

from wallet_rpc.domain.abi import keccak
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.primitives import Address, preview

KINDS = frozenset({"secp256k1", "ecdsa", "address", "contract"})
"""A key by its curve, or whoever answers for an address; `address` is how some ERC-7836 wallets write that."""


def key_address(kind: str, public_key: bytes, *, at: str) -> Address:
    """The address of a key given as an address (20 bytes) or a public key (x | y, 64 bytes, with or without 04).

    Raises: UnsupportedCapability (key_type_not_supported) for another curve; InvalidParams (public_key_malformed).
    """
    if kind not in KINDS:
        raise UnsupportedCapability(
            f"{at}.type: {preview(kind)} keys cannot sign for a session here; expected secp256k1",
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
        f"{at}.publicKey: expected an address, or an uncompressed public key of 64 or 65 bytes, got "
        f"{len(public_key)} bytes",
        field=f"{at}.publicKey",
        reason="public_key_malformed",
    )

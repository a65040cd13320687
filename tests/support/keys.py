"""Private keys and their signatures."""

from __future__ import annotations

import secrets
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey

from wallet_rpc.primitives import Address


def new_key() -> LocalAccount:
    key: LocalAccount = Account.from_key(secrets.token_bytes(32))
    return key


def address_of(key: PrivateKey) -> Address:
    return Address(key.public_key.to_canonical_address())


def sign_hash(key: PrivateKey, digest: bytes) -> bytes:
    """Return the signature of a digest: r, s and v (27 or 28), 65 bytes. It is deterministic (RFC 6979)."""
    signature: bytes = key.sign_msg_hash(digest).to_bytes()
    return signature[:64] + bytes([27 + signature[64]])


def sign_digest(key: LocalAccount, digest: bytes | str) -> str:
    """Return the signature of a digest in bytes or hex, as hex."""
    hashed = bytes.fromhex(digest[2:]) if isinstance(digest, str) else digest
    return "0x" + sign_hash(PrivateKey(bytes(key.key)), hashed).hex()


def random_signature() -> str:
    """Return a random key's valid signature of a random digest, as hex."""
    return sign_digest(new_key(), secrets.token_bytes(32))


def to_signable(request: dict[str, Any]) -> SignableMessage:
    """Return the message that a wallet signs for a `signatureRequest`: its typed data or text, not its `rawPayload`."""
    data = request["data"]
    if request["type"] == "eth_signTypedData_v4":
        return encode_typed_data(full_message=data)
    return encode_defunct(text=data) if isinstance(data, str) else encode_defunct(hexstr=data["raw"])


def sign_request(key: LocalAccount, request: dict[str, Any]) -> str:
    """Return the signature of a `signatureRequest` as hex, made as a wallet makes it."""
    return "0x" + key.sign_message(to_signable(request)).signature.hex()

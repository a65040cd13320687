"""Messages for an account to sign: personal messages (EIP-191) and typed data (EIP-712)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, StringConstraints, Tag

from wallet_rpc.domain.capabilities import PermissionsCapability
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.domain.typed_data import HashedTypedData, hash_typed_data
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data, Hash32
from wallet_rpc.wire import shape
from wallet_rpc.worker_threads import compute

SIGNATURE_REQUEST = "params.signatureRequest"
"""The path of the message in a request."""


@shape
class RawBytes:
    """A message of arbitrary bytes."""

    raw: Data
    """Message as hex bytes, signed as they are."""


def _message_kind(value: Any) -> str:
    return "raw" if isinstance(value, RawBytes | Mapping) else "text"


@shape
class PersonalMessage:
    """A message to sign with `personal_sign` (EIP-191)."""

    type: Literal["personal_sign"] = "personal_sign"
    """Wallet method that signs `data`."""
    data: Annotated[
        Annotated[str, StringConstraints(strict=True, min_length=1), Tag("text")] | Annotated[RawBytes, Tag("raw")],
        Discriminator(_message_kind),
    ]
    """Text in UTF-8, or bytes under `raw`; the signer adds the EIP-191 prefix."""


@shape
class TypedMessage:
    """Typed data to sign with `eth_signTypedData_v4` (EIP-712)."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    """Wallet method that signs `data`."""
    data: dict[str, Any]
    """Typed data with `domain`, `types`, `primaryType` and `message` (EIP-712)."""


Message: TypeAlias = Annotated[PersonalMessage | TypedMessage, Field(discriminator="type")]
"""A personal message or typed data."""


@shape
class SigningCapabilities:
    """The capabilities of a signing request; `permissions` is recognised only to be rejected."""

    permissions: PermissionsCapability | None = None
    """Always rejected: no permission lets a session sign messages for its account."""


@dataclass(frozen=True, slots=True)
class HashedMessage:
    """The digest of a message, as an externally owned account signs it."""

    digest: Hash32
    typed_data: HashedTypedData | None = None
    """The typed data; None for a personal message."""


async def hash_message(message: PersonalMessage | TypedMessage) -> HashedMessage:
    """Compute the digest of a message. Raises: InvalidParams for typed data that cannot be hashed."""
    match message:
        case PersonalMessage(data=RawBytes(raw=raw)):
            return HashedMessage(personal_sign_digest(raw))
        case PersonalMessage(data=str(text)):
            return HashedMessage(personal_sign_digest(text.encode()))
        case TypedMessage(data=data):
            typed_data = await compute(partial(hash_typed_data, data, at=f"{SIGNATURE_REQUEST}.data"))
            return HashedMessage(typed_data.digest, typed_data)
        case _:  # pragma: no cover  # the cases above are exhaustive
            raise AssertionError


def refuse_sessions(capabilities: SigningCapabilities | None) -> None:
    """Raise InvalidParams (session_cannot_sign) for a session: no permission covers the account's signature."""
    if capabilities is not None and capabilities.permissions is not None:
        raise InvalidParams(
            "expected none, because no permission lets a session sign messages for its account; leave the "
            "permissions out and have the owner sign",
            field="params.capabilities.permissions",
            reason="session_cannot_sign",
        )

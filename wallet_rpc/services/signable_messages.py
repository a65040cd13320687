"""What a client wants an account to sign: a personal message or typed data; and for whom the account answers."""

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
"""Where the message stands in a request."""


@shape
class RawBytes:
    """A message that is no text."""

    raw: Data


def _message_kind(value: Any) -> str:
    return "raw" if isinstance(value, RawBytes | Mapping) else "text"


@shape
class PersonalMessage:
    """To be signed by `personal_sign` (EIP-191)."""

    type: Literal["personal_sign"] = "personal_sign"
    data: Annotated[
        Annotated[str, StringConstraints(strict=True, min_length=1), Tag("text")] | Annotated[RawBytes, Tag("raw")],
        Discriminator(_message_kind),
    ]


@shape
class TypedMessage:
    """To be signed by `eth_signTypedData_v4` (EIP-712)."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    data: dict[str, Any]


Message: TypeAlias = Annotated[PersonalMessage | TypedMessage, Field(discriminator="type")]
"""One of the two."""


@shape
class SigningCapabilities:
    """Who signs: the account's owner, unless permissions are named."""

    permissions: PermissionsCapability | None = None


@dataclass(frozen=True, slots=True)
class HashedMessage:
    """A message as a key alone would sign it."""

    digest: Hash32
    typed_data: HashedTypedData | None = None
    """None of a personal message."""


async def hash_message(message: PersonalMessage | TypedMessage) -> HashedMessage:
    """The digest of a message. Raises: InvalidParams for typed data that cannot be hashed."""
    match message:
        case PersonalMessage(data=RawBytes(raw=raw)):
            return HashedMessage(personal_sign_digest(raw))
        case PersonalMessage(data=str(text)):
            return HashedMessage(personal_sign_digest(text.encode()))
        case TypedMessage(data=given):
            typed_data = await compute(partial(hash_typed_data, given, at=f"{SIGNATURE_REQUEST}.data"))
            return HashedMessage(typed_data.digest, typed_data)
        case _:  # pragma: no cover  # the cases above are all there are
            raise AssertionError


def refuse_sessions(capabilities: SigningCapabilities | None) -> None:
    """Raises: InvalidParams (session_cannot_sign): sessions are granted calls, never the account's signature."""
    if capabilities is not None and capabilities.permissions is not None:
        raise InvalidParams(
            "params.capabilities.permissions: a session cannot sign messages for its account; no permission grants "
            "that. Only the owner signs: leave the permissions out",
            field="params.capabilities.permissions",
            reason="session_cannot_sign",
        )

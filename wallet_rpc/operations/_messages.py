"""What a client wants an account to sign: a personal message or typed data; and for whom the account answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, StringConstraints, Tag

from wallet_rpc.domain.capabilities import PermissionsCapability
from wallet_rpc.domain.signature import personal_sign_digest, typed_data_digest
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data, Hash32
from wallet_rpc.wire import shape

REQUEST = "params.signatureRequest"
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


def digest_of(message: PersonalMessage | TypedMessage) -> Hash32:
    """What the owner's key alone would sign. Raises: InvalidParams for typed data whose parts do not agree."""
    match message:
        case PersonalMessage(data=RawBytes(raw=raw)):
            return personal_sign_digest(raw)
        case PersonalMessage(data=str(text)):
            return personal_sign_digest(text.encode())
        case TypedMessage(data=typed_data):
            return _typed(typed_data)
        case _:  # pragma: no cover  # the cases above are all there are
            raise AssertionError


def _typed(typed_data: Mapping[str, Any]) -> Hash32:
    try:
        return typed_data_digest(typed_data)
    except InvalidParams as error:
        at = f"{REQUEST}.data"
        raise InvalidParams(f"{at}: {error.message}", field=at, reason=error.reason) from error


def refuse_sessions(capabilities: SigningCapabilities | None) -> None:
    """Raises: InvalidParams (session_cannot_sign): sessions are granted calls, never the account's signature."""
    if capabilities is not None and capabilities.permissions is not None:
        raise InvalidParams(
            "params.capabilities.permissions: a session cannot sign messages for its account; no permission grants "
            "that. Only the owner signs: leave the permissions out",
            field="params.capabilities.permissions",
            reason="session_cannot_sign",
        )

"""Permission contexts: the bytes that identify the session of a request.

    00 | session id (16) | owner's signature     the server stores the session
    01 | deferred action blob                    the client stores the whole grant
    02 | 01 global or 00 | entity id (4)         the validation is already installed

Source: Alchemy's wallet-api-types 0.2.0 (the three versions and their lengths).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from wallet_rpc.domain.deferred_action import SignedDeferredAction, parse_blob
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data, SessionId

_REMOTE, _LOCAL, _INSTALLED = 0, 1, 2
"""The versions of a context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteContext:
    """A session that the server stores, with its owner's raw signature: 65 bytes, or any form a contract accepts."""

    session_id: SessionId
    signature: Data


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalContext:
    """A deferred action that the client stores; `blob` is a `SignedDeferredAction.blob`."""

    blob: Data

    def parse_deferred_action(self, *, field: str = "context") -> SignedDeferredAction:
        """Parse the blob. Raises: InvalidParams (deferred_action_malformed)."""
        return parse_blob(self.blob, field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledContext:
    """A validation that is already installed on the account."""

    is_global: bool
    entity_id: int


Context: TypeAlias = RemoteContext | LocalContext | InstalledContext
"""The session of a request, in one of the three versions."""


def parse_context(context: bytes, *, field: str = "context") -> Context:
    """Parse the bytes of a context.

    An empty signature or blob is accepted here and rejected when it is verified. Raises: InvalidParams
    (context_malformed) for an unknown version and for a body that does not fit the version.
    """
    version = context[:1]
    body = context[1:]
    if version == bytes([_REMOTE]) and len(body) >= 16:
        return RemoteContext(session_id=SessionId(body[:16]), signature=Data(body[16:]))
    if version == bytes([_LOCAL]):
        return LocalContext(blob=Data(body))
    if version == bytes([_INSTALLED]) and len(body) == 5 and body[0] <= 1:
        return InstalledContext(is_global=bool(body[0]), entity_id=int.from_bytes(body[1:], "big"))
    expected = "00, a session id and a signature; 01 and a deferred action; or 02, 00 or 01, and an entity id"
    got = f"{len(context)} bytes of version 0x{version.hex()}" if context else "nothing"
    raise InvalidParams(f"expected {expected}; got {got}", reason="context_malformed", field=field)


def format_context(context: Context) -> Data:
    """Encode a context as bytes."""
    match context:
        case RemoteContext():
            return Data(bytes([_REMOTE]) + context.session_id + context.signature)
        case LocalContext():
            return Data(bytes([_LOCAL]) + context.blob)
        case InstalledContext():
            return Data(bytes([_INSTALLED, context.is_global]) + context.entity_id.to_bytes(4, "big"))
        case _:
            assert_never(context)

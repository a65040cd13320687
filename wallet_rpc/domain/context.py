"""Permission contexts: the bytes by which a client says under which session it acts.

    00 | session id (16) | owner's signature     the server keeps the session
    01 | deferred action blob                    the client keeps everything
    02 | 01 global or 00 | entity id (4)         already installed

Source: Alchemy's wallet-api-types 0.2.0 (the three versions and their lengths).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from wallet_rpc.domain.deferred_action import SignedDeferredAction, parse_blob
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data, SessionId

_REMOTE, _LOCAL, _INSTALLED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteContext:
    """A session the server keeps, and the owner's bare signature of it (65 bytes, or what a contract owner takes)."""

    session_id: SessionId
    signature: Data


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalContext:
    """A deferred action the client keeps; `blob` as `SignedDeferredAction.blob`."""

    blob: Data

    def parse_deferred_action(self, *, field: str = "context") -> SignedDeferredAction:
        """Its parts. Raises: InvalidParams (deferred_action_malformed)."""
        return parse_blob(self.blob, field=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledContext:
    """A validation that the account already has."""

    is_global: bool
    entity_id: int


Context: TypeAlias = RemoteContext | LocalContext | InstalledContext
"""Under which session a client acts."""


def parse_context(context: bytes, *, field: str = "context") -> Context:
    """The context that `context` encodes.

    An empty signature or blob is read; who uses it finds that it proves nothing. Raises: InvalidParams
    (context_malformed) for an unknown version and for a body that does not fit the version.
    """
    version, body = context[:1], context[1:]
    if version == bytes([_REMOTE]) and len(body) >= 16:
        return RemoteContext(session_id=SessionId(body[:16]), signature=Data(body[16:]))
    if version == bytes([_LOCAL]):
        return LocalContext(blob=Data(body))
    if version == bytes([_INSTALLED]) and len(body) == 5 and body[0] <= 1:
        return InstalledContext(is_global=bool(body[0]), entity_id=int.from_bytes(body[1:], "big"))
    expected = "00, a session id and a signature; 01 and a deferred action; or 02, 00 or 01, and an entity id"
    got = f"{len(context)} bytes of version 0x{version.hex()}" if context else "nothing"
    raise InvalidParams(f"{field}: expected {expected}; got {got}", reason="context_malformed", field=field)


def format_context(context: Context) -> Data:
    """The bytes of `context`."""
    match context:
        case RemoteContext():
            return Data(bytes([_REMOTE]) + context.session_id + context.signature)
        case LocalContext():
            return Data(bytes([_LOCAL]) + context.blob)
        case InstalledContext():
            return Data(bytes([_INSTALLED, context.is_global]) + context.entity_id.to_bytes(4, "big"))
        case _:
            assert_never(context)

"""`wallet_setSessionTags`: replace the tags of a session, by which sessions are listed and stopped."""

from __future__ import annotations

from wallet_rpc.errors import Conflict, NotFound, Unauthorized
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import SessionId
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.services.session_tags import Tags, replace_tags
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class SetSessionTags:
    """A session of the caller's organisation, and its new tags."""

    session_id: SessionId
    """Id of a session that the caller's organisation created here."""
    tags: Tags
    """Tags that replace the earlier ones; an empty list removes all."""


@shape
class SessionTags:
    """The tags of a session."""

    session_id: SessionId
    """Id of the request."""
    tags: tuple[str, ...]
    """Tags of the session, sorted."""


async def run(ports: Ports, request: SetSessionTags) -> SessionTags:
    """Replace the tags; a caller without an API key may do so only for sessions that it created."""
    named = await find_session(ports, SessionSelector(session_id=request.session_id))
    session = named.session
    if session is None:
        text = f"no session {request.session_id} is stored here"
        raise NotFound(text, field="params.sessionId", reason="session_not_found")
    if ports.caller.is_anonymous and session.holder != ports.caller.holder_digest:
        raise Unauthorized("expected an API key, or the caller that created the session", reason="api_key_required")
    tags = tuple(sorted(set(request.tags)))
    await replace_tags(ports, session.id, tags)
    return SessionTags(session_id=request.session_id, tags=tags)


OPERATION: Operation[Ports, SetSessionTags, SessionTags] = Operation(
    "wallet_setSessionTags",
    SetSessionTags,
    SessionTags,
    run,
    "Replace the tags of a session, by which sessions are listed and stopped.",
    (Conflict, NotFound, Unauthorized),
    reasons=("session_not_found", "api_key_required", "stop_is_final"),
    description=(
        "The session is one that the caller's organisation created here. A caller without an API key may tag only "
        "sessions that it created itself. A tag by which a kill switch revokes the session stays."
    ),
)

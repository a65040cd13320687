"""Tags of sessions: labels of the caller's choice, by which sessions are listed and stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.session_stop import ScopeKind, StopMode, StopScope
from wallet_rpc.errors import Conflict, Unauthorized, WalletError
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import SessionId, preview, validation_error
from wallet_rpc.services.audit_log import log_event

LONGEST_TAG = 128
"""Maximum length of a tag in characters, as of a `workflowId`, which becomes a tag."""
MAX_TAGS = 16
"""Maximum number of tags of a session."""


def _check_printable(tag: str) -> str:
    if not tag.isprintable() or tag != tag.strip():
        raise validation_error("expected printable characters without spaces at the ends, got others")
    return tag


Tag: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG), AfterValidator(_check_printable)]
"""One tag."""
Tags: TypeAlias = Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)]
"""The tags of a session; equal ones count once."""


async def replace_tags(ports: Ports, session_id: SessionId, tags: Sequence[str]) -> None:
    """Replace the tags of a session, except those by which a kill switch stops it and which the caller may not remove.

    A switch that is set during the change holds too. Raises: Conflict, Unauthorized.
    """
    index = ports.store.session_index
    (present,) = await index.tags([session_id])
    removed = sorted(set(present) - set(tags))
    await _refuse_stopped(ports, removed)
    await log_event(ports, EventKind.GRANT_TAGGED, sessionId=session_id.hex0x(), tags=list(tags))
    await index.set_tags(session_id, tags)
    try:
        await _refuse_stopped(ports, removed)
    except WalletError:
        await index.set_tags(session_id, present)
        raise


async def _refuse_stopped(ports: Ports, removed: Sequence[str]) -> None:
    """Check that no kill switch keeps the tags on the session.

    Raises: Conflict (stop_is_final) for a tag whose sessions are revoked; Unauthorized (api_key_required) for one whose
    sessions are paused, if the caller has no API key and so could not resume them.
    """
    switches = await ports.store.stops.switches() if removed else {}
    for tag in removed:
        record = switches.get(StopScope(kind=ScopeKind.TAG, value=tag))
        if record is not None and record.mode is StopMode.REVOKE:
            text = (
                f"expected the tag {preview(tag)} to stay, because a kill switch revokes its sessions, which is final"
            )
            raise Conflict(text, field="params.tags", reason="stop_is_final")
        if record is not None and ports.caller.is_anonymous:
            raise Unauthorized(
                f"expected an API key, because a kill switch pauses the sessions with the tag {preview(tag)}",
                reason="api_key_required",
            )


async def add_tag(ports: Ports, session_id: SessionId, tag: str) -> None:
    """Add a tag to a session's tags."""
    index = ports.store.session_index
    (tags,) = await index.tags([session_id])
    if tag not in tags:
        await index.set_tags(session_id, [*tags, tag])

"""`DELETE /api/v1/burner/sessions/{id}`: a session token ends before its time. Ours.

The rule: first the log, then what refuses. When the second fails, asking again completes it; at worst the log has an
entry twice, never none.
"""

from __future__ import annotations

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import Conflict, NotFound
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.session_tokens import api_key_of, build_token_paths
from wallet_rpc.wire import shape


@shape
class RevokeToken:
    """Which token: its `jti`."""

    id: str


@shape
class RevokedToken:
    """The token, and since when it is refused."""

    id: str
    revoked_at: Time


async def run(ports: Ports, request: RevokeToken) -> RevokedToken:
    """Raises: NotFound for a token that is over or of another key; Conflict when it was revoked before."""
    key, now = api_key_of(ports), ports.clock.now()
    claims = await ports.store.tokens.get(request.id)
    if claims is None or claims.key != key.id or now >= claims.expires_at:
        raise NotFound("Session not found", reason="session_token_not_found")
    if await ports.store.tokens.is_revoked(claims.id):
        raise _build_revoked_error()
    await log_event(ports, EventKind.TOKEN_REVOKED, id=claims.id)
    if not await ports.store.tokens.revoke(claims.id, until=claims.expires_at):  # another request was faster
        raise _build_revoked_error()
    return RevokedToken(id=claims.id, revoked_at=now)


def _build_revoked_error() -> Conflict:
    return Conflict("Session already revoked", reason="session_token_already_revoked")


OPERATION: Operation[Ports, RevokeToken, RevokedToken] = Operation(
    "revokeToken",
    RevokeToken,
    RevokedToken,
    run,
    "End a session token that was made with the same key.",
    (NotFound, Conflict),
    need=READ_ACCESS,
    rest=RestRoute(verb="DELETE", paths=build_token_paths("{id}"), error_format=ErrorFormat.TOKEN, statuses=(404, 409)),
)

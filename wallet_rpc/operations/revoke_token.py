"""`DELETE /api/v1/burner/sessions/{id}`: revoke a session token before it expires.

Defined by wallet-rpc, not by the hosted service.

Write order: first the audit log, then the revocation. If the second write fails, repeating the request completes it.
The log may then have an entry twice, but never none.
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
    """The token to revoke, by its `jti`."""

    id: str
    """Claim `jti` of the token, 32 hex digits."""


@shape
class RevokedToken:
    """The token and the time of its revocation."""

    id: str
    """Claim `jti` of the token."""
    revoked_at: Time
    """Time of the revocation, as RFC 3339 text in UTC."""


async def run(ports: Ports, request: RevokeToken) -> RevokedToken:
    """Revoke a token of the caller's API key.

    Raises: NotFound for an unknown or expired token and for a different key's token; Conflict if already revoked.
    """
    key = api_key_of(ports)
    now = ports.clock.now()
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
    "Revoke a session token that was created with the same API key.",
    (NotFound, Conflict),
    need=READ_ACCESS,
    rest=RestRoute(verb="DELETE", paths=build_token_paths("{id}"), error_format=ErrorFormat.TOKEN, statuses=(404, 409)),
    description="The token is rejected from then on. An API key can revoke its own tokens only.",
)

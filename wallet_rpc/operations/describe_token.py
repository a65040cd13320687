"""`GET /api/v1/burner/sessions/me`: wallet, scopes and expiry of the session token that the request carries.

Defined by wallet-rpc, not by the hosted service.
"""

from __future__ import annotations

from wallet_rpc.domain.access import RequiredAccess, Scope, build_invalid_token_error
from wallet_rpc.domain.times import Time
from wallet_rpc.operations.operation import Credential, ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.services.session_tokens import build_token_paths
from wallet_rpc.wire import shape


@shape
class DescribeToken:
    """An empty request; the credential identifies the token."""


@shape
class DescribedToken:
    """A token's wallet, its scopes, and the first second at which it is no longer valid."""

    wallet_address: str
    """Address that the token is bound to."""
    scopes: tuple[Scope, ...]
    """Rights of the token."""
    expires_at: Time
    """First second at which the token is no longer valid, as RFC 3339 text in UTC."""


async def run(ports: Ports, request: DescribeToken) -> DescribedToken:
    """Return the claims of the caller's token. Raises: Unauthorized for a caller without a token."""
    token = ports.caller.token
    if token is None:
        raise build_invalid_token_error()
    return DescribedToken(wallet_address=token.wallet.address, scopes=token.scopes, expires_at=token.expires_at)


OPERATION: Operation[Ports, DescribeToken, DescribedToken] = Operation(
    "describeToken",
    DescribeToken,
    DescribedToken,
    run,
    "Get the wallet, scopes and expiry of the session token that the request carries.",
    need=RequiredAccess(writes=False, scopes=tuple(Scope)),
    rest=RestRoute(
        verb="GET", paths=build_token_paths("me"), error_format=ErrorFormat.TOKEN, credential=Credential.TOKEN
    ),
    description="The token in the `Authorization` header is the only input.",
)

"""`GET /api/v1/burner/sessions/me`: what a session token is good for, told to whoever holds it. Ours."""

from __future__ import annotations

from wallet_rpc.domain.access import RequiredAccess, Scope, build_invalid_token_error
from wallet_rpc.domain.times import Time
from wallet_rpc.operations.operation import Credential, ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.services.session_tokens import build_token_paths
from wallet_rpc.wire import shape


@shape
class DescribeToken:
    """Nothing: the token says which one is meant."""


@shape
class DescribedToken:
    """Whose wallet it is for, what it may do, and the second from which on it is refused."""

    wallet_address: str
    scopes: tuple[Scope, ...]
    expires_at: Time


async def run(ports: Ports, request: DescribeToken) -> DescribedToken:
    """Raises: Unauthorized for a caller without a token."""
    token = ports.caller.token
    if token is None:
        raise build_invalid_token_error()
    return DescribedToken(wallet_address=token.wallet.address, scopes=token.scopes, expires_at=token.expires_at)


OPERATION: Operation[Ports, DescribeToken, DescribedToken] = Operation(
    "describeToken",
    DescribeToken,
    DescribedToken,
    run,
    "Tell what the session token is good for that is shown.",
    need=RequiredAccess(writes=False, scopes=tuple(Scope)),
    rest=RestRoute(
        verb="GET", paths=build_token_paths("me"), error_format=ErrorFormat.TOKEN, credential=Credential.TOKEN
    ),
)

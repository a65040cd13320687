"""`GET /api/v1/burner/sessions/me`: what a session token is good for, told to whoever holds it. Ours."""

from __future__ import annotations

from wallet_rpc.domain.access import Need, Scope, no_token
from wallet_rpc.domain.times import Time
from wallet_rpc.operations.operation import Credential, Dialect, Operation, Rest
from wallet_rpc.ports import Ports
from wallet_rpc.services.session_tokens import below
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
        raise no_token()
    return DescribedToken(wallet_address=token.wallet.address, scopes=token.scopes, expires_at=token.expires_at)


OPERATION: Operation[Ports, DescribeToken, DescribedToken] = Operation(
    "describeToken",
    DescribeToken,
    DescribedToken,
    run,
    "Tell what the session token is good for that is shown.",
    need=Need(writes=False, scopes=tuple(Scope)),
    rest=Rest(verb="GET", paths=below("me"), dialect=Dialect.TOKEN, credential=Credential.TOKEN),
)

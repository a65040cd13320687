"""Submission tickets: what a session token may send is what this server built for it.

Source: seed 004 (`submissionTicket`); the user operation's hash in place of the message's.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.primitives import Address, ChainId, Hash32, SessionId, UnixSeconds
from wallet_rpc.wire import shape

TICKET_SECONDS = 600
"""How long a ticket holds; sending again what was sent needs none that is younger."""


@shape
class Ticket:
    """The server built this operation for this account on this chain; in one letter each on the wire."""

    hash: Annotated[Hash32, Field(alias="h")]
    """Of the user operation, or what names an authorization that is sent alone."""
    authorization: Annotated[Hash32 | None, Field(alias="a")] = None
    """What names the authorization that travels with the operation, if one was prepared with it."""
    wallet: Annotated[Address, Field(alias="w")]
    """The account that acts."""
    chain_id: Annotated[ChainId, Field(alias="c")]
    session_id: Annotated[SessionId | None, Field(alias="s")] = None
    """The session that it was built under, where the permissions name one of this server."""
    expires_at: Annotated[UnixSeconds, Field(alias="exp")]
    """The first second at which it is refused."""

    def is_expired(self, now: UnixSeconds) -> bool:
        """Whether its time is over."""
        return now >= self.expires_at

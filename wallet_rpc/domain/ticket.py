"""Submission tickets: they restrict a session token to sending operations that this server prepared for it.

Source: seed 004 (`submissionTicket`), with the user operation's hash instead of the message's.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.primitives import Address, ChainId, Hash32, SessionId, UnixSeconds
from wallet_rpc.wire import shape

TICKET_SECONDS = 600
"""Validity of a ticket, in seconds. Resending a sent operation does not need a newer ticket."""


@shape
class Ticket:
    """Proof that the server prepared an operation for an account on a chain. Names on the wire are short."""

    hash: Annotated[Hash32, Field(alias="h")]
    """Hash of the user operation, or `authorization_hash` of an authorization sent without one."""
    authorization: Annotated[Hash32 | None, Field(alias="a")] = None
    """`authorization_hash` of the authorization that was prepared with the operation, if any."""
    wallet: Annotated[Address, Field(alias="w")]
    """The account that sends the operation."""
    chain_id: Annotated[ChainId, Field(alias="c")]
    session_id: Annotated[SessionId | None, Field(alias="s")] = None
    """The session of the operation, if the permissions name a session of this server."""
    expires_at: Annotated[UnixSeconds, Field(alias="exp")]
    """The first second in which the ticket is rejected."""

    def is_expired(self, now: UnixSeconds) -> bool:
        """Return True if the ticket has expired at `now`."""
        return now >= self.expires_at

"""Submission tickets: a caller with a session token may send only calls that this server prepared for its wallet.

Callers without a token get no tickets and need none. Sent calls may be sent again with an expired ticket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from wallet_rpc.domain.capabilities import ContextPermissions, PermissionsCapability, SessionPermissions
from wallet_rpc.domain.context import RemoteContext, parse_context
from wallet_rpc.domain.ticket import TICKET_SECONDS, Ticket
from wallet_rpc.errors import Forbidden
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Hash32, SessionId, UnixSeconds
from wallet_rpc.services.session_stops import PERMISSIONS
from wallet_rpc.services.submission import find_call


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketSubject:
    """The subject of a ticket: prepared calls of an account, identified by their hash, by a session or by the owner."""

    account: Address
    chain: ChainPorts
    hash: Hash32
    authorization: Hash32 | None = None
    """The hash of the authorization that accompanies a user operation, whose own hash does not cover it."""
    permissions: PermissionsCapability | None = None

    def to_ticket(self, *, expires_at: UnixSeconds) -> Ticket:
        """Build the ticket of this subject. Raises: InvalidParams (context_malformed)."""
        return Ticket(
            hash=self.hash,
            authorization=self.authorization,
            wallet=self.account,
            chain_id=self.chain.chain_id,
            session_id=session_id_of(self.permissions),
            expires_at=expires_at,
        )


def session_id_of(permissions: PermissionsCapability | None) -> SessionId | None:
    """Return the id of a session of this server; None for other contexts, whose session the nonce identifies."""
    match permissions:
        case SessionPermissions(session_id=session_id):
            return session_id
        case ContextPermissions(context=context):
            parsed = parse_context(context, field=f"{PERMISSIONS}.context")
            return parsed.session_id if isinstance(parsed, RemoteContext) else None
        case None:
            return None
        case _:
            assert_never(permissions)


def issue_ticket(ports: Ports, subject: TicketSubject) -> str | None:
    """Sign the ticket that a caller with a session token needs to send the calls; None for other callers."""
    if ports.caller.token is None or ports.token_signer is None:
        return None
    return ports.token_signer.sign_ticket(subject.to_ticket(expires_at=ports.clock.now() + TICKET_SECONDS))


async def verify_ticket(ports: Ports, subject: TicketSubject, raw_ticket: str | None) -> None:
    """Check the submission ticket of a caller with a session token; other callers need none.

    Raises: Forbidden when the ticket is missing, not signed by this server, for other calls, or expired before the
    calls were sent.
    """
    if ports.caller.token is None or ports.token_signer is None:
        return
    if raw_ticket is None:
        raise Forbidden(
            "Submission ticket required: send back the submissionTicket that wallet_prepareCalls returned",
            reason="submission_ticket_required",
        )
    ticket = ports.token_signer.read_ticket(raw_ticket)
    if ticket != subject.to_ticket(expires_at=ticket.expires_at):
        raise Forbidden("Invalid submission ticket: it is for other calls", reason="submission_ticket_invalid")
    if ticket.is_expired(ports.clock.now()) and await find_call(ports, subject.chain, subject.hash) is None:
        raise Forbidden("Submission ticket expired: prepare the calls again", reason="submission_ticket_expired")

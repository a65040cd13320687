"""Tests of submission tickets: short names on the wire, and expiry."""

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, uint32
from wallet_rpc import wire
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.primitives import Hash32, SessionId

seconds = st.integers(0, 2**48 - 1)
tickets = st.builds(
    Ticket,
    hash=st.binary(min_size=32, max_size=32).map(Hash32),
    wallet=addresses,
    chain_id=uint32,
    authorization=st.none() | st.binary(min_size=32, max_size=32).map(Hash32),
    session_id=st.none() | st.binary(min_size=16, max_size=16).map(SessionId),
    expires_at=seconds,
)


@given(tickets)
def test_a_ticket_is_written_in_single_letters_and_reads_back(ticket: Ticket) -> None:
    written = wire.encode(Ticket, ticket)
    named = {"s": ticket.session_id, "a": ticket.authorization}
    assert set(written) == {"h", "w", "c", "exp"} | {letter for letter, value in named.items() if value is not None}
    assert wire.decode(Ticket, written) == ticket


@given(tickets, seconds)
def test_a_ticket_is_expired_from_its_first_rejected_second_on(ticket: Ticket, now: int) -> None:
    assert ticket.is_expired(now) == (now >= ticket.expires_at)
    assert ticket.is_expired(ticket.expires_at)

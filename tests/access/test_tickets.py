"""Property tests of submission tickets, which are valid exactly for the calls they were issued for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.access.callers import TOKEN_SIGNER, a_key, by_token
from tests.support.api_keys import caller_of
from wallet_rpc.adapters.system import SystemClock, SystemEntropy
from wallet_rpc.domain.access import Caller, Scope
from wallet_rpc.domain.capabilities import ContextPermissions, PermissionsCapability, SessionPermissions
from wallet_rpc.domain.ticket import TICKET_SECONDS
from wallet_rpc.errors import Forbidden, InvalidParams
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Data, Hash32, SessionId
from wallet_rpc.services.submission_tickets import TicketSubject, issue_ticket, verify_ticket

TOKEN = by_token(Scope.TRANSACTIONS_BUILD, Scope.TRANSACTIONS_SUBMIT)
NOTHING = cast("Any", None)
"""A placeholder for ports that these tests do not use."""
session_ids = st.binary(min_size=16, max_size=16).map(SessionId)


def context_of(session_id: SessionId) -> ContextPermissions:
    return ContextPermissions(context=Data(b"\0" + session_id + b"\1" * 65))


def permissions() -> st.SearchStrategy[PermissionsCapability | None]:
    by_session = session_ids.map(
        lambda session_id: SessionPermissions(session_id=session_id, signature=Data(b"\1" * 65))
    )
    return st.none() | by_session | session_ids.map(context_of)


def chain(chain_id: int) -> ChainPorts:
    return ChainPorts(chain_id=chain_id, node=NOTHING, bundler=NOTHING, paymaster=None)


subjects = st.builds(
    TicketSubject,
    account=st.binary(min_size=20, max_size=20).map(Address),
    chain=st.integers(1, 2**32 - 1).map(chain),
    hash=st.binary(min_size=32, max_size=32).map(Hash32),
    authorization=st.none() | st.binary(min_size=32, max_size=32).map(Hash32),
    permissions=permissions(),
)


def ports(caller: Caller = TOKEN) -> Ports:
    return Ports(
        chains={}, store=NOTHING, clock=SystemClock(), entropy=SystemEntropy(), caller=caller, token_signer=TOKEN_SIGNER
    )


def check_ticket(subject: TicketSubject, ticket: str | None, caller: Caller = TOKEN) -> None:
    """Verify a ticket by running the coroutine for one step: it ends there, because it awaits nothing."""
    with pytest.raises(StopIteration):
        verify_ticket(ports(caller), subject, ticket).send(None)


def is_accepted(subject: TicketSubject, ticket: str | None, caller: Caller = TOKEN) -> bool:
    try:
        check_ticket(subject, ticket, caller)
    except Forbidden:
        return False
    return True


def session_of(subject: TicketSubject) -> bytes | None:
    match subject.permissions:
        case SessionPermissions(session_id=session_id):
            return session_id
        case ContextPermissions(context=context):
            return context[1:17]
        case None:
            return None


def claims_of(subject: TicketSubject) -> tuple[object, ...]:
    return subject.account, subject.chain, subject.hash, subject.authorization, session_of(subject)


@given(subjects)
def test_a_ticket_is_valid_for_the_calls_it_was_issued_for(subject: TicketSubject) -> None:
    assert is_accepted(subject, issue_ticket(ports(), subject))


@given(
    subjects,
    subjects,
    st.lists(st.sampled_from(["account", "chain", "hash", "authorization", "permissions"]), min_size=1),
)
def test_a_ticket_is_invalid_for_other_calls(subject: TicketSubject, other: TicketSubject, changed: list[str]) -> None:
    changes: dict[str, Any] = {name: getattr(other, name) for name in changed}
    another = replace(subject, **changes)
    assume(claims_of(another) != claims_of(subject))
    assert not is_accepted(another, issue_ticket(ports(), subject))


@given(subjects, session_ids)
def test_a_session_is_the_same_by_its_id_and_by_its_context(subject: TicketSubject, session_id: SessionId) -> None:
    by_id = replace(subject, permissions=SessionPermissions(session_id=session_id, signature=Data(b"\2" * 65)))
    by_context = replace(subject, permissions=context_of(session_id))
    assert is_accepted(by_id, issue_ticket(ports(), by_context))
    assert is_accepted(by_context, issue_ticket(ports(), by_id))


@given(subjects, st.none() | st.text())
def test_a_token_needs_a_ticket_that_this_server_signed(subject: TicketSubject, ticket: str | None) -> None:
    assert not is_accepted(subject, ticket)


@given(subjects, st.none() | st.text())
def test_keys_and_anonymous_callers_get_no_tickets_and_need_none(subject: TicketSubject, ticket: str | None) -> None:
    for caller in (caller_of(a_key()), Caller(name="127.0.0.1")):
        assert issue_ticket(ports(caller), subject) is None
        assert is_accepted(subject, ticket, caller)


@given(subjects)
def test_a_ticket_is_valid_for_ten_minutes(subject: TicketSubject) -> None:
    before = SystemClock().now()
    ticket = TOKEN_SIGNER.read_ticket(issue_ticket(ports(), subject) or "")
    assert before + TICKET_SECONDS <= ticket.expires_at <= SystemClock().now() + TICKET_SECONDS
    assert (ticket.is_expired(ticket.expires_at - 1), ticket.is_expired(ticket.expires_at)) == (False, True)
    assert TICKET_SECONDS == 600


@pytest.mark.parametrize(
    ("context", "session_id"),
    [("02" + "01" + "00000007", None), ("01" + "ab" * 40, None), ("00" + "07" * 16, SessionId(b"\7" * 16))],
)
def test_a_ticket_names_only_sessions_of_this_server(context: str, session_id: SessionId | None) -> None:
    subject = TicketSubject(
        account=Address(b"\1" * 20),
        chain=chain(1),
        hash=Hash32(b"\2" * 32),
        permissions=ContextPermissions(context=Data(bytes.fromhex(context))),
    )
    assert TOKEN_SIGNER.read_ticket(issue_ticket(ports(), subject) or "").session_id == session_id


def test_a_malformed_context_is_rejected_as_elsewhere() -> None:
    malformed = ContextPermissions(context=Data(b"\xff"))
    subject = TicketSubject(account=Address(b"\1" * 20), chain=chain(1), hash=Hash32(b"\2" * 32), permissions=malformed)
    ticket = TOKEN_SIGNER.sign_ticket(replace(subject, permissions=None).to_ticket(expires_at=SystemClock().now() + 9))
    with pytest.raises(InvalidParams) as error_info:
        check_ticket(subject, ticket)
    assert error_info.value.reason == "context_malformed"

"""`wallet_getSession`: one session, with all that is known of it here and on chain."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId, RequiredAccess, Scope
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState, status_code
from wallet_rpc.domain.cursor import PlaceCursor
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.domain.session_reference import NamedSession
from wallet_rpc.domain.session_state import Difference, SessionStatus
from wallet_rpc.domain.session_stop import StopMode, find_switches
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.errors import LimitExceeded, NotFound, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations.access_control import is_of_caller
from wallet_rpc.operations.get_calls_status import StatusCode
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import SELECTOR_REASONS
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import BlockNumber, Data, Hash32, UnixSeconds
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.call_failures import CallError, find_call_error
from wallet_rpc.services.decoded_operations import OperationCall, decode_operations
from wallet_rpc.services.kill_switches import ListedStop, describe_stop, read_owner_stops
from wallet_rpc.services.rule_descriptions import NO_RULES, RulesDescription, describe_rules
from wallet_rpc.services.session_changes import list_pausers
from wallet_rpc.services.session_discovery import AllowlistSearch
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.services.session_reservations import read_open_calls
from wallet_rpc.services.session_view import AllowedContract, SessionOverview, read_view
from wallet_rpc.wire import shape, strict_shape

MAX_CALLS = 100
"""Maximum number of a session's calls in one response."""


@strict_shape
class GetSession(SessionSelector):
    """A session, and the page of its calls to return."""

    calls_limit: Annotated[int, Field(strict=True, ge=0, le=MAX_CALLS), BeforeValidator(exact_integer)] = 20
    """Maximum number of calls in the response."""
    calls_cursor: Annotated[bytes, PlaceCursor(40)] | None = None
    """Cursor of the previous page of calls. Default: the newest calls."""


@shape
class SessionCall:
    """One user operation that the session signed, and its outcome."""

    call_id: Data
    """Call id, as `wallet_sendPreparedCalls` returned it."""
    hash: Hash32
    """Hash of the user operation."""
    sent_at: UnixSeconds
    """Time at which the server accepted the call."""
    status: StatusCode
    """100 pending, 110 or 115 on chain but not final, 200 confirmed, 400 not sent, 500 reverted."""
    state: CallState
    """State of the call."""
    calls: tuple[OperationCall, ...] | None = None
    """Calls of the operation, decoded; absent if its call data cannot be decoded.

    Of the operations of a response, the newest whose call data has together at most 1 MiB are decoded by function.
    """
    transaction_hash: Hash32 | None = None
    """Transaction that includes the operation."""
    error: CallError | None = None
    """Error that the calls reverted with, or that kept the operation from being sent."""


@shape
class Registration:
    """Creation and registration of a session by the caller's organisation."""

    organization: OrganizationId
    """Organisation that created the session."""
    holder: str | None = None
    """First 32 hex digits of the SHA-256 of the creating API key's id, or of the address of a caller without one.

    Callers without a key see only their own, since an address can be guessed.
    """
    group_id: str | None = None
    """Group that the session was registered in."""
    wallet_id: str | None = None
    """Wallet id of the registration."""
    workflow_id: str | None = None
    """Label of the registration."""
    registered_at: UnixSeconds | None = None
    """Time of the registration."""


@shape
class SessionReport(SessionOverview):
    """One session with its allowlist, its differences from the grant, its registration and its calls."""

    contracts: tuple[AllowedContract, ...] | None = None
    """Contracts that the session may call, as the module on chain has them; absent without an allowlist."""
    allowlist_from_block: BlockNumber | None = None
    """First block in whose events the rows of the allowlist were searched; absent if the grant is known here."""
    is_allowlist_complete: bool | None = None
    """True if that search reached the session's installation; absent if the grant is known here."""
    paused_by: tuple[str, ...] = ()
    """Parties that paused the session: `owner`, `organization` for the caller's own, or `another organization`."""
    stops: tuple[ListedStop, ...] = ()
    """Stops of more than this session that hold for it: those of its account that the owner signed, and kill switches.

    Of the kill switches, those of the caller's organisation.
    """
    differences: tuple[Difference, ...] = ()
    """Parts of the installed session that are not as they were granted."""
    registration: Registration | None = None
    """Creation and registration of the session; absent for a session that is not stored here."""
    rules: RulesDescription | None = None
    """Rules that this server keeps for the session, with the used amounts of each; absent without any."""
    calls_in_flight: int
    """Number of calls that are accepted and not yet executed; of the newest 500."""
    calls: tuple[SessionCall, ...]
    """Calls that were sent through this server by the caller's organisation, the newest first."""
    calls_cursor: Annotated[bytes, PlaceCursor(40)] | None = None
    """Cursor of the next page of calls; absent on the last page."""


async def run(ports: Ports, request: GetSession) -> SessionReport:
    """Read a session from the store and the chain."""
    named = await find_session(ports, request)
    reference = named.reference
    if not await is_of_caller(ports, reference.account):
        raise NotFound(f"no session {named.id} is stored here", field="params", reason="session_not_found")
    chain = chain_of(ports, reference.chain_id)
    registration, (tags,), rules, open_calls, (calls, calls_cursor) = await asyncio.gather(
        _read_registration(ports, named),
        _read_tags(ports, named),
        describe_rules(ports, reference),
        read_open_calls(ports, reference),
        _read_calls(ports, chain, named, request),
    )
    search = AllowlistSearch(chain=chain, reference=reference)
    view = await read_view(ports, chain, named, open_calls=open_calls, tags=tags, find_names=search.find_names)
    paused_by, stops = await _read_stops(ports, named, view.item)
    is_searched = named.install is None and view.contracts is not None
    return SessionReport(
        **_read_fields(view.item),
        contracts=view.contracts,
        allowlist_from_block=search.first_block,
        is_allowlist_complete=search.is_complete if is_searched else None,
        paused_by=paused_by,
        stops=stops,
        differences=view.differences,
        registration=registration,
        rules=None if rules == NO_RULES else rules,
        calls_in_flight=view.calls_in_flight,
        calls=calls,
        calls_cursor=calls_cursor,
    )


def _read_fields(item: SessionOverview) -> dict[str, Any]:
    return {each.name: getattr(item, each.name) for each in fields(item)}


async def _read_stops(
    ports: Ports, named: NamedSession, item: SessionOverview
) -> tuple[tuple[str, ...], tuple[ListedStop, ...]]:
    """Return who paused the session, and the stops of more than this session that hold for it."""
    store, reference = ports.store.stops, named.reference
    stops, signed, switches, tags = await asyncio.gather(
        store.read(reference),
        read_owner_stops(ports, reference.account, reference.chain_id),
        store.switches(),
        store.tags_of(store.organization, reference, named.id),
    )
    scopes = find_switches(switches, account=reference.account, key=item.signer, tags=tags)
    pausers = set(list_pausers(ports, stops))
    if any(switches[scope].mode is StopMode.PAUSE for scope in scopes):
        pausers.add("organization")
    if item.state is SessionStatus.PAUSED and not pausers:
        pausers.add("another organization")
    return tuple(sorted(pausers)), (*signed, *(describe_stop(scope, switches[scope]) for scope in scopes))


async def _read_tags(ports: Ports, named: NamedSession) -> tuple[tuple[str, ...]]:
    if named.id is None:
        return ((),)
    (tags,) = await ports.store.session_index.tags([named.id])
    return (tags,)


async def _read_registration(ports: Ports, named: NamedSession) -> Registration | None:
    if named.session is None:
        return None
    group = await ports.store.groups.find_by_session(named.session.id)
    caller, holder = ports.caller, named.session.holder
    is_open = caller.is_anonymous and caller.organization == OPEN_ORGANIZATION
    is_shown = not is_open or holder == caller.holder_digest
    known = Registration(organization=caller.organization, holder=holder if is_shown and holder else None)
    if group is None:
        return known
    return replace(
        known,
        group_id=group.id,
        wallet_id=group.wallet_id,
        workflow_id=group.workflow_id,
        registered_at=group.created_at,
    )


async def _read_calls(
    ports: Ports, chain: ChainPorts, named: NamedSession, request: GetSession
) -> tuple[tuple[SessionCall, ...], bytes | None]:
    if request.calls_limit == 0:
        return (), None
    page = await ports.store.calls.page_of_session(
        named.reference,
        now=ports.clock.now(),
        after=request.calls_cursor or b"",
        limit=request.calls_limit,
    )
    calls = await decode_operations(chain, page.calls)
    described = (_describe_call(*each, named.install) for each in zip(page.calls, calls, strict=True))
    return tuple(described), page.next_page or None


def _describe_call(
    record: CallRecord, calls: tuple[OperationCall, ...] | None, install: ValidationInstall | None
) -> SessionCall:
    receipt = record.read_receipt()
    return SessionCall(
        call_id=format_call_id(record.chain_id, record.hash),
        hash=record.hash,
        sent_at=record.sent_at,
        status=status_code(record.state, succeeded=record.succeeded),  # type: ignore[arg-type]  # one of the six
        state=record.state,
        calls=calls,
        transaction_hash=None if receipt is None else receipt.transaction_hash,
        error=find_call_error(record, install),
    )


def _is_long(session: SessionReport) -> bool:
    return len(session.permissions) + len(session.calls) > 1


OPERATION: Operation[Ports, GetSession, SessionReport] = Operation(
    "wallet_getSession",
    GetSession,
    SessionReport,
    run,
    "Get one session: its rights, its state, the rest of each limit by the chain, and its calls.",
    (LimitExceeded, NotFound, UnreadableAnswer, UnsupportedChain),
    need=RequiredAccess(writes=False, scopes=(Scope.WALLET_READ,)),
    wallets=lambda request: () if request.account is None else (request.account,),
    is_long=_is_long,
    reasons=(*SELECTOR_REASONS, "session_not_on_chain", "answer_too_large"),
    description=(
        "Name the session by its id, by a permission context, or by account, chain and entity id, which also finds a "
        "session that was not created here. What the chain says is the truth: state, signer, allowlist and limits "
        "are read from the account and its modules."
    ),
)

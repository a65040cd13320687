"""`wallet-rpc session list | show`: an organisation's sessions with their state and the rest of their limits by chain.

They read the chains that the settings name. A session on another chain is listed with the state `unknown`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from wallet_rpc.cli.administration import Job, Report
from wallet_rpc.cli.session_explain import format_function
from wallet_rpc.cli.session_stops import check_tag, open_ports
from wallet_rpc.config.settings import SettingError, variable
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.domain.session_reference import SessionQuery
from wallet_rpc.domain.session_state import SessionStatus
from wallet_rpc.domain.times import format_time
from wallet_rpc.errors import WalletError
from wallet_rpc.operations import get_session
from wallet_rpc.operations.get_session import GetSession, SessionCall, SessionReport
from wallet_rpc.operations.list_sessions import SessionOverviews
from wallet_rpc.primitives import Address, UnixSeconds, preview
from wallet_rpc.services.session_list import list_sessions
from wallet_rpc.services.session_view import SessionLimit, SessionOverview
from wallet_rpc.wire import encode

_HEADS = ("SESSION", "STATE", "CHAIN", "ACCOUNT", "SIGNER", "UNTIL", "LEFT", "TAGS")


async def _list(job: Job) -> Report:
    options = job.options
    check_tag(options.tag)
    query = SessionQuery(account=options.account, key=options.session_key, chain_id=options.chain, tag=options.tag)
    state = None if options.state is None else _parse_state(options.state)
    found: list[SessionOverview] = []
    after = options.cursor or b""
    async with open_ports(job) as ports:
        while True:
            try:
                page = await list_sessions(ports, query, state=state, after=after, limit=options.limit - len(found))
            except WalletError as error:
                raise SettingError(f"session list: {error.message}") from None
            found += page.sessions
            after = page.next_page
            if not after or len(found) >= options.limit:
                break
        unread = sorted({each.chain_id for each in found if each.state is SessionStatus.UNKNOWN})
        missing = [each for each in unread if each not in ports.chains]
    value = encode(SessionOverviews, SessionOverviews(sessions=tuple(found), cursor=after or None))
    lines = _format_table([_HEADS, *map(_list_cells, found)]) if found else ["no sessions"]
    if "cursor" in value:
        lines.append(f"More: --cursor {value['cursor']}")
    lines += [f"Chain {each}: {_explain_unknown(is_configured=each not in missing)}" for each in unread]
    return Report(value=value, lines=lines)


def _explain_unknown(*, is_configured: bool) -> str:
    """Return the reason why the state of a chain's sessions is unknown."""
    if is_configured:
        return "its node did not answer, so the state of these sessions is unknown; `wallet-rpc doctor` checks it."
    return f"it is not in {variable('chains')}, so the state of these sessions is unknown."


def _parse_state(text: str) -> SessionStatus:
    try:
        return SessionStatus(text)
    except ValueError:
        raise SettingError(f"--state: expected one of {', '.join(SessionStatus)}, got {preview(text)}") from None


def _list_cells(session: SessionOverview) -> tuple[str, ...]:
    return (
        "-" if session.session_id is None else session.session_id.hex0x(),
        session.state.value,
        str(session.chain_id),
        _shorten(session.account),
        "-" if session.signer is None else _shorten(session.signer),
        _format_second(session.valid_until),
        "; ".join(map(_format_limit, session.limits)) or "-",
        ", ".join(session.tags) or "-",
    )


def _format_table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _shorten(address: Address) -> str:
    text = address.hex0x()
    return f"{text[:6]}…{text[-4:]}"


def _format_second(second: UnixSeconds | None) -> str:
    """Format a time without fractions; a dash for none."""
    return "-" if second is None else format_time(second).replace(".000Z", "Z")


def _format_limit(limit: SessionLimit) -> str:
    """Format the rest of a limit, such as `0.5 of 1 native` or `70 of 100 units of 0x7e57…0001`."""
    is_wei = limit.token is None
    left, granted = (
        None if amount is None else format_ether(amount) if is_wei else str(amount)
        for amount in (limit.remaining, limit.granted)
    )
    unit = {"native-token-transfer": "native", "gas-limit": "gas"}.get(limit.type)
    name = f"units of {_shorten(limit.token)}" if limit.token is not None else unit
    rest = f"{left} of {granted}" if granted is not None else left
    reserved = f" ({format_ether(limit.reserved) if is_wei else limit.reserved} reserved)" if limit.reserved else ""
    return f"{rest} {name}{reserved}"


async def _show(job: Job) -> Report:
    options = job.options
    by_entity = options.session is None
    if by_entity == (options.entity is None or options.account is None or options.chain is None):
        raise SettingError("session show: expected SESSION_ID, or --account, --chain and --entity")
    request = GetSession(
        session_id=options.session, account=options.account, chain_id=options.chain, entity_id=options.entity
    )
    async with open_ports(job) as ports:
        try:
            found = await get_session.run(ports, request)
        except WalletError as error:
            raise SettingError(f"session show: {error.message}") from None
    return Report(value=encode(SessionReport, found), lines=list(_show_lines(found)))


def _show_lines(session: SessionReport) -> Iterator[str]:
    yield f"Session:   {session.session_id or '-'}"
    yield f"State:     {session.state}"
    yield f"Account:   {session.account} on chain {session.chain_id}, entity id {session.entity_id}"
    yield f"Signer:    {session.signer or '-'}"
    yield f"Grant:     {session.sentence}"
    yield f"Until:     {_format_second(session.valid_until)}"
    yield from (f"Left:      {_format_limit(each)}" for each in session.limits)
    yield from (f"Differs:   {each.part}: {each.text}" for each in session.differences)
    for each in session.contracts or ():
        functions = "every function" if each.functions is None else ", ".join(map(str, each.functions))
        yield f"May call:  {'any other contract' if each.address is None else each.address}: {functions}"
    if session.tags:
        yield f"Tags:      {', '.join(session.tags)}"
    registration = session.registration
    if registration is not None:
        group = "" if registration.group_id is None else f", registered in {registration.group_id}"
        yield f"Created:   {_format_second(session.created_at)} by {registration.holder or '-'}{group}"
    yield f"In flight: {session.calls_in_flight}"
    for call in session.calls:
        yield from _format_operation(call)


def _format_operation(operation: SessionCall) -> Iterator[str]:
    """Format an operation: a line of its outcome, and one of each call by its function or selector."""
    error = "" if operation.error is None else f": {operation.error.message}"
    yield f"Call:      {_format_second(operation.sent_at)}  {operation.call_id.hex0x()}  {operation.state}{error}"
    for call in operation.calls or ():
        selector = f"0x{call.data[:4].hex()}" if call.data else ""
        function = format_function(call.decoded[0]) if call.decoded else selector
        value = f"{format_ether(call.value)} native" if call.value else ""
        yield f"           {'  '.join(filter(None, (_shorten(call.to), function, value)))}"
        for inner in call.decoded[1:]:
            yield f"           {'  ' * inner.depth}{_shorten(inner.to)}  {format_function(inner)}"


SESSION_ACTIONS: Mapping[tuple[str, str], Callable[[Job], Awaitable[Report]]] = {
    ("session", "list"): _list,
    ("session", "show"): _show,
}
"""The actions that change nothing."""

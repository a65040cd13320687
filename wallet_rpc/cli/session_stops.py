"""`wallet-rpc session pause | resume | revoke | rotate` and `stop`: the operator's stops, with or without a server.

They act for an organisation and need Redis alone. Where the session's chain is configured, revoking also prepares the
owner's operation, as rotating must.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.chain_clients import build_chain_clients
from wallet_rpc.cli.administration import Job, Report
from wallet_rpc.config.settings import SettingError, variable
from wallet_rpc.domain.access import Caller, OrganizationId
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.prepared import PreparedCalls
from wallet_rpc.domain.records import KeyType, SessionKey
from wallet_rpc.domain.session_reference import NamedSession, SessionQuery
from wallet_rpc.domain.session_stop import ORGANIZATION_SCOPE, ScopeKind, StopMode, StopScope
from wallet_rpc.domain.times import format_time
from wallet_rpc.errors import WalletError
from wallet_rpc.operations import revoke_session, rotate_session_key
from wallet_rpc.operations.session_stopping import SessionStopState, describe_stops
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, ChainId
from wallet_rpc.services.kill_switches import (
    ListedStop,
    describe_stop,
    list_account_stops,
    remove_switch,
    stop_calls_in_scope,
    store_switch,
)
from wallet_rpc.services.session_changes import Actor, pause_session, resume_session
from wallet_rpc.services.session_changes import revoke_session as revoke
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.services.session_tags import LONGEST_TAG
from wallet_rpc.wire import encode

_BY = "cli"
"""The party that sets a stop, as it is stored."""
_SESSIONS_AT_ONCE = 100
"""Number of sessions of a page of the index."""


@asynccontextmanager
async def open_ports(job: Job) -> AsyncIterator[Ports]:
    """Open the organisation's storage and the configured chains, without a caller's key."""
    organization = await job.organization()
    async with HttpClient() as http:
        clients = [build_chain_clients(setting, http) for setting in job.settings.chains or ()]
        chains: Mapping[ChainId, ChainPorts] = {each.ports.chain_id: each.ports for each in clients}
        yield Ports(
            chains=chains,
            store=job.store.for_organization(organization.id),
            clock=job.clock,
            entropy=job.entropy,
            caller=Caller(name=_BY, organization=organization.id),
        )


async def _find(job: Job, ports: Ports) -> NamedSession:
    try:
        return await find_session(ports, SessionSelector(session_id=job.options.session))
    except WalletError as error:
        raise SettingError(f"session: {error.text}") from None


async def _change(job: Job, kind: EventKind, change: Callable[[Ports, NamedSession, Actor], Awaitable[None]]) -> Report:
    """Make a change for the organisation, and report the session's state."""
    async with open_ports(job) as ports:
        named = await _find(job, ports)
        organization = OrganizationId(ports.store.stops.organization)
        try:
            await change(ports, named, Actor(organization, _BY))
        except WalletError as error:
            raise SettingError(f"session: {error.text}") from None
        await _note(job, organization, kind, named)
        state = await describe_stops(ports, named)
    return Report(value=encode(SessionStopState, state), lines=_list_state(state))


async def _note(job: Job, organization: OrganizationId, kind: EventKind, named: NamedSession) -> None:
    reference = named.reference
    facts: dict[str, Any] = {
        "account": reference.account.hex0x(),
        "chainId": reference.chain_id,
        "entityId": int(reference.entity_id),
        "by": "organization",
    }
    if named.id is not None:
        facts["sessionId"] = named.id.hex0x()
    await job.note(organization, kind, **facts)


def _list_state(state: SessionStopState) -> list[str]:
    lines = [f"Session:   {state.session_id}", f"State:     {state.state}"]
    if state.paused_by:
        lines.append(f"Paused by: {', '.join(state.paused_by)}")
    lines += [f"In flight: {call.id.hex0x()} ({call.state})" for call in state.in_flight]
    return lines + [f"Stopped:   {call_id.hex0x()}" for call_id in state.stopped]


async def _pause(job: Job) -> Report:
    return await _change(job, EventKind.SESSION_PAUSED, pause_session)


async def _resume(job: Job) -> Report:
    return await _change(job, EventKind.SESSION_RESUMED, resume_session)


async def _revoke(job: Job) -> Report:
    """Revoke a session; with its chain configured, also prepare and show the owner's operation."""
    async with open_ports(job) as ports:
        named = await _find(job, ports)
        chain = ports.chains.get(named.reference.chain_id)
        organization = OrganizationId(ports.store.stops.organization)
        if chain is not None:
            await _note(job, organization, EventKind.GRANT_REVOKED, named)
            actor = Actor(organization, _BY)
            answer = await revoke_session.complete_revocation(ports, chain, named, actor, None)
            lines = _list_state(answer)
            if answer.on_chain is not None:
                lines.append(f"On chain:  {'removed' if answer.on_chain.is_removed else 'not removed yet'}")
            if answer.removal is not None:
                lines.append("The owner's operation that removes it on chain is in the output of --json.")
            if answer.removal_error is not None:
                lines.append(f"Removal:   not prepared: {answer.removal_error.message}")
            return Report(value=encode(revoke_session.SessionRevocation, answer), lines=lines)
    report = await _change(job, EventKind.GRANT_REVOKED, revoke)
    hint = f"{variable('chains')} has no chain {named.reference.chain_id}, so no removal was prepared."
    return Report(value=report.value, lines=[*report.lines, hint])


async def _rotate(job: Job) -> Report:
    """Prepare the next step of a rotation."""
    async with open_ports(job) as ports:
        named = await _find(job, ports)
        if named.reference.chain_id not in ports.chains:
            raise SettingError(f"{variable('chains')}: expected chain {named.reference.chain_id}, the session's")
        key = SessionKey(type=KeyType.SECP256K1, address=job.options.new_key)
        request = rotate_session_key.RotateSessionKey(session_id=named.id, new_key=key)
        try:
            answer = await rotate_session_key.run(ports, request)
        except WalletError as error:
            raise SettingError(f"session: {error.message}") from None
    lines = [f"State:       {answer.state}", f"Current key: {answer.current_key}", f"New key:     {answer.new_key}"]
    if answer.replacement is not None:
        payload = answer.replacement.signature_request.raw_payload
        lines.append(f"Owner signs: {payload} (the grant of the new session {answer.replacement.session_id}: --json)")
    if answer.operation is not None:
        lines.append(f"Owner signs: {_describe_payload(answer.operation)}")
    return Report(value=encode(rotate_session_key.KeyRotation, answer), lines=lines)


def _describe_payload(operation: PreparedCalls) -> str:
    request = getattr(operation, "signature_request", None)
    return "see the output of --json" if request is None else f"{request.raw_payload} (the operation: --json)"


def _scope(job: Job) -> StopScope:
    options = job.options
    if options.account is not None:
        return StopScope(kind=ScopeKind.ACCOUNT, value=options.account.hex0x())
    if options.session_key is not None:
        return StopScope(kind=ScopeKind.KEY, value=options.session_key.hex0x())
    return ORGANIZATION_SCOPE if options.tag is None else StopScope(kind=ScopeKind.TAG, value=options.tag)


def check_tag(tag: str | None) -> None:
    """Check that a session can have the tag of an option. Raises: SettingError."""
    if tag is not None and not 1 <= len(tag) <= LONGEST_TAG:
        raise SettingError(f"--tag: expected 1 to {LONGEST_TAG} characters, got {len(tag)}")


async def _add_stop(job: Job) -> Report:
    scope, mode = _scope(job), StopMode.REVOKE if job.options.revoke else StopMode.PAUSE
    check_tag(job.options.tag)
    async with open_ports(job) as ports:
        organization = OrganizationId(ports.store.stops.organization)
        try:
            stop = await store_switch(ports, scope, mode, by=_BY)
            await job.note(organization, EventKind.STOP_SET, scope=scope.name, mode=mode.value)
            calls = await stop_calls_in_scope(ports, scope)
        except WalletError as error:
            raise SettingError(f"stop: {error.text}") from None
    flying = [call.id.hex0x() for call in calls.in_flight]
    stopped = [call_id.hex0x() for call_id in calls.stopped]
    lines = [
        f"{scope.name}: {mode}",
        *(f"In flight: {each}" for each in flying),
        *(f"Stopped: {each}" for each in stopped),
    ]
    return Report(value={"stop": encode(ListedStop, stop), "inFlight": flying, "stopped": stopped}, lines=lines)


async def _remove_stop(job: Job) -> Report:
    scope = _scope(job)
    async with open_ports(job) as ports:
        organization = OrganizationId(ports.store.stops.organization)
        try:
            removed = await remove_switch(ports, scope)
        except WalletError as error:
            raise SettingError(f"stop: {error.text}") from None
        await job.note(organization, EventKind.STOP_REMOVED, scope=scope.name)
    return Report(value={"removed": encode(ListedStop, removed)}, lines=[f"{scope.name}: removed"])


async def _list_stops(job: Job) -> Report:
    """List the kill switches, and the stops that the owners of the organisation's accounts signed."""
    only, chain_id = job.options.account, job.options.chain
    async with open_ports(job) as ports:
        if chain_id is not None:
            await _require_known_chain(ports, chain_id)
        chains = await _find_chains_of_accounts(ports, SessionQuery(account=only, chain_id=chain_id))
        if only is not None:
            chains.setdefault(only, set()).update(ports.chains if chain_id is None else {chain_id})
        switches = await ports.store.stops.switches()
        stops = {
            scope.name: describe_stop(scope, record)
            for scope, record in switches.items()
            if only is None or scope.value == only.hex0x()
        }
        for account, chain_ids in chains.items():
            stops |= await list_account_stops(ports, account, sorted(chain_ids))
    listed = [stops[name] for name in sorted(stops)]
    value = {"stops": [encode(ListedStop, stop) for stop in listed]}
    return Report(value=value, lines=[_format_stop(stop) for stop in listed] or ["no stops"])


async def _require_known_chain(ports: Ports, chain_id: ChainId) -> None:
    """Raise SettingError for a chain that is neither configured nor that of a session of the organisation."""
    if chain_id in ports.chains or await _find_chains_of_accounts(ports, SessionQuery(chain_id=chain_id)):
        return
    configured = ", ".join(map(str, ports.chains)) or "no chain"
    raise SettingError(
        f"--chain: expected a chain of {variable('chains')} ({configured}) or of a session of the organisation, got "
        f"{chain_id}"
    )


async def _find_chains_of_accounts(ports: Ports, query: SessionQuery) -> dict[Address, set[ChainId]]:
    """Return the accounts of the organisation's sessions, each with the chains of these sessions."""
    index, now = ports.store.session_index, ports.clock.now()
    await index.complete(now)
    found: dict[Address, set[ChainId]] = {}
    page = await index.page(query, now=now, after=b"", limit=_SESSIONS_AT_ONCE)
    while True:
        for entry in page.sessions:
            found.setdefault(entry.account, set()).add(entry.chain_id)
        if not page.next_page:
            return found
        page = await index.page(query, now=now, after=page.next_page, limit=_SESSIONS_AT_ONCE)


def _format_stop(stop: ListedStop) -> str:
    chain = "" if stop.chain_id is None else f" on chain {stop.chain_id}"
    since = "-" if stop.since is None else format_time(stop.since)
    return f"{stop.scope.to_scope().name}{chain}  {stop.mode}  {since}  {stop.by}"


SESSION_STOP_ACTIONS: Mapping[tuple[str, str], Callable[[Job], Awaitable[Report]]] = {
    ("session", "pause"): _pause,
    ("session", "resume"): _resume,
    ("session", "revoke"): _revoke,
    ("session", "rotate"): _rotate,
    ("stop", "add"): _add_stop,
    ("stop", "remove"): _remove_stop,
    ("stop", "list"): _list_stops,
}
"""The actions of both commands."""

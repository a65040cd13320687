"""Kill switches: one call that stops all sessions of an organisation, an account, a key or a tag."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import (
    ORGANIZATION_SCOPE,
    OWNER,
    ScopeKind,
    StopMode,
    StopRecord,
    StopScope,
)
from wallet_rpc.errors import Conflict, InvalidParams, LimitExceeded, NotFound
from wallet_rpc.ports import Ports
from wallet_rpc.ports.stops import MAX_SWITCHES
from wallet_rpc.primitives import Address, ChainId, NonZeroAddress, UnixSeconds
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.events import publishing
from wallet_rpc.services.session_tags import LONGEST_TAG
from wallet_rpc.services.stopped_calls import CallsAtStop, stop_open_calls
from wallet_rpc.wire import shape, strict_shape

SWITCH_REASONS = ("stop_scope",)
"""Reasons of requests that name the scope of a kill switch."""


@strict_shape
class ScopeSelector:
    """The sessions of a kill switch: exactly one of `organization`, `account`, `key` and `tag`."""

    organization: Literal[True] | None = None
    """`true`: all sessions that the caller's organisation controls."""
    account: NonZeroAddress | None = None
    """Account whose sessions are stopped, on every chain."""
    key: NonZeroAddress | None = None
    """Session key whose sessions are stopped, on every account and chain; a new key of a session is not stopped."""
    tag: Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)] | None = None
    """Tag whose sessions are stopped, also those that get it later."""

    def to_scope(self, *, at: str = "params.scope") -> StopScope:
        """Return the scope. Raises: InvalidParams (stop_scope) unless exactly one member is given."""
        scopes = [] if self.organization is None else [ORGANIZATION_SCOPE]
        if self.account is not None:
            scopes.append(StopScope(kind=ScopeKind.ACCOUNT, value=Address(self.account).hex0x()))
        if self.key is not None:
            scopes.append(StopScope(kind=ScopeKind.KEY, value=Address(self.key).hex0x()))
        if self.tag is not None:
            scopes.append(StopScope(kind=ScopeKind.TAG, value=self.tag))
        if len(scopes) != 1:
            given = ", ".join(scope.kind for scope in scopes) or "none"
            text = f"expected exactly one of organization, account, key and tag, got {given}"
            raise InvalidParams(text, field=at, reason="stop_scope")
        return scopes[0]

    @classmethod
    def from_scope(cls, scope: StopScope) -> ScopeSelector:
        """Return the form of a scope in an answer."""
        match scope.kind:
            case ScopeKind.ORGANIZATION:
                return cls(organization=True)
            case ScopeKind.ACCOUNT:
                return cls(account=Address.parse(scope.value))
            case ScopeKind.KEY:
                return cls(key=Address.parse(scope.value))
            case ScopeKind.TAG:
                return cls(tag=scope.value)


@shape
class ListedStop:
    """A kill switch."""

    scope: ScopeSelector
    """Sessions that it stops."""
    mode: StopMode
    """`pause`, which can be resumed, or `revoke`, which is final."""
    since: UnixSeconds | None = None
    """Time from which it holds, in Unix seconds; absent for a listed revocation by the owner."""
    by: str
    """Digest of the API key that set it, `cli`, or `owner` for the account's owner, whose stop binds everyone."""
    chain_id: ChainId | None = None
    """Chain of the account, for a stop that its owner signed; the others hold on every chain."""


def describe_stop(scope: StopScope, record: StopRecord, *, by_owner_on: ChainId | None = None) -> ListedStop:
    """Return a stored kill switch as answers list it; `by_owner_on` is the chain of one that the owner signed."""
    return ListedStop(
        scope=ScopeSelector.from_scope(scope), mode=record.mode, since=record.at, by=record.by, chain_id=by_owner_on
    )


async def read_owner_stops(ports: Ports, account: Address, chain_id: ChainId) -> tuple[ListedStop, ...]:
    """Return the stops of all sessions of an account on a chain that its owner signed."""
    stops = await ports.store.stops.read(SessionReference(account=account, chain_id=chain_id, entity_id=OWNER_ENTITY))
    scope = StopScope(kind=ScopeKind.ACCOUNT, value=account.hex0x())
    found = [describe_stop(scope, record, by_owner_on=chain_id) for record in stops.pauses.values()]
    if stops.is_revoked:
        selector = ScopeSelector.from_scope(scope)
        found.append(ListedStop(scope=selector, mode=StopMode.REVOKE, by=OWNER, chain_id=chain_id))
    return tuple(found)


async def list_account_stops(ports: Ports, account: Address, chain_ids: Iterable[ChainId]) -> dict[str, ListedStop]:
    """Return the organisation's kill switch of an account, and the stops that its owner signed on chains, by name."""
    scope = StopScope(kind=ScopeKind.ACCOUNT, value=account.hex0x())
    switches = await ports.store.stops.switches()
    own = {scope.name: describe_stop(scope, switches[scope])} if scope in switches else {}
    found = await asyncio.gather(*(read_owner_stops(ports, account, chain_id) for chain_id in chain_ids))
    return own | {f"{scope.name}:{stop.chain_id}:{stop.mode}": stop for each in found for stop in each}


def describe_stop_event(
    ports: Ports, kind: EventType, scope: StopScope, mode: StopMode, *, by_owner_on: ChainId | None = None
) -> Event:
    """Return the event of a kill switch; `by_owner_on` is the chain of one that the account's owner signed."""
    return Event(
        type=kind,
        time=ports.clock.now(),
        account=Address.parse(scope.value) if scope.kind is ScopeKind.ACCOUNT else None,
        chain_id=by_owner_on,
        data={"scope": scope.name, "mode": mode.value, "by": "organization" if by_owner_on is None else OWNER},
    )


async def set_switch(ports: Ports, scope: StopScope, mode: StopMode, *, by: str) -> tuple[ListedStop, CallsAtStop]:
    """Set a kill switch of the caller's organisation; it holds at once. Return it, and the calls that it found.

    Raises: as `store_switch`.
    """
    stored = await store_switch(ports, scope, mode, by=by)
    return stored, await stop_calls_in_scope(ports, scope)


async def store_switch(ports: Ports, scope: StopScope, mode: StopMode, *, by: str) -> ListedStop:
    """Set a kill switch of the caller's organisation, and return it.

    Raises: LimitExceeded when the organisation has too many; Conflict for a pause where a revocation holds.
    """
    record = StopRecord(mode=mode, at=ports.clock.now(), by=by)
    async with publishing(ports, describe_stop_event(ports, EventType.STOP_SET, scope, mode)):
        stored = await ports.store.stops.set_switch(scope, record)
        if stored is None:
            raise LimitExceeded(
                f"the organisation has {MAX_SWITCHES} kill switches, which is the maximum; remove one first",
                reason="too_many_stops",
                limit=MAX_SWITCHES,
            )
        if stored.mode is not mode:
            raise _build_final_error()
    await log_event(ports, EventKind.STOP_SET, scope=scope.name, mode=mode.value)
    return describe_stop(scope, stored)


async def stop_calls_in_scope(ports: Ports, scope: StopScope) -> CallsAtStop:
    """Stop the open calls of a kill switch's sessions that no bundler can have, and list the others."""
    is_account = scope.kind is ScopeKind.ACCOUNT
    opened = await ports.store.stops.open_calls(account=Address.parse(scope.value) if is_account else None)
    return await stop_open_calls(ports, opened, scope=scope)


async def remove_switch(ports: Ports, scope: StopScope) -> ListedStop:
    """Remove a kill switch that pauses, and return it. Raises: NotFound without one; Conflict for a revocation."""
    async with publishing(ports, describe_stop_event(ports, EventType.STOP_REMOVED, scope, StopMode.PAUSE)):
        removed = await ports.store.stops.remove_switch(scope)
        if removed is None:
            text = f"no kill switch for {scope.name}; wallet_listStops lists them"
            raise NotFound(text, field="params.scope", reason="stop_not_found")
        if removed.mode is StopMode.REVOKE:
            raise _build_final_error()
    await log_event(ports, EventKind.STOP_REMOVED, scope=scope.name)
    return describe_stop(scope, removed)


def _build_final_error() -> Conflict:
    return Conflict(
        "the kill switch revokes, which is final; it can be neither resumed nor replaced",
        field="params.scope",
        reason="stop_is_final",
    )

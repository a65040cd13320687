"""`/v1/organizations/{orgId}/stops`: the kill switches of an organisation, over REST."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.decimal_text import DecimalText
from wallet_rpc.domain.serialized_grant import SAFE_INTEGER
from wallet_rpc.domain.session_stop import StopMode
from wallet_rpc.errors import Conflict, LimitExceeded, NotFound, UnsupportedChain
from wallet_rpc.operations.list_stops import find_stops
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.operations.resume_sessions import ResumedSessions
from wallet_rpc.operations.stop_sessions import StoppedSessions
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId, NonZeroAddress
from wallet_rpc.services.kill_switches import ListedStop, ScopeSelector, remove_switch, set_switch
from wallet_rpc.services.session_changes import require_key
from wallet_rpc.services.session_tags import LONGEST_TAG
from wallet_rpc.wire import shape, strict_shape

STOPS_PATH = "/v1/organizations/{orgId}/stops"
"""The path of an organisation's kill switches."""
_BODY_BYTES = 4096


@strict_shape
class SetStop:
    """The sessions to stop, and how."""

    scope: ScopeSelector
    """Sessions to stop."""
    mode: StopMode = StopMode.PAUSE
    """`pause` can be removed; `revoke` is final, also for sessions that get into the scope later."""


@shape
class RemoveStop:
    """The scope of a kill switch in the query: exactly one of its members."""

    organization: Literal["true"] | None = None
    """`true`: all sessions that the organisation controls."""
    account: NonZeroAddress | None = None
    """Account whose sessions are stopped."""
    key: NonZeroAddress | None = None
    """Session key whose sessions are stopped."""
    tag: Annotated[str, Field(min_length=1, max_length=LONGEST_TAG)] | None = None
    """Tag whose sessions are stopped."""


@shape
class ListOrgStops:
    """The account whose stops are listed, if only these."""

    account: NonZeroAddress | None = None
    """Account whose stops are listed, with those that its owner signed. Default: all of the organisation's."""
    chain_id: Annotated[int, DecimalText(1, SAFE_INTEGER)] | None = None
    """Chain of the stops that the owner of `account` signed. Default: all chains of this server."""


@shape
class OrgStops:
    """All kill switches of the organisation, or the stops of an account."""

    stops: tuple[ListedStop, ...]
    """Stops that hold now, by the names of their scopes."""


async def _set(ports: Ports, request: SetStop) -> StoppedSessions:
    require_key(ports)
    scope = request.scope.to_scope(at="scope")
    stop, calls = await set_switch(ports, scope, request.mode, by=ports.caller.holder_digest)
    return StoppedSessions(stop=stop, in_flight=calls.in_flight, stopped=calls.stopped)


async def _remove(ports: Ports, request: RemoveStop) -> ResumedSessions:
    require_key(ports)
    selector = ScopeSelector(
        organization=True if request.organization else None,
        account=request.account,
        key=request.key,
        tag=request.tag,
    )
    return ResumedSessions(removed=await remove_switch(ports, selector.to_scope(at="scope")))


async def _list(ports: Ports, request: ListOrgStops) -> OrgStops:
    chain_id = None if request.chain_id is None else ChainId(request.chain_id)
    stops = await find_stops(ports, request.account, chain_id, at="chainId")
    return OrgStops(stops=tuple(stops[name] for name in sorted(stops)))


SET: Operation[Ports, SetStop, StoppedSessions] = Operation(
    "setOrganizationStop",
    SetStop,
    StoppedSessions,
    _set,
    "Stop all sessions of the organisation, an account, a key or a tag with one call, at once and on every replica.",
    (Conflict, LimitExceeded),
    rest=RestRoute(
        verb="POST",
        paths=(STOPS_PATH,),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(409,),
        most_bytes=_BODY_BYTES,
    ),
    description="Does what wallet_stopSessions does for the key of an organisation.",
)
REMOVE: Operation[Ports, RemoveStop, ResumedSessions] = Operation(
    "removeOrganizationStop",
    RemoveStop,
    ResumedSessions,
    _remove,
    "Remove a kill switch that pauses; one that revokes is final.",
    (NotFound, Conflict),
    rest=RestRoute(verb="DELETE", paths=(STOPS_PATH,), error_format=ErrorFormat.ORGANIZATION, statuses=(404, 409)),
    description="The query names the scope, such as `?tag=payroll` or `?organization=true`.",
)
LIST: Operation[Ports, ListOrgStops, OrgStops] = Operation(
    "listOrganizationStops",
    ListOrgStops,
    OrgStops,
    _list,
    "List the kill switches of the organisation, at most 1000, or the stops of an account.",
    (UnsupportedChain,),
    need=READ_ACCESS,
    rest=RestRoute(verb="GET", paths=(STOPS_PATH,), error_format=ErrorFormat.ORGANIZATION),
    description="Does what wallet_listStops does, without pages.",
)
OPERATIONS = (SET, REMOVE, LIST)
"""The operations of this path."""

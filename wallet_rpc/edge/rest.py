"""REST, made from operations: which path and verb runs which, and what stands before it.

The rule: who asks, how often, whether they may, whether the organisation is theirs, and only then what they say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet_rpc import wire
from wallet_rpc.edge import caller, error_formats, observe
from wallet_rpc.edge.envelope import compact
from wallet_rpc.edge.guard import (
    BODY_SECONDS,
    LastResort,
    Refusal,
    Refused,
    json_response,
    refuse_unless_json,
    whole_body,
)
from wallet_rpc.edge.http import ALL_ORIGINS, with_cors, with_slash
from wallet_rpc.edge.outcome import DEADLINE_SECONDS, encoded, in_time, told
from wallet_rpc.edge.request_sources import Origins
from wallet_rpc.edge.strict_json import json_object
from wallet_rpc.errors import InvalidRequest, NotFound
from wallet_rpc.operations.operation import Credential, Dialect, Operation, Rest
from wallet_rpc.wire import Fault

C = TypeVar("C")

SIDES: Mapping[str, Dialect] = {
    "/v1/organizations": Dialect.ORGANIZATION,
    "/v1": Dialect.TOKEN,
    "/api": Dialect.TOKEN,
}
"""Whose dialect is spoken at and below a path, also where nothing is; the first that fits counts."""
ORGANIZATION = "orgId"
"""The path parameter that names an organisation, which must be the caller's."""
ORGANIZATION_HEADER = "X-Org-ID"
"""Where a client may repeat that name."""
_JSON = frozenset({"application/json"})


class Doorkeeper(Protocol):
    """Who is let in: `gate.Gate`. What these raise is the answer."""

    async def enter_by_key(self, request: Request) -> object:
        """Let in the holder of an API key."""

    async def enter_by_token(self, request: Request) -> object:
        """Let in the holder of a session token."""

    async def count(self, cost: int) -> None:
        """Count what the caller asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api(Generic[C]):
    """What serves operations as REST; each runs in a `context` that is made for the request."""

    operations: Sequence[Operation[C, Any, Any]]
    context: Callable[[], C]
    doorkeeper: Doorkeeper
    deadline_seconds: float = DEADLINE_SECONDS
    """How long an operation may take."""
    body_seconds: float = BODY_SECONDS
    """How long a body may take to arrive."""

    def sides(self, origins: Origins = ALL_ORIGINS) -> dict[str, ASGIApp]:
        """All of it, by `SIDES`; pages of the origins may call what is for session tokens: keys belong on servers.

        Raises: ValueError as `places` does.
        """
        found = places(self.operations)
        return {side: self._side(side, dialect, found, origins) for side, dialect in SIDES.items()}

    def _side(
        self,
        side: str,
        dialect: Dialect,
        found: Mapping[str, Mapping[str, Operation[C, Any, Any]]],
        origins: Origins,
    ) -> ASGIApp:
        refusal = partial(error_formats.refusal, dialect)
        routes = [
            Route(spelled, self._place(dialect, found[path], origins))
            for path in sorted(found, key=_words_first)
            if side_of(path) == side
            for spelled in with_slash(path)
        ]
        return LastResort(Router(routes, redirect_slashes=False, default=_nowhere(refusal)), refusal)

    def _place(self, dialect: Dialect, verbs: Mapping[str, Operation[C, Any, Any]], origins: Origins) -> ASGIApp:
        place = _Place(dialect, {verb: _Served(self, one) for verb, one in verbs.items()})
        if any(rest_of(one).credential is not Credential.TOKEN for one in verbs.values()):
            return place
        return with_cors(place, origins, methods=sorted(verbs))


def places(operations: Sequence[Operation[C, Any, Any]]) -> dict[str, dict[str, Operation[C, Any, Any]]]:
    """The operations by path and verb.

    Raises: ValueError for one that is nowhere, for two at one place, or for a path on a side of another dialect.
    """
    found: dict[str, dict[str, Operation[C, Any, Any]]] = {}
    for operation in operations:
        rest = rest_of(operation)
        for path in rest.paths:
            if rest.verb in found.setdefault(path, {}):
                raise ValueError(f"{rest.verb} {path}: two operations")
            if SIDES.get(side_of(path)) is not rest.dialect:
                raise ValueError(f"{path}: on a side of another dialect")
            found[path][rest.verb] = operation
    return found


def rest_of(operation: Operation[Any, Any, Any]) -> Rest:
    """Where the operation is. Raises: ValueError when it is nowhere."""
    if operation.rest is None:
        raise ValueError(f"{operation.name}: not in REST")
    return operation.rest


def side_of(path: str) -> str:
    """The side that a path is on; empty for none."""
    return next((side for side in SIDES if f"{path}/".startswith(f"{side}/")), "")


def _words_first(path: str) -> list[bool]:
    """Sorts paths so that `/sessions/me` is tried before `/sessions/{id}`."""
    return [part.startswith("{") for part in path.split("/")]


def _nowhere(refusal: Refusal) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        error = InvalidRequest("path: expected one of those that GET /openapi.json lists", reason="no_such_path")
        await refusal(404, error)(scope, receive, send)

    return refuse


class _Place:
    """What is at one path: an operation for each of some verbs."""

    def __init__(self, dialect: Dialect, verbs: Mapping[str, _Served[Any]]) -> None:
        self._dialect = dialect
        self._verbs = {**verbs, "HEAD": verbs["GET"]} if "GET" in verbs else dict(verbs)
        self._allowed = ", ".join([*self._verbs, "OPTIONS"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._response(Request(scope, receive))
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        allow = {"allow": self._allowed}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allow)
        served = self._verbs.get(request.method)
        if served is None:
            error = InvalidRequest(f"verb: expected one of {self._allowed}", reason="method_not_allowed")
            return error_formats.refusal(self._dialect, 405, error, allow)
        try:
            answer = await served.answer(request)
        except ClientDisconnect:
            raise  # there is nobody to answer
        except Exception as raised:  # the door: whatever it is, the caller gets a coded answer
            refused = raised if isinstance(raised, Refused) else _refused(raised, served.name)
            observe.note(served.name, error_formats.code_of(self._dialect, refused.status, refused.error))
            return error_formats.refusal(self._dialect, refused.status, refused.error, refused.headers)
        observe.note(served.name, None)
        return json_response(answer)


def _refused(raised: Exception, name: str) -> Refused:
    error = told(raised, name)
    return Refused(error.status, error)


class _Served(Generic[C]):
    """One operation, as a request finds it."""

    def __init__(self, api: Api[C], operation: Operation[C, Any, Any]) -> None:
        self._api = api
        self._operation = operation
        self._rest = rest_of(operation)
        self.name = operation.name

    async def answer(self, request: Request) -> bytes:
        """The JSON text of the operation's answer."""
        keeper = self._api.doorkeeper
        is_for_keys = self._rest.credential is Credential.KEY
        await (keeper.enter_by_key if is_for_keys else keeper.enter_by_token)(request)
        await keeper.count(1)
        context = self._api.context()
        await self._operation.admit(context)
        _refuse_other_organization(request)
        given = await self._given(request)
        until = asyncio.get_running_loop().time() + self._api.deadline_seconds
        return compact(await in_time(self._run(context, given), until))

    async def _run(self, context: C, given: dict[str, Any]) -> Any:
        try:
            value = wire.read(self._operation.request, given)
        except wire.Faulty as faulty:
            raise error_formats.invalid(self._rest.dialect, faulty.faults) from None
        return await encoded(self._operation, await self._operation.run(context, value))

    async def _given(self, request: Request) -> dict[str, Any]:
        """The body, or the query of a place that has none, and the path, which comes first."""
        path = {name: value for name, value in request.path_params.items() if name != ORGANIZATION}
        if self._rest.most_bytes is None:
            return {**_query(request), **path}
        try:
            refuse_unless_json(request, _JSON)
        except Refused as refused:
            raise Refused(400, refused.error) from None  # the documented APIs have no 415
        seconds = self._api.body_seconds
        body = json_object(await whole_body(request, most_bytes=self._rest.most_bytes, seconds=seconds))
        return {**body, **path}


def _query(request: Request) -> dict[str, Any]:
    """What the query says; what it says twice is a list."""
    said = {name: request.query_params.getlist(name) for name in request.query_params}
    return {name: values[0] if len(values) == 1 else values for name, values in said.items()}


def _refuse_other_organization(request: Request) -> None:
    """Raises: NotFound unless the path's organisation, if it has one, is the caller's; InvalidParams by the header."""
    named = request.path_params.get(ORGANIZATION)
    if named is None:
        return
    if named != caller.current().organization:
        raise NotFound("organization not found", reason="organization_not_found")
    if request.headers.get(ORGANIZATION_HEADER, named) != named:
        text = "differs from the organization of the path"
        raise error_formats.invalid(
            Dialect.ORGANIZATION, [Fault(field=ORGANIZATION_HEADER, text=text, reason="validation")]
        )

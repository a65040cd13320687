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
from wallet_rpc.edge.envelope import dump_json
from wallet_rpc.edge.guard import (
    BODY_SECONDS,
    ErrorMiddleware,
    ErrorResponder,
    HttpRejection,
    json_response,
    read_request_body,
    require_json,
)
from wallet_rpc.edge.http import ALL_ORIGINS, slash_spellings, with_cors
from wallet_rpc.edge.outcome import DEADLINE_SECONDS, encode_result, run_until, to_wallet_error
from wallet_rpc.edge.request_sources import Origins
from wallet_rpc.edge.strict_json import parse_json_object
from wallet_rpc.errors import InvalidRequest, NotFound
from wallet_rpc.operations.operation import Credential, ErrorFormat, Operation, RestRoute
from wallet_rpc.wire import FieldError

C = TypeVar("C")

MOUNTS: Mapping[str, ErrorFormat] = {
    "/v1/organizations": ErrorFormat.ORGANIZATION,
    "/v1": ErrorFormat.TOKEN,
    "/api": ErrorFormat.TOKEN,
}
"""Whose dialect is spoken at and below a path, also where nothing is; the first that fits counts."""
ORGANIZATION = "orgId"
"""The path parameter that names an organisation, which must be the caller's."""
ORGANIZATION_HEADER = "X-Org-ID"
"""Where a client may repeat that name."""
_JSON = frozenset({"application/json"})


class RestAuthenticator(Protocol):
    """Who is let in: `gate.Authenticator`. What these raise is the answer."""

    async def authenticate_key(self, request: Request) -> object:
        """Let in the holder of an API key."""

    async def authenticate_token(self, request: Request) -> object:
        """Let in the holder of a session token."""

    async def enforce_rate_limit(self, cost: int) -> None:
        """Count what the caller asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestApi(Generic[C]):
    """What serves operations as REST; each runs in a `context` that is made for the request."""

    operations: Sequence[Operation[C, Any, Any]]
    context: Callable[[], C]
    authenticator: RestAuthenticator
    deadline_seconds: float = DEADLINE_SECONDS
    """How long an operation may take."""
    body_seconds: float = BODY_SECONDS
    """How long a body may take to arrive."""

    def build_mounts(self, origins: Origins = ALL_ORIGINS) -> dict[str, ASGIApp]:
        """All of it, by `MOUNTS`; pages of the origins may call what is for session tokens: keys belong on servers.

        Raises: ValueError as `places` does.
        """
        found = group_by_path(self.operations)
        return {side: self._build_mount(side, dialect, found, origins) for side, dialect in MOUNTS.items()}

    def _build_mount(
        self,
        mount: str,
        error_format: ErrorFormat,
        found: Mapping[str, Mapping[str, Operation[C, Any, Any]]],
        origins: Origins,
    ) -> ASGIApp:
        refusal = partial(error_formats.rest_error_response, error_format)
        routes = [
            Route(spelled, self._build_endpoint(error_format, found[path], origins))
            for path in sorted(found, key=_literals_first)
            if mount_of(path) == mount
            for spelled in slash_spellings(path)
        ]
        return ErrorMiddleware(Router(routes, redirect_slashes=False, default=_not_found(refusal)), refusal)

    def _build_endpoint(
        self, error_format: ErrorFormat, verbs: Mapping[str, Operation[C, Any, Any]], origins: Origins
    ) -> ASGIApp:
        place = _Endpoint(error_format, {verb: _OperationHandler(self, one) for verb, one in verbs.items()})
        if any(rest_of(one).credential is not Credential.TOKEN for one in verbs.values()):
            return place
        return with_cors(place, origins, methods=sorted(verbs))


def group_by_path(operations: Sequence[Operation[C, Any, Any]]) -> dict[str, dict[str, Operation[C, Any, Any]]]:
    """The operations by path and verb.

    Raises: ValueError for one that is nowhere, for two at one place, or for a path on a side of another dialect.
    """
    found: dict[str, dict[str, Operation[C, Any, Any]]] = {}
    for operation in operations:
        rest = rest_of(operation)
        for path in rest.paths:
            if rest.verb in found.setdefault(path, {}):
                raise ValueError(f"{rest.verb} {path}: two operations")
            if MOUNTS.get(mount_of(path)) is not rest.error_format:
                raise ValueError(f"{path}: on a side of another dialect")
            found[path][rest.verb] = operation
    return found


def rest_of(operation: Operation[Any, Any, Any]) -> RestRoute:
    """Where the operation is. Raises: ValueError when it is nowhere."""
    if operation.rest is None:
        raise ValueError(f"{operation.name}: not in REST")
    return operation.rest


def mount_of(path: str) -> str:
    """The side that a path is on; empty for none."""
    return next((side for side in MOUNTS if f"{path}/".startswith(f"{side}/")), "")


def _literals_first(path: str) -> list[bool]:
    """Sorts paths so that `/sessions/me` is tried before `/sessions/{id}`."""
    return [part.startswith("{") for part in path.split("/")]


def _not_found(error_responder: ErrorResponder) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        error = InvalidRequest("path: expected one of those that GET /openapi.json lists", reason="no_such_path")
        await error_responder(404, error)(scope, receive, send)

    return refuse


class _Endpoint:
    """What is at one path: an operation for each of some verbs."""

    def __init__(self, error_format: ErrorFormat, verbs: Mapping[str, _OperationHandler[Any]]) -> None:
        self._error_format = error_format
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
            return error_formats.rest_error_response(self._error_format, 405, error, allow)
        try:
            answer = await served.answer(request)
        except ClientDisconnect:
            raise  # there is nobody to answer
        except Exception as raised:  # the door: whatever it is, the caller gets a coded answer
            refused = raised if isinstance(raised, HttpRejection) else _to_rejection(raised, served.name)
            observe.record_result(served.name, error_formats.code_of(self._error_format, refused.status, refused.error))
            return error_formats.rest_error_response(self._error_format, refused.status, refused.error, refused.headers)
        observe.record_result(served.name, None)
        return json_response(answer)


def _to_rejection(raised: Exception, name: str) -> HttpRejection:
    error = to_wallet_error(raised, name)
    return HttpRejection(error.status, error)


class _OperationHandler(Generic[C]):
    """One operation, as a request finds it."""

    def __init__(self, api: RestApi[C], operation: Operation[C, Any, Any]) -> None:
        self._api = api
        self._operation = operation
        self._rest = rest_of(operation)
        self.name = operation.name

    async def answer(self, request: Request) -> bytes:
        """The JSON text of the operation's answer."""
        keeper = self._api.authenticator
        is_for_keys = self._rest.credential is Credential.KEY
        await (keeper.authenticate_key if is_for_keys else keeper.authenticate_token)(request)
        await keeper.enforce_rate_limit(1)
        context = self._api.context()
        await self._operation.authorize(context)
        _refuse_other_organization(request)
        given = await self._read_input(request)
        until = asyncio.get_running_loop().time() + self._api.deadline_seconds
        return dump_json(await run_until(self._run(context, given), until))

    async def _run(self, context: C, given: dict[str, Any]) -> Any:
        try:
            value = wire.validate(self._operation.request, given)
        except wire.InvalidValue as faulty:
            raise error_formats.merge_field_errors(self._rest.error_format, faulty.errors) from None
        return await encode_result(self._operation, await self._operation.run(context, value))

    async def _read_input(self, request: Request) -> dict[str, Any]:
        """The body, or the query of a place that has none, and the path, which comes first."""
        path = {name: value for name, value in request.path_params.items() if name != ORGANIZATION}
        if self._rest.most_bytes is None:
            return {**_read_query(request), **path}
        try:
            require_json(request, _JSON)
        except HttpRejection as refused:
            raise HttpRejection(400, refused.error) from None  # the documented APIs have no 415
        seconds = self._api.body_seconds
        body = parse_json_object(await read_request_body(request, max_bytes=self._rest.most_bytes, seconds=seconds))
        return {**body, **path}


def _read_query(request: Request) -> dict[str, Any]:
    """What the query says; what it says twice is a list."""
    said = {name: request.query_params.getlist(name) for name in request.query_params}
    return {name: values[0] if len(values) == 1 else values for name, values in said.items()}


def _refuse_other_organization(request: Request) -> None:
    """Raises: NotFound unless the path's organisation, if it has one, is the caller's; InvalidParams by the header."""
    named = request.path_params.get(ORGANIZATION)
    if named is None:
        return
    if named != caller.current_caller().organization:
        raise NotFound("organization not found", reason="organization_not_found")
    if request.headers.get(ORGANIZATION_HEADER, named) != named:
        text = "differs from the organization of the path"
        raise error_formats.merge_field_errors(
            ErrorFormat.ORGANIZATION, [FieldError(field=ORGANIZATION_HEADER, text=text, reason="validation")]
        )

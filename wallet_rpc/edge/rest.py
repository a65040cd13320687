"""REST routes of operations, with their request checks.

The order of checks: credential, rate limit, authorization, organisation of the path, and then the request itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet_rpc import wire
from wallet_rpc.edge import error_formats
from wallet_rpc.edge.guard import (
    ErrorMiddleware,
    ErrorResponder,
    HttpRejection,
    JsonResponse,
    read_request_body,
    require_json,
)
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.http import ALL_ORIGINS, with_cors
from wallet_rpc.edge.outcome import DEADLINE_SECONDS, encode_result, run_until, to_wallet_error
from wallet_rpc.edge.request_context import current_caller, current_context
from wallet_rpc.edge.request_sources import Origins
from wallet_rpc.edge.rpc_endpoint import slash_spellings
from wallet_rpc.edge.strict_json import parse_json_object
from wallet_rpc.errors import InvalidRequest, NotFound
from wallet_rpc.operations.operation import Credential, ErrorFormat, Operation, RestRoute
from wallet_rpc.wire import FieldError

_C = TypeVar("_C")

MOUNTS: Mapping[str, ErrorFormat] = {
    "/v1/organizations": ErrorFormat.ORGANIZATION,
    "/v1": ErrorFormat.TOKEN,
    "/api": ErrorFormat.TOKEN,
}
"""The error format at and below a path, also for unknown routes; the first matching path counts."""
ORGANIZATION = "orgId"
"""The path parameter that names an organisation, which must be the caller's."""
ORGANIZATION_HEADER = "X-Org-ID"
"""The header in which a client may repeat the organisation's id."""
_JSON = frozenset({"application/json"})
_PARAMS = "params."


class RestAuthenticator(Protocol):
    """The part of `authentication.Authenticator` that REST uses; the errors that it raises become the response."""

    async def authenticate_key(self, scope: Scope) -> object:
        """Authenticate by API key."""

    async def authenticate_token(self, scope: Scope) -> object:
        """Authenticate by session token."""

    async def enforce_rate_limit(self, cost: int) -> None:
        """Count requests against the caller's rate limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestApi(Generic[_C]):
    """Operations served over REST; each runs in a `context` that is built for the request."""

    operations: Sequence[Operation[_C, Any, Any]]
    context: Callable[[], _C]
    authenticator: RestAuthenticator
    deadline_seconds: float = DEADLINE_SECONDS
    """The maximum duration of an operation."""
    disabled: Mapping[str, InvalidRequest] = field(default_factory=dict)
    """The error for paths that a setting disables, by the path above them."""

    def build_mounts(self, origins: Origins = ALL_ORIGINS) -> dict[str, ASGIApp]:
        """Build the application of each path of `MOUNTS`.

        Web pages of `origins` may call only the routes for session tokens, since API keys belong on servers.
        Raises: ValueError as `group_by_path` does.
        """
        routes = group_by_path(self.operations)
        return {path: self._build_mount(path, error_format, routes, origins) for path, error_format in MOUNTS.items()}

    def _build_mount(
        self,
        mount: str,
        error_format: ErrorFormat,
        operations: Mapping[str, Mapping[str, Operation[_C, Any, Any]]],
        origins: Origins,
    ) -> ASGIApp:
        error_responder = partial(error_formats.rest_error_response, error_format)
        routes = [
            _WholeRoute(spelled, self._build_endpoint(error_format, operations[path], origins))
            for path in sorted(operations, key=_literals_first)
            if mount_of(path) == mount
            for spelled in slash_spellings(path)
        ]
        router = Router(routes, redirect_slashes=False, default=_not_found(error_responder, self.disabled))
        return ErrorMiddleware(router, error_responder)

    def _build_endpoint(
        self, error_format: ErrorFormat, verbs: Mapping[str, Operation[_C, Any, Any]], origins: Origins
    ) -> ASGIApp:
        endpoint = _Endpoint(error_format, {verb: _OperationHandler(self, one) for verb, one in verbs.items()})
        if any(rest_of(one).credential is not Credential.TOKEN for one in verbs.values()):
            return endpoint
        return with_cors(endpoint, origins, methods=sorted(verbs))


def group_by_path(operations: Sequence[Operation[_C, Any, Any]]) -> dict[str, dict[str, Operation[_C, Any, Any]]]:
    """Group the operations by path and verb.

    Raises: ValueError for an operation without a REST route, for two with the same route, or for a path mounted under
    another error format.
    """
    grouped: dict[str, dict[str, Operation[_C, Any, Any]]] = {}
    for operation in operations:
        rest = rest_of(operation)
        for path in rest.paths:
            if rest.verb in grouped.setdefault(path, {}):
                raise ValueError(f"{rest.verb} {path}: two operations")
            if MOUNTS.get(mount_of(path)) is not rest.error_format:
                raise ValueError(f"{path}: mounted under another error format")
            grouped[path][rest.verb] = operation
    return grouped


def rest_of(operation: Operation[Any, Any, Any]) -> RestRoute:
    """Return the REST route of an operation. Raises: ValueError when it has none."""
    if operation.rest is None:
        raise ValueError(f"{operation.name}: no REST route")
    return operation.rest


def mount_of(path: str) -> str:
    """Return the path of `MOUNTS` that contains a path; empty for none."""
    return next((mount for mount in MOUNTS if f"{path}/".startswith(f"{mount}/")), "")


def _literals_first(path: str) -> list[bool]:
    """Return a sort key that puts `/sessions/me` before `/sessions/{id}`."""
    return [part.startswith("{") for part in path.split("/")]


def _not_found(error_responder: ErrorResponder, disabled: Mapping[str, InvalidRequest]) -> ASGIApp:
    unknown = InvalidRequest("path: expected one of those that GET /openapi.json lists", reason="no_such_path")

    async def reject(scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{scope['path']}/"
        error = next((disabled[above] for above in disabled if path.startswith(f"{above}/")), unknown)
        await error_responder(404, error)(scope, receive, send)

    return reject


class _Endpoint:
    """The endpoint of one path, with an operation for each of its verbs."""

    def __init__(self, error_format: ErrorFormat, verbs: Mapping[str, _OperationHandler[Any]]) -> None:
        self._error_format = error_format
        self._verbs = {**verbs, "HEAD": verbs["GET"]} if "GET" in verbs else dict(verbs)
        self._allowed = ", ".join([*self._verbs, "OPTIONS"])
        self._error_response = partial(error_formats.rest_error_response, error_format)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await self._response(Request(scope, receive))
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        allow = {"allow": self._allowed}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allow)
        handler = self._verbs.get(request.method)
        if handler is None:
            error = InvalidRequest(f"verb: expected one of {self._allowed}", reason="method_not_allowed")
            return self._error_response(405, error, allow)
        try:
            body = await handler.answer(request)
        except ClientDisconnect:
            raise  # no client is left to respond to
        except Exception as raised:  # any exception becomes an error response
            rejection = raised if isinstance(raised, HttpRejection) else _to_rejection(raised, handler.name)
            code = error_formats.code_of(self._error_format, rejection.status, rejection.error)
            current_context().record_error(handler.name, rejection.error, code)
            return self._error_response(rejection.status, rejection.error, rejection.headers)
        current_context().record_success(handler.name)
        return JsonResponse(body)


def _to_rejection(raised: Exception, name: str) -> HttpRejection:
    """Return the rejection for an exception; its field is that of the body, without `params` of JSON-RPC."""
    error = to_wallet_error(raised, name)
    if error.field is not None and error.field.startswith(_PARAMS):
        error = error.with_field(error.field.removeprefix(_PARAMS))
    return HttpRejection(error.status, error)


class _WholeRoute(Route):
    """Route of whole paths. The `$` of Starlette's pattern also matches before a line feed, which can be an id."""

    def __init__(self, path: str, endpoint: ASGIApp) -> None:
        super().__init__(path, endpoint)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + r"\Z")


class _OperationHandler(Generic[_C]):
    """The handler of one operation: authentication, authorization, decoding and execution."""

    def __init__(self, api: RestApi[_C], operation: Operation[_C, Any, Any]) -> None:
        self._api = api
        self._operation = operation
        self._rest = rest_of(operation)
        self.name = operation.name

    async def answer(self, request: Request) -> bytes:
        """Run the operation and return the JSON text of its result."""
        authenticator = self._api.authenticator
        if self._rest.credential is Credential.KEY:
            await authenticator.authenticate_key(request.scope)
        else:
            await authenticator.authenticate_token(request.scope)
        await authenticator.enforce_rate_limit(1)
        context = self._api.context()
        await self._operation.authorize(context)
        _reject_other_organization(request)
        members = await self._read_input(request)
        until = asyncio.get_running_loop().time() + self._api.deadline_seconds
        return await run_until(self._run(context, members), until)

    async def _run(self, context: _C, members: dict[str, Any]) -> bytes:
        try:
            value = wire.validate(self._operation.request, members)
        except wire.InvalidValue as invalid:
            raise error_formats.merge_field_errors(self._rest.error_format, invalid.errors) from None
        return await encode_result(self._operation, await self._operation.run(context, value))

    async def _read_input(self, request: Request) -> dict[str, Any]:
        """Read the members of the body, or of the query for a route without a body; path parameters override them."""
        path = {name: value for name, value in request.path_params.items() if name != ORGANIZATION}
        if self._rest.most_bytes is None:
            return {**_read_query(request), **path}
        try:
            require_json(HeaderFields.of(request.scope), _JSON)
        except HttpRejection as rejection:
            raise HttpRejection(400, rejection.error) from None  # the documented APIs have no 415
        text = await read_request_body(request.scope, request.receive, max_bytes=self._rest.most_bytes)
        return {**parse_json_object(text), **path}


def _read_query(request: Request) -> dict[str, Any]:
    """Read the query parameters; a repeated one becomes a list."""
    query = {name: request.query_params.getlist(name) for name in request.query_params}
    return {name: values[0] if len(values) == 1 else values for name, values in query.items()}


def _reject_other_organization(request: Request) -> None:
    """Check the path's organisation, if it names one.

    Raises: NotFound when it is not the caller's; InvalidParams when the header names a different organisation.
    """
    organization = request.path_params.get(ORGANIZATION)
    if organization is None:
        return
    if organization != current_caller().organization:
        raise NotFound("organization not found", reason="organization_not_found")
    if request.headers.get(ORGANIZATION_HEADER, organization) != organization:
        text = "differs from the organization of the path"
        raise error_formats.merge_field_errors(
            ErrorFormat.ORGANIZATION, [FieldError(field=ORGANIZATION_HEADER, text=text, reason="validation")]
        )

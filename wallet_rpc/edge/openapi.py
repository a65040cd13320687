"""OpenAPI 3.1 document of the REST operations.

All schemas come from the types, as for OpenRPC. Every status that a route can return is listed.

Source: https://spec.openapis.org/oas/v3.1.1
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from wallet_rpc.edge.error_formats import ERROR_TYPES, ORGANIZATION_CODES
from wallet_rpc.edge.openrpc import AnyOperation, describe_operation
from wallet_rpc.edge.rest import ORGANIZATION_HEADER, group_by_path, rest_of
from wallet_rpc.edge.schemas import REF, Json, describe_schema, drop_null, hoist, request_schema, response_schema
from wallet_rpc.operations.operation import Credential, ErrorFormat, RestRoute

OPENAPI = "3.1.1"
"""The version of the OpenAPI specification."""

_PARAMETER = re.compile(r"\{(\w+)\}")
_ANYWHERE = frozenset({400, 401, 403, 408, 414, 429, 431, 500, 503})
_WITH_BODY = frozenset({413})
_IN_FORMAT = {ErrorFormat.ORGANIZATION: frozenset({404}), ErrorFormat.TOKEN: frozenset[int]()}
"""Further statuses that every route of an error format can return; 404 means a different organisation's path."""

_MEANINGS = {
    200: "The operation succeeded.",
    400: "The request is invalid.",
    401: "The credential is missing, invalid, expired or revoked.",
    403: "The credential is valid but does not allow this request.",
    404: "The resource that the path or a field names does not exist, or does not belong to the caller.",
    408: "The head or the body took too long to arrive.",
    409: "The requested change was already made, or is no longer possible.",
    413: "The body is too large.",
    414: "The request target (path and query) is too long.",
    429: "The rate limit of the key or token is exceeded.",
    431: "The head is too large.",
    500: "A bug of the server; its log has the details under the request id.",
    503: "A dependency of the server does not respond; the same request may pass later.",
}
_SECURITY: dict[Credential, list[Json]] = {
    Credential.KEY: [{"bearerKey": []}, {"apiKey": []}],
    Credential.TOKEN: [{"sessionToken": []}],
}
_SCHEMES: Json = {
    "bearerKey": {"type": "http", "scheme": "bearer", "description": "The key of an organisation, `wrk_…`."},
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "The same key, in a header of its own.",
    },
    "sessionToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token for one wallet, which an API key created.",
    },
}
_NUMBER: Json = {"type": "integer", "minimum": 0}
_HEADERS: Json = {
    "X-Request-Id": {
        "description": "The id of the request in the log.",
        "required": True,
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit": {
        "description": "The request limit of the window with the fewest requests left.",
        "schema": _NUMBER,
    },
    "X-RateLimit-Remaining": {"description": "The number of requests left in that window.", "schema": _NUMBER},
    "Retry-After": {"description": "The time to wait, in seconds.", "required": True, "schema": _NUMBER},
    "WWW-Authenticate": {
        "description": "The kind of credential that the path accepts.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
}


def build_openapi(
    operations: Sequence[AnyOperation],
    *,
    version: str,
    title: str = "wallet-rpc",
    paths: Json | None = None,
    components: Json | None = None,
) -> Json:
    """Build the document of the operations, at each of their paths.

    `paths` are the server's other paths, and `components` the schemas and responses that they refer to.
    Raises: ValueError as `rest.group_by_path` does, and when two different types have the same name.
    """
    group_by_path(operations)
    requests = [request_schema(operation.request) for operation in operations]
    answers = [response_schema(operation.answer) for operation in operations]
    errors = {kind.__name__: response_schema(kind) for kind in ERROR_TYPES.values()}
    schemas = hoist(requests, [*answers, *errors.values()])
    if clash := schemas.keys() & errors.keys():
        raise ValueError(f"two types of one name: {', '.join(sorted(clash))}")
    paths = {} if paths is None else paths
    components = {"schemas": {}, "responses": {}} if components is None else components
    responses: Json = {**components["responses"]}
    for operation, request, answer in zip(operations, requests, answers, strict=True):
        rest = rest_of(operation)
        statuses = _statuses(rest)
        refs = {str(status): {"$ref": f"#/components/responses/{rest.error_format}{status}"} for status in statuses}
        for position, path in enumerate(rest.paths):
            entry = _operation(operation, request, position)
            paths.setdefault(path, {})[rest.verb.lower()] = {
                **entry,
                "responses": {"200": _response(200, answer), **refs},
            }
        for status in statuses:
            responses[f"{rest.error_format}{status}"] = _response(status, _error(status, rest.error_format))
    return {
        "openapi": OPENAPI,
        "info": {"title": title, "version": version, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": dict(sorted({**schemas, **errors, **components["schemas"]}.items())),
            "responses": dict(sorted(responses.items())),
            "headers": _HEADERS,
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(operation: AnyOperation, request: Json, position: int) -> Json:
    """Describe an operation at the path with this position; the name of a further path ends in `Alias`."""
    rest = rest_of(operation)
    fields = request.get("properties", {})
    in_path = _PARAMETER.findall(rest.paths[position])
    alias = f" The same as at `{rest.paths[0]}`." if position > 0 else ""
    others = {name: schema for name, schema in fields.items() if name not in in_path}
    has_body = rest.most_bytes is not None
    required = request.get("required", [])
    parameters = [_path_parameter(name, fields.get(name)) for name in in_path]
    if rest.error_format is ErrorFormat.ORGANIZATION:
        parameters.append(_organization_header())
    if not has_body:
        parameters += [_query_parameter(name, schema, name in required) for name, schema in others.items()]
    entry: Json = {
        "operationId": operation.name + "Alias" * position,
        "summary": operation.summary,
        "description": describe_operation(operation) + alias,
        "tags": [rest.error_format.value],
        "security": _SECURITY[rest.credential],
        "parameters": parameters,
    }
    if has_body:
        body = {**request, "properties": others, "required": [name for name in required if name in others]}
        entry["requestBody"] = {"required": True, "content": _json(body)}
    return entry


def _statuses(rest: RestRoute) -> list[int]:
    """Return the error statuses of a route."""
    statuses = {*_ANYWHERE, *_IN_FORMAT[rest.error_format], *rest.statuses}
    if rest.most_bytes is not None:
        statuses |= _WITH_BODY
    return sorted(statuses)


def _response(status: int, schema: Json) -> Json:
    names = ["X-Request-Id"]
    names += ["WWW-Authenticate"] if status == 401 else ["X-RateLimit-Limit", "X-RateLimit-Remaining"]
    names += ["Retry-After"] if status in {429, 503} else []
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"description": _MEANINGS[status], "headers": headers, "content": _json(schema)}


def _error(status: int, error_format: ErrorFormat) -> Json:
    """Build the schema of an error format's body, narrowed to the codes of a status."""
    if error_format is ErrorFormat.ORGANIZATION:
        reasons: dict[int, list[str]] = {}
        for reason, code in ORGANIZATION_CODES.items():
            reasons.setdefault(code, []).append(reason)
        codes = sorted(code for code in reasons if code // 1000 == status) or [status * 1000]
        causes = [f"`{code}`: {', '.join(reasons.get(code, ['any cause']))}." for code in codes]
        narrowed: Json = {"code": {"enum": codes, "description": "\n\n".join(["Status and cause.", *causes])}}
    else:
        narrowed = {"statusCode": {"const": status, "description": "HTTP status of the response."}}
    return {"allOf": [{"$ref": f"{REF}{ERROR_TYPES[error_format].__name__}"}, {"properties": narrowed}]}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _path_parameter(name: str, schema: Json | None) -> Json:
    organization = {"type": "string", "minLength": 1, "description": "Id of the caller's organisation."}
    path_schema = organization if schema is None else drop_null(schema)
    return {"name": name, "in": "path", "required": True, **describe_schema(path_schema)}


def _query_parameter(name: str, schema: Json, required: bool) -> Json:
    query_schema = drop_null(schema)
    if schema.get("default") is not None:
        query_schema["default"] = schema["default"]
    return {"name": name, "in": "query", "required": required, **describe_schema(query_schema)}


def _organization_header() -> Json:
    description = "Repeats the organization of the path; another one is rejected."
    header: dict[str, Any] = {"name": ORGANIZATION_HEADER, "in": "header", "required": False}
    return {**header, "description": description, "schema": {"type": "string"}}

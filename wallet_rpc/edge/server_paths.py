"""The paths of the OpenAPI document that are not operations: JSON-RPC, health, readiness and the documents."""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.event import Event
from wallet_rpc.edge.event_stream import EVENTS_PATH, LAST_EVENT_ID, LAST_EVENT_ID_PARAMETER, STREAM, StreamQuery
from wallet_rpc.edge.health import HEALTH_PATH, OPENAPI_PATH, OPENRPC_PATH, READY_PATH
from wallet_rpc.edge.http import CHAIN_PATH, WALLET_PATHS
from wallet_rpc.edge.schemas import REF, Json, describe_schema, drop_null, request_schema, response_schema

_ID: Json = {
    "type": ["string", "number", "null"],
    "description": "Value that the response repeats. A request without it is a notification, which gets no response.",
}
_VERSION: Json = {"const": "2.0", "description": "Version of JSON-RPC."}
_REQUEST: Json = {
    "type": "object",
    "description": "A request object of JSON-RPC 2.0.",
    "properties": {
        "jsonrpc": _VERSION,
        "method": {"type": "string", "description": "Name of a method of the wallet, of a node or of a bundler."},
        "params": {"type": ["array", "object"], "description": "Parameters by position or by name. Default: none."},
        "id": _ID,
    },
    "required": ["jsonrpc", "method"],
}
_ERROR: Json = {
    "type": "object",
    "description": "The error of a request.",
    "properties": {
        "code": {"type": "integer", "description": "Code of JSON-RPC, of an EIP or of the hosted Wallet API."},
        "message": {"type": "string", "description": "One sentence on the cause, for display."},
        "data": {"type": "object", "description": "Facts for programs, of which `reason` is stable."},
    },
    "required": ["code", "message"],
}
_RESPONSE: Json = {
    "type": "object",
    "description": "A response object of JSON-RPC 2.0, with `result` or `error`.",
    "properties": {
        "jsonrpc": _VERSION,
        "result": {"description": "Result of the method, in the form that its document describes."},
        "error": {"$ref": f"{REF}JsonRpcError", "description": "Code, message and facts, if the method failed."},
        "id": _ID,
    },
    "required": ["jsonrpc", "id"],
}
_READINESS: Json = {
    "type": "object",
    "description": "The state of the server and of its dependencies.",
    "properties": {
        "status": {
            "enum": ["ok", "unavailable", "draining"],
            "description": "`ok`; `unavailable` if a dependency is not ok; `draining` while the server ends.",
        },
        "parts": {
            "type": "object",
            "description": "State of Redis and of each chain by name: `ok`, or the kind of the failure.",
            "additionalProperties": {"type": "string"},
        },
    },
    "required": ["status", "parts"],
}
SCHEMAS: Json = {
    "JsonRpcRequest": _REQUEST,
    "JsonRpcResponse": _RESPONSE,
    "JsonRpcError": _ERROR,
    "Readiness": _READINESS,
    "Event": response_schema(Event),
}
"""The schemas that the paths refer to, by name."""
RESPONSES: Json = {
    "jsonrpcRejection": {
        "description": "The request reached no method; the error has no id. Only after 503 may a method have run.",
        "content": {"application/json": {"schema": {"$ref": f"{REF}JsonRpcResponse"}}},
    }
}
"""The responses that the paths refer to, by name."""
_KEY: Json = {
    "name": "key",
    "in": "path",
    "required": True,
    "description": "An API key, for clients that send no headers.",
    "schema": {"type": "string"},
}
_CHAIN: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of a configured chain, as a decimal number.",
    "schema": {"type": "integer", "minimum": 1},
}
_DEFAULT_CHAIN: Json = {
    "name": "chainId",
    "in": "query",
    "required": False,
    "description": "Chain for methods of a node, decimal or hex. Default: the first configured chain.",
    "schema": {"type": "string"},
}
_ANY_CALLER: list[Json] = [{"bearerKey": []}, {"apiKey": []}, {"sessionToken": []}, {}]
"""Any credential, or none: open servers accept requests without one."""


def build_server_paths() -> Json:
    """Return the path items."""
    root, alias, with_key = WALLET_PATHS
    paths: Json = {
        root: {"get": _build_greeting(), "post": _build_rpc("postWallet", "Call methods of the wallet or a chain.")},
        alias: {"post": _build_rpc("postWalletV2", "Call methods, at the path that official clients use.")},
        with_key: {"post": _build_rpc("postWalletWithKey", "Call methods, with the API key in the path.", _KEY)},
        CHAIN_PATH: {"post": _build_rpc("postChain", "Call methods of one chain.", _CHAIN)},
        HEALTH_PATH: {"get": _build_get("getHealth", "Tell that the process serves.", _build_health())},
        READY_PATH: {"get": _build_readiness()},
        OPENRPC_PATH: {"get": _build_get("getOpenRpc", "Get the document of the JSON-RPC methods.", _build_document())},
        OPENAPI_PATH: {"get": _build_get("getOpenApi", "Get this document.", _build_document())},
        EVENTS_PATH: {"get": _build_stream()},
        "/metrics": {"get": _build_metrics()},
    }
    del paths[CHAIN_PATH]["post"]["parameters"][0]  # the path names the chain
    return paths


def _build_rpc(name: str, summary: str, *parameters: Json) -> Json:
    one_or_more = {"anyOf": [{"$ref": f"{REF}JsonRpcRequest"}, _build_batch("JsonRpcRequest")]}
    answers = {"anyOf": [{"$ref": f"{REF}JsonRpcResponse"}, _build_batch("JsonRpcResponse")]}
    return {
        "operationId": name,
        "summary": summary,
        "description": f"JSON-RPC 2.0, one request or a batch. `GET {OPENRPC_PATH}` describes the wallet's methods.",
        "tags": ["json-rpc"],
        "security": [{}] if _KEY in parameters else _ANY_CALLER,
        "parameters": [_DEFAULT_CHAIN, *parameters],
        "requestBody": {"required": True, "content": _json(one_or_more)},
        "responses": {
            "200": {"description": "The responses, results and errors alike.", "content": _json(answers)},
            "204": {"description": "The body had notifications only."},
            "default": {"$ref": "#/components/responses/jsonrpcRejection"},
        },
    }


def _build_stream() -> Json:
    """Return the path item of the stream of events, whose parameters are those of its query type."""
    fields = request_schema(StreamQuery)["properties"]
    parameters = [
        {"name": name, "in": "query", "required": False, **describe_schema(drop_null(field))}
        for name, field in fields.items()
    ]
    resumed = {**describe_schema(drop_null(fields[LAST_EVENT_ID_PARAMETER])), "description": _RESUMED}
    error = {"description": "The request is rejected.", "content": _json({"$ref": f"{REF}TokenError"})}
    stream = {"text/event-stream": {"schema": {"type": "string", "description": _STREAM}}}
    return {
        "operationId": STREAM,
        "summary": "Follow the events of the organisation, or of a session token's wallet.",
        "description": _STREAM,
        "tags": ["events"],
        "security": _ANY_CALLER,
        "parameters": [*parameters, {"name": LAST_EVENT_ID, "in": "header", "required": False, **resumed}],
        "responses": {"200": {"description": "The stream, which is open until one side ends it.", "content": stream}}
        | {str(status): error for status in (400, 401, 403, 429, 503)},
    }


_RESUMED = "Id of the newest event that the client has read; `0-0` is before all. It precedes the query parameter."
_STREAM = (
    "Server-sent events: each has the id of an `Event` and, as data, its JSON text. Events named `trimmed` say that "
    "events before them are missing, and one named `end` why the stream ends; their data has `reason` and `message`."
)


def _build_batch(name: str) -> Json:
    return {"type": "array", "minItems": 1, "items": {"$ref": f"{REF}{name}"}}


def _build_get(name: str, summary: str, schema: Json) -> Json:
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["server"],
        "security": [{}],
        "parameters": [],
        "responses": {"200": {"description": "The answer.", "content": _json(schema)}},
    }


def _build_greeting() -> Json:
    item = _build_text("getGreeting", "Get a line of text for people; from `dev`, a browser gets a page.")
    item["responses"]["200"]["content"]["text/html"] = {"schema": {"type": "string"}}
    return item


def _build_metrics() -> Json:
    variables = {
        "host": {"default": "127.0.0.1", "description": "`WALLET_RPC_METRICS_HOST`."},
        "port": {"default": "9464", "description": "`WALLET_RPC_METRICS_PORT`; without it there are no metrics."},
    }
    server = {"url": "//{host}:{port}", "description": "Metrics have a port of their own.", "variables": variables}
    return {**_build_text("getMetrics", "Get metrics in the text format of Prometheus."), "servers": [server]}


def _build_text(name: str, summary: str) -> Json:
    item = _build_get(name, summary, {})
    item["responses"]["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return item


def _build_health() -> Json:
    status = {"const": "ok", "description": "Always `ok`: a process that does not serve does not answer."}
    return {"type": "object", "properties": {"status": status}, "required": ["status"]}


def _build_readiness() -> Json:
    readiness = {"$ref": f"{REF}Readiness"}
    item = _build_get("getReadiness", "Tell if Redis and every chain respond.", readiness)
    away = {"description": "A dependency does not respond, or the server ends.", "content": _json(readiness)}
    item["responses"]["503"] = away
    return item


def _build_document() -> Json:
    return {"type": "object", "description": "A document in the format of its name."}


def _json(schema: Json) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}

"""Server in a process of its own, for tests that send it signals: `python -m tests.edge.draining_server SECONDS WORK`.

It prints a line for each step: its port, the start of each waiting operation, and the end of its background work, which
takes WORK seconds. Its requests wait as long as they say.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from starlette.types import ASGIApp

from tests.edge.rest_sample import FakeAuthenticator
from tests.edge.sample import Journal
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.drain import current_drain
from wallet_rpc.edge.health import health_routes
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.edge.listener import serve_until_shutdown
from wallet_rpc.edge.rest import RestApi
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.wire import shape

LARGE_BYTES = 12 << 20
"""More bytes than the kernel's buffers hold."""


@shape
class Pause:
    name: str
    seconds: str


async def _pause(_: Journal, request: Pause) -> str:
    _say(f"began {request.name}")
    await asyncio.sleep(float(request.seconds))
    return request.name


@shape
class Nothing:
    pass


async def _get_large(_: Journal, __: Nothing) -> str:
    return "x" * LARGE_BYTES


def _say(line: str) -> None:
    print(line, flush=True)


def _rest(path: str, error_format: ErrorFormat) -> Operation[Journal, Pause, str]:
    route = RestRoute(verb="GET", paths=(path,), error_format=error_format)
    return Operation(f"pause {path}", Pause, str, _pause, "Pause.", rest=route)


@asynccontextmanager
async def _open_app(work_seconds: float) -> AsyncIterator[ASGIApp]:
    rest = RestApi(
        operations=[
            _rest("/v1/organizations/{orgId}/pause", ErrorFormat.ORGANIZATION),
            _rest("/v1/pause", ErrorFormat.TOKEN),
        ],
        context=Journal,
        authenticator=FakeAuthenticator(),
    )
    methods: list[Operation[Journal, Any, Any]] = [
        Operation("pause", Pause, str, _pause, "Pause."),
        Operation("large", Nothing, str, _get_large, "A large text."),
    ]
    dispatcher = JsonRpcDispatcher(methods, Journal, at_once=3)
    app = build_app(wallet_handlers(dispatcher.dispatch), routes=health_routes(dict), mounts=rest.build_mounts())
    yield app
    _say("requests done")
    try:
        with current_drain().background.limit():
            await asyncio.sleep(work_seconds)
        _say("work done")
    except TimeoutError:
        _say("work cut")


def main() -> None:
    """Serve until a signal."""
    log_lines.configure(json=True)
    drain_seconds, work_seconds = map(float, sys.argv[1:])
    with socket.create_server(("127.0.0.1", 0)) as at, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        port = at.getsockname()[1]
        app = _open_app(work_seconds)
        runner.run(serve_until_shutdown(app, at, drain_seconds=drain_seconds, on_ready=lambda: _say(f"port {port}")))
    _say("closed")


if __name__ == "__main__":
    main()

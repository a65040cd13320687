"""Server of one handler, for peers in Python: Starlette on uvicorn's defaults (httptools, uvloop), without a log."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def serve(handler: Callable[[Request], Awaitable[Response]]) -> None:
    """Print the URL, and answer `POST /` by the handler until a signal."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        app = Starlette(routes=[Route("/", handler, methods=["POST"])])
        uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run(sockets=[listening])

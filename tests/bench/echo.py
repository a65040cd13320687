"""A bare Starlette echo on uvicorn, the least that a Python server does for a request: `python -m tests.bench.echo`.

uvicorn's defaults (httptools and uvloop), except that it does not log requests.
"""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def _echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")


def main() -> None:
    """Print the URL, and serve until a signal."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        app = Starlette(routes=[Route("/", _echo, methods=["POST"])])
        uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning")).run(sockets=[listening])


if __name__ == "__main__":
    main()

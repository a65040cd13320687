"""A bare Starlette echo, the least that a Python server does for a request: `python -m tests.bench.echo`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tests.bench.bare_server import serve


async def _echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/json")


if __name__ == "__main__":
    serve(_echo)

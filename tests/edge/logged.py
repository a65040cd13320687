"""Lines that the server logs about requests of a test."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from tests.edge.sample import browser

KEY = "ALCHT_SUPERSECRETKEY"
"""A value that no line may contain."""


async def request_lines(
    value: Any, path: str = "/", headers: dict[str, str] | None = None, *, app: Any = None
) -> list[Any]:
    """Post a value to an app, by default the sample, and return the lines of its requests."""
    with capture_logs() as logs:
        async with browser(app) as client:
            await client.post(path, json=value, headers=headers)
    return [line for line in logs if line["event"] == "request"]

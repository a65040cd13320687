"""`make picture`: draws specs/metrics.svg from what a real Prometheus scrapes from a real server under load.

The load is idle for a while, then sessions are created over two connections, then over sixteen. Then the chain's
process is frozen for ten seconds, while the clients go on.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from tests.bench.load import Connection, UnexpectedResponse
from tests.bench.parts import Parts, open_parts
from tests.bench.plot import Line
from tests.bench.requests import session_requests
from tests.metrics.prometheus import Prometheus, run_prometheus

PICTURE = Path(__file__).parents[2] / "specs" / "metrics.svg"
_RULES = PICTURE.parent / "deploy" / "alerts.yaml"
_IDLE, _CALM, _BUSY, _FROZEN, _AFTER = 10, 20, 20, 10, 20
"""Duration of the phases, in seconds."""
_PAUSE_SECONDS = 0.02
"""Pause of a client after each response, since errors come at once while the node is marked down."""
_PATIENCE_SECONDS = 1.5
_WIDTH, _HEIGHT, _PANEL = 720, 560, 130
_LEFT, _RIGHT, _TOP, _GAP = 60, 20, 30, 40
_COLORS = ("#1f77b4", "#d62728", "#2ca02c")


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the pictures' diagrams: a query for each line."""

    title: str
    queries: dict[str, str]


_REQUESTS = 'sum(rate(wallet_rpc_requests_total{method="wallet_createSession", outcome="%s"}[5s]))'
_DURATION = (
    "1000 * histogram_quantile(%s, sum by (le) "
    '(rate(wallet_rpc_request_duration_seconds_bucket{method="wallet_createSession"}[5s])))'
)
PANELS = (
    Panel("wallet_createSession: requests a second", {each: _REQUESTS % each for each in ("ok", "failed")}),
    Panel("Their duration, milliseconds", {"50 %": _DURATION % 0.5, "99 %": _DURATION % 0.99}),
    Panel("The node is used (1) or marked down (0)", {"node 1": 'wallet_rpc_dependency_up{dependency="node"}'}),
)


async def _create_sessions(url: str, until: float) -> None:
    """Create sessions one after the other until a time of the monotonic clock."""
    connection = await Connection.open(url)
    try:
        while time.monotonic() < until:
            for body in session_requests("root", 20):
                if time.monotonic() < until:
                    await connection.post(body)
                    await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        connection.close()


async def _load(url: str, connections: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(_create_sessions(url, until) for _ in range(connections)))


async def _run_phases(parts: Parts, url: str, chain: int) -> None:
    await asyncio.sleep(_IDLE)
    path = f"{url}/v2/{parts.api_key}"
    await _load(path, 2, _CALM)
    await _load(path, 16, _BUSY)
    os.kill(chain, signal.SIGSTOP)
    try:
        await _load(path, 4, _FROZEN)
    finally:
        os.kill(chain, signal.SIGCONT)
    await _load(path, 4, _AFTER)


def _read_lines(prometheus: Prometheus, panel: Panel, start: float, end: float) -> list[Line]:
    lines = []
    for name, query in panel.queries.items():
        found = prometheus.query_range(query, start=start, end=end, step=1)
        points = [(when - start, value) for when, value in found if not math.isnan(value)]
        lines.append(Line(name, points))
    return lines


def draw_panels(panels: Sequence[tuple[str, Sequence[Line]]], *, seconds: float, note: str) -> str:
    """Return the diagrams below each other as SVG, with one horizontal axis in seconds."""
    shapes = []
    across = _WIDTH - _LEFT - _RIGHT
    for number, (title, lines) in enumerate(panels):
        top = _TOP + number * (_PANEL + _GAP)
        greatest = max((value for line in lines for _, value in line.points), default=0.0) or 1.0
        shapes.append(f'<text x="{_LEFT}" y="{top - 8}" font-weight="bold">{title}</text>')
        for share in (0.0, 0.5, 1.0):
            y = top + _PANEL * (1 - share)
            shapes.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}" stroke="#ddd"/>')
            shapes.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{greatest * share:,.4g}</text>')
        for place, (line, color) in enumerate(zip(lines, _COLORS, strict=False)):
            path = " ".join(
                f"{_LEFT + across * x / seconds:.1f},{top + _PANEL * (1 - y / greatest):.1f}" for x, y in line.points
            )
            shapes.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>')
            left = _WIDTH - _RIGHT - 70 * (len(lines) - place)
            shapes.append(f'<text x="{left}" y="{top - 8}" fill="{color}">{line.name}</text>')
    bottom = _TOP + len(panels) * (_PANEL + _GAP) - _GAP + 18
    for second in range(0, int(seconds) + 1, 10):
        x = _LEFT + across * second / seconds
        shapes.append(f'<text x="{x:.1f}" y="{bottom}" text-anchor="middle">{second} s</text>')
    shapes.append(f'<text x="{_LEFT}" y="{bottom + 22}" fill="#555">{note}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 34}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


async def draw_picture() -> None:
    """Run the load, and write the picture."""
    async with open_parts() as parts:
        served = await parts.dev(has_metrics=True, patience_seconds=_PATIENCE_SECONDS)
        output = (parts.folder / "dev-with-metrics.out").read_text()
        target = re.search(r"Metrics: +http://(\S+)/metrics", output)
        if target is None:
            raise RuntimeError(f"the server serves no metrics: {output}")
        (chain,) = served.partners
        with run_prometheus([target[1]], _RULES, parts.folder) as prometheus:
            start = time.time()
            with suppress(UnexpectedResponse):
                await _run_phases(parts, served.url, chain)
            end = time.time()
            panels = [(panel.title, _read_lines(prometheus, panel, start, end)) for panel in PANELS]
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    note = f"Scraped every second from wallet-rpc dev under load, {day}; its chain was frozen for {_FROZEN} s."
    PICTURE.write_text(draw_panels(panels, seconds=end - start, note=note))
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    uvloop.run(draw_picture())

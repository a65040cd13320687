"""Comparison of this machine's clock with those of other machines."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime

import httpx2

from wallet_rpc.adapters.jwt_tokens import SKEW_SECONDS
from wallet_rpc.cli.findings import CheckState, Findings

_NOTABLE_SECONDS = 5.0
_TIMEOUT_SECONDS = 5.0
_BODY = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
_ACTION = "synchronize the clocks, for example with NTP"


async def measure_skew(read_seconds: Callable[[], Awaitable[float]]) -> float:
    """Return the difference between another clock and this one, in seconds; the way there and back is halved."""
    before = time.time()
    found = await read_seconds()
    return found - (before + time.time()) / 2


def add_skew(findings: Findings, part: str, skew: float) -> None:
    """Add a row for a difference: tokens of a server that is more than `SKEW_SECONDS` ahead are rejected."""
    state = CheckState.OK
    if abs(skew) > _NOTABLE_SECONDS:
        state = CheckState.FAILED if abs(skew) > SKEW_SECONDS else CheckState.WARNING
    text = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine"
    findings.add(part, state, text, "" if state is CheckState.OK else _ACTION)


async def read_date(url: str) -> float | None:
    """Return the time in the `Date` header of a server's response, in seconds; None without a response or header."""
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS) as http:
            response = await http.post(url, json=_BODY)
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (httpx2.HTTPError, httpx2.InvalidURL, KeyError, ValueError):
        return None

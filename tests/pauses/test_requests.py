"""No request of up to 1 MiB holds the event loop for a tenth of a second, whatever it says."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.pauses.watch import Watch
from tests.pauses.worst import WORST

pytestmark = pytest.mark.usefixtures("collector")
MAX_REFERENCES = 3.0
"""How many times the reference a pause may be."""
TRIES = 3
"""How often a request is sent until its pause is short; a collection of the test's own garbage may fall into one."""


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=120, headers={"content-type": "application/json"}) as client:
        yield client


def longest_pause(http: httpx2.Client, url: str, watch: Watch, body: str) -> float:
    """While the request is served, in seconds of the processor."""
    watch.restart()
    answer = http.post(url, content=body.encode())
    assert answer.status_code == 200
    assert answer.json()
    assert http.get(f"{url}/health").status_code == 200  # the loop has gone on
    return watch.longest_seconds


@pytest.mark.parametrize("name", WORST)
def test_a_request_of_a_megabyte_holds_the_loop_but_shortly(
    http: httpx2.Client, url: str, watch: Watch, reference: float, name: str
) -> None:
    body = WORST[name]()
    assert len(body) <= 1 << 20
    pauses: list[float] = []
    while len(pauses) < TRIES and (not pauses or min(pauses) > MAX_REFERENCES * reference):
        pauses.append(longest_pause(http, url, watch, body))
    assert min(pauses) <= MAX_REFERENCES * reference

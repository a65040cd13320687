"""No request of up to 1 MiB blocks the event loop for a tenth of a second, whatever it contains."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.pauses.watch import Watch, assert_short
from tests.pauses.worst import WORST

pytestmark = pytest.mark.usefixtures("collector")


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=120, headers={"content-type": "application/json"}) as client:
        yield client


def longest_pause(
    http: httpx2.Client, url: str, watch: Watch, body: str, *, path: str = "/", status: int = 200
) -> float:
    """Return the longest pause while the request is served, in seconds of processor time."""
    watch.restart()
    answer = http.post(url + path, content=body.encode())
    assert answer.status_code == status
    assert answer.json()
    assert http.get(f"{url}/health").status_code == 200  # the loop still runs
    return watch.longest_seconds


@pytest.mark.parametrize("name", WORST)
def test_a_request_of_a_megabyte_blocks_the_loop_only_briefly(
    http: httpx2.Client, url: str, watch: Watch, name: str
) -> None:
    body = WORST[name]()
    assert len(body) <= 1 << 20
    assert_short(lambda: longest_pause(http, url, watch, body))

"""No request to a chain's own path, which takes dumps of up to 4 MiB, blocks the event loop for long either."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx2
import pytest

from tests.pauses.test_requests import http, longest_pause
from tests.pauses.watch import Watch, assert_short
from tests.support.constants import CHAINS
from wallet_rpc.embedded_chains import MAX_CHAIN_BODY_BYTES

__all__ = ["http"]  # a fixture
pytestmark = pytest.mark.usefixtures("collector")
SIZE = MAX_CHAIN_BODY_BYTES - 200


def request(method: str, params: str) -> str:
    return f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[{params}]}}'


BODIES: Mapping[str, Callable[[], str]] = {
    "texts": lambda: request("evm_revert", ",".join(['""'] * (SIZE // 3))),
    "arrays": lambda: request("evm_revert", ",".join(["[]"] * (SIZE // 3))),
    "no dump": lambda: request("anvil_loadState", f'"0x{"ab" * (SIZE // 2)}"'),
}

TOO_MANY = ("texts", "arrays")
"""Bodies with more values than are read."""


@pytest.mark.parametrize("name", BODIES)
def test_a_request_to_the_chain_blocks_the_loop_only_briefly(
    http: httpx2.Client, url: str, watch: Watch, name: str
) -> None:
    body = BODIES[name]()
    assert len(body) <= MAX_CHAIN_BODY_BYTES
    path, status = f"/chain/{CHAINS[0]}", 400 if name in TOO_MANY else 200
    assert_short(lambda: longest_pause(http, url, watch, body, path=path, status=status))

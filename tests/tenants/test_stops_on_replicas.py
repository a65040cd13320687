"""Stops on two server processes with one Redis: refused from the same instant on both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.e2e.process import Server
from tests.support.constants import CHAINS, ENTRY_POINT, FRIEND, ROOT
from tests.support.keys import sign_request
from tests.support.rpc_client import RpcError
from tests.support.wallet import Grant, Wallet
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_server import RedisServer

CHAIN = CHAINS[0]


@pytest.fixture(scope="module")
def other_url(tenants_url: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a second server, in a process of its own, on the Redis and the chain of the first."""
    settings = {"CHAINS": f"{CHAIN}={tenants_url}/chain/{CHAIN}", "REDIS_URL": redis_server.url, "OPEN": "yes"}
    with Server("serve", folder=tmp_path_factory.mktemp("serve"), **settings) as server:
        yield server.url


@dataclass
class Replicas:
    """An organisation's wallet with an installed session, as both processes serve it."""

    here: Wallet
    there: Wallet
    grant: Grant


@pytest.fixture
def replicas(tenant: Tenant, other_url: str) -> Replicas:
    here = Wallet(tenant.client()).fund(tokens=0)
    grant = here.grant(ROOT)
    assert here.act(grant, {"to": FRIEND}, sponsored=False)["status"] == 200
    there = replace(tenant, url=other_url).client()
    return Replicas(here, replace(here, client=there), grant)


def stop_session(replicas: Replicas) -> None:
    replicas.here.client.rpc("wallet_pauseSession", {"sessionId": replicas.grant.session_id})


def stop_account(replicas: Replicas) -> None:
    replicas.here.client.rpc("wallet_stopSessions", {"scope": {"account": replicas.here.account}})


def prepare(replicas: Replicas) -> None:
    replicas.there.prepare({"to": FRIEND}, sponsored=False, permissions=replicas.grant.permissions)


def send_raw(replicas: Replicas, signed: list[dict[str, Any]]) -> None:
    replicas.there.client.rpc("eth_sendUserOperation", signed[0], ENTRY_POINT)


@pytest.mark.parametrize("stop", [stop_session, stop_account])
def test_no_process_accepts_a_request_that_starts_after_the_stop(
    replicas: Replicas, stop: Callable[[Replicas], None]
) -> None:
    passed: list[float] = []
    some_passed = threading.Event()

    def ask_until_refused() -> str | None:
        while True:
            started = time.monotonic()
            try:
                prepare(replicas)
            except RpcError as error:
                return error.reason
            passed.append(started)
            if len(passed) >= 4:
                some_passed.set()

    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask_until_refused) for _ in range(2)]
        assert some_passed.wait(30)
        stop(replicas)
        stopped_at = time.monotonic()
        assert [each.result() for each in asking] == ["session_paused"] * 2
    assert max(passed) <= stopped_at


@pytest.mark.parametrize("stop", [stop_session, stop_account])
def test_what_one_process_prepared_another_refuses_after_the_stop(
    replicas: Replicas, stop: Callable[[Replicas], None]
) -> None:
    grant, there = replicas.grant, replicas.there
    prepared = there.prepare({"to": FRIEND}, sponsored=False, permissions=grant.permissions)
    raw = {**prepared["data"], "signature": "0xff00" + sign_request(grant.key, prepared["signatureRequest"])[2:]}
    stop(replicas)

    for request in (lambda: there.send(prepared, grant.key, grant.permissions), lambda: send_raw(replicas, [raw])):
        with pytest.raises(RpcError) as refused:
            request()
        assert (refused.value.code, refused.value.reason) == (4100, "session_paused")

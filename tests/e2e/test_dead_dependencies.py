"""`wallet-rpc serve` whose upstreams or Redis freeze or lie after the start: requests end in time, with a code."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.e2e.process import Server, until
from tests.e2e.stacks import Stack
from tests.support.constants import CHAINS, FRIEND
from tests.support.flaky_upstream import FlakyUpstream, Work, answer_result, serve_upstream
from tests.support.http_stub import Answer
from tests.support.rpc_client import Client, RpcError
from tests.support.thread_context import run_in_thread
from tests.support.wallet import Json, Wallet
from wallet_rpc.adapters.redis_server import RedisServer

CHAIN = CHAINS[0]
MAX_SECONDS = 20.0
"""Maximum duration of a request on a busy machine. A request has 8 s for its dependencies, and 30 s in all."""


@dataclass
class Deployment:
    """Server with upstreams and a Redis that a test may disturb, and a wallet with a signed call."""

    server: Server
    upstreams: dict[str, FlakyUpstream]
    redis: int
    wallet: Wallet
    signed: Json
    call_id: str

    def prepare(self) -> Json:
        return self.wallet.prepare({"to": FRIEND})

    def send(self) -> Any:
        return self.wallet.client.rpc("wallet_sendPreparedCalls", self.signed)

    def status(self) -> Json:
        return self.wallet.status(self.call_id)

    def served(self, part: str) -> int:
        """Return the number of requests, other than probes, that an upstream has received."""
        return sum(method != "eth_chainId" for method in self.upstreams[part].methods)

    def until_logged(self, part: str, state: str) -> None:
        name = "redis" if part == "redis" else f"chain {CHAIN} {part} 1"
        line = f'{{"part":"{name}","state":"{state}","event":"dependency"'
        until(lambda: line in self.server.output(), f"{part} {state}")

    @contextmanager
    def frozen(self, part: str) -> Iterator[None]:
        """Freeze an upstream or `redis` for the block, then wait until the server is ready again."""
        if part == "redis":
            os.kill(self.redis, signal.SIGSTOP)
        else:
            self.upstreams[part].freeze()
        try:
            yield
        finally:
            if part == "redis":
                os.kill(self.redis, signal.SIGCONT)
            else:
                self.upstreams[part].recover()
            self.server.until_ready()


def forward_to(url: str) -> Work:
    def work(body: bytes) -> Answer:
        response = httpx2.post(url, content=body, headers={"content-type": "application/json"}, timeout=60)
        return Answer(response.content, response.status_code)

    return work


@pytest.fixture(scope="module")
def deployment(dev_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    home = dev_stack.nodes[CHAIN]
    work = forward_to(home)
    with (
        run_in_thread(RedisServer(None)) as redis,
        serve_upstream(work) as node,
        serve_upstream(work) as bundler,
        serve_upstream(work) as paymaster,
    ):
        chains = f"{CHAIN}={node.url},{bundler.url},{paymaster.url}"
        folder = tmp_path_factory.mktemp("deployment")
        with Server(
            "serve", folder=folder, CHAINS=chains, REDIS_URL=redis.url, OPEN="yes", PATIENCE_SECONDS="0.8"
        ) as server:
            client = Client(server.url, home)
            wallet = Wallet(client).fund(tokens=0)
            call_id = wallet.send(wallet.prepare({"to": FRIEND}), wallet.owner)
            signed = wallet.sign(wallet.prepare({"to": FRIEND, "value": "0x1"}), wallet.owner)
            assert redis.process_id is not None
            upstreams = {"node": node, "bundler": bundler, "paymaster": paymaster}
            yield Deployment(server, upstreams, redis.process_id, wallet, signed, call_id)
            client.http.close()


def timed(request: Callable[[], Any]) -> tuple[RpcError | None, float]:
    """Send a request, and return its error, if any, and its duration in seconds."""
    began = time.monotonic()
    try:
        request()
    except RpcError as error:
        return error, time.monotonic() - began
    return None, time.monotonic() - began


def test_requests_to_a_dependency_that_just_froze_end_in_time(deployment: Deployment) -> None:
    with deployment.frozen("bundler"), ThreadPoolExecutor() as pool:
        found = list(pool.map(timed, (deployment.prepare, deployment.send, deployment.status)))

    prepared, *_ = errors = [error for error, _ in found]
    assert prepared is not None
    assert prepared.data["part"] == "bundler"
    for error in errors:
        assert error is None or (error.code, error.data["retryable"]) == (-32603, True)
    assert max(seconds for _, seconds in found) < MAX_SECONDS
    assert deployment.status()["status"] == 200


@pytest.mark.parametrize(("part", "name"), [("node", "node"), ("bundler", "bundler"), ("redis", "store")])
def test_requests_fail_at_once_while_a_dependency_is_down(deployment: Deployment, part: str, name: str) -> None:
    with deployment.frozen(part):
        until(lambda: deployment.server.ready()[0] == 503, f"{part} reported as down")
        before = 0 if part == "redis" else deployment.served(part)
        ready = deployment.server.ready()
        with pytest.raises(RpcError) as error_info:
            deployment.prepare()

        assert ready[1]["redis" if part == "redis" else f"chain {CHAIN}"] == "timeout"
        assert error_info.value.code == -32603
        assert error_info.value.data == {"reason": "dependency_down", "retryable": True, "part": name}
        assert part == "redis" or deployment.served(part) == before  # nothing was sent, so nothing can have waited
        assert httpx2.get(f"{deployment.server.url}/health").status_code == 200

    assert deployment.prepare()["type"] == "user-operation-v070"


def test_a_frozen_paymaster_stops_only_requests_that_need_it(deployment: Deployment) -> None:
    with deployment.frozen("paymaster"):
        deployment.until_logged("paymaster", "timeout")
        before = deployment.served("paymaster")
        with pytest.raises(RpcError) as error_info:
            deployment.prepare()

        assert error_info.value.data == {"reason": "dependency_down", "retryable": True, "part": "paymaster"}
        assert deployment.served("paymaster") == before
        assert deployment.server.ready()[0] == 200
        assert deployment.wallet.prepare({"to": FRIEND}, sponsored=False)["type"] == "user-operation-v070"


def test_a_single_node_that_changes_its_chain_is_no_longer_used(deployment: Deployment) -> None:
    node = deployment.upstreams["node"]
    node.lie = answer_result("0x7a69a")
    until(lambda: deployment.server.ready()[0] == 503, "another chain reported")
    before = deployment.served("node")
    with pytest.raises(RpcError) as error_info:
        deployment.prepare()

    assert deployment.server.ready()[1][f"chain {CHAIN}"] == "wrong_chain"
    assert error_info.value.data == {"reason": "wrong_chain", "retryable": True, "part": "node"}
    assert deployment.served("node") == before
    node.recover()
    deployment.server.until_ready()
    assert deployment.prepare()["type"] == "user-operation-v070"


def test_requests_that_wait_for_a_node_delay_neither_probes_nor_the_bundler(deployment: Deployment) -> None:
    """At least as many requests wait as a connection pool has connections."""
    node, post = deployment.upstreams["node"], deployment.server.post
    node.freeze("eth_call")
    probes = node.count("eth_chainId")
    with ThreadPoolExecutor(110) as pool:
        waiting = [pool.submit(post, "", "eth_call", {"to": FRIEND}, "latest") for _ in range(110)]
        until(lambda: node.count("eth_call") >= 100 and node.count("eth_chainId") >= probes + 3, "a full pool, probes")

        assert deployment.server.ready()[0] == 200
        assert "result" in post("", "eth_supportedEntryPoints")
        assert not any(each.done() for each in waiting)
        node.recover()

"""`wallet-rpc serve --workers`: several processes are one server, which loses none of its calls with any of them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.commanding import Cli
from tests.e2e.process import Server, is_running, until
from tests.e2e.stacks import Stack
from tests.support.api_keys import issue_api_key
from tests.support.calls import transfer
from tests.support.constants import CHAINS, FRIEND, ROOT
from tests.support.flaky_upstream import FlakyUpstream, serve_upstream
from tests.support.http_stub import Answer
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION, Organization, OrganizationId, new_organization_id

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc")

WORKERS = 2


class WorkersServer(Server):
    """`serve` with two workers."""

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of the log with this event; every line of standard error must be whole."""
        written = self._err.read_text().rpartition("\n")[0]
        found = [json.loads(line) for line in written.splitlines()]
        return [line for line in found if line["event"] == event]

    def workers(self) -> dict[int, int]:
        """Return the process ids of the workers by their numbers."""
        return {line["worker"]: line["pid"] for line in self.lines("worker_ready")}

    def served(self) -> Counter[int]:
        """Return the number of requests that each worker has served, besides those for its state."""
        return Counter(line["worker"] for line in self.lines("request") if line["path"] != "/ready")


@contextmanager
def open_workers(folder: Path, redis: RedisServer, home: str, **settings: str) -> Iterator[WorkersServer]:
    chains = f"{CHAINS[0]}={home},{home},{home}"
    chosen = {"CHAINS": chains, "REDIS_URL": redis.url, "OPEN": "yes", "TOKEN_SECRETS": secrets.token_hex(32)}
    with WorkersServer("serve", "--workers", str(WORKERS), folder=folder, **{**chosen, **settings}) as server:
        yield server


@pytest.fixture(scope="module")
def server(
    dev_stack: Stack, own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkersServer]:
    with open_workers(tmp_path_factory.mktemp("workers"), own_redis, dev_stack.nodes[CHAINS[0]]) as started:
        yield started


@pytest.fixture
def upstream(dev_stack: Stack) -> Iterator[FlakyUpstream]:
    """Serve the embedded chain with switchable faults."""
    home = dev_stack.nodes[CHAINS[0]]
    with serve_upstream(lambda body: Answer(httpx2.post(home, content=body, timeout=60).content)) as found:
        yield found


def until_served_by_all(server: WorkersServer, request: Any) -> None:
    """Send a request over new connections until every worker has served one."""
    before = server.served()

    def is_served_by_all() -> bool:
        request()
        return len(server.served() - before) == WORKERS

    until(is_served_by_all, "served by every worker")


def post(url: str, method: str) -> httpx2.Response:
    """Send a request over a new connection."""
    return httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": []}, timeout=60)


def add_key(cli: Cli, **limits: int) -> tuple[str, OrganizationId]:
    """Add an organisation with a key, and return both."""
    organization = new_organization_id(secrets.token_bytes(10))
    key, record = issue_api_key(organization=organization, **limits)

    async def add(store: RedisStore) -> None:
        await store.directory.add_organization(Organization(id=organization, name="Example shop", created_at=0))
        await store.directory.add_key(record)

    cli.run_on_store(add)
    return key, organization


def test_the_workers_serve_one_address_and_log_whole_lines(server: WorkersServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(server.url, "eth_chainId").json()["result"], range(40)))
    until_served_by_all(server, lambda: post(server.url, "eth_chainId"))

    assert answers == [hex(CHAINS[0])] * 40
    assert "Workers:     2" in server.output()
    assert set(server.workers()) == {1, 2}
    assert server.ready()[0] == 200


def test_a_limit_holds_over_all_workers(server: WorkersServer, cli: Cli) -> None:
    key, _ = add_key(cli, requests_per_month=15)
    before = server.served()
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: post(f"{server.url}/v2/{key}", "eth_chainId").status_code, range(40))

    assert Counter(answers) == {200: 15, 429: 25}
    assert len(server.served() - before) == WORKERS


def test_a_token_of_one_worker_is_accepted_by_all(server: WorkersServer, cli: Cli) -> None:
    key, _ = add_key(cli)
    request = {"walletAddress": FRIEND, "scopes": ["wallet:read"]}
    issued = httpx2.post(f"{server.url}/api/v1/burner/sessions", json=request, headers={"x-api-key": key})
    bearer = {"authorization": f"Bearer {issued.json()['token']}"}
    answers: list[httpx2.Response] = []

    until_served_by_all(server, lambda: answers.append(httpx2.get(f"{server.url}/v1/sessions/me", headers=bearer)))

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["walletAddress"] for answer in answers} == {FRIEND}


def test_one_log_has_the_entries_of_all_workers(server: WorkersServer, cli: Cli) -> None:
    key, organization = add_key(cli)
    before = server.served()
    with ExitStack() as clients, ThreadPoolExecutor(6) as pool:
        made = [Client(f"{server.url}/v2/{key}") for _ in range(6)]
        for each in made:
            clients.callback(each.http.close)
        wallets = list(pool.map(Wallet, made))
        list(pool.map(lambda each: [each.create_session(ROOT) for _ in range(5)], wallets))

    assert len(server.served() - before) == WORKERS
    verified = cli.run_on_store(lambda store: store.for_organization(organization).audit.verify())
    assert verified.failure is None
    assert verified.head.count == 30


def send_calls(wallet: Wallet, stopped: threading.Event, sent: list[str]) -> None:
    """Send calls until `stopped`, or until the server closes the connection."""
    while not stopped.is_set():
        try:
            sent.append(wallet.send(wallet.prepare(transfer(1)), wallet.owner))
        except httpx2.TransportError:
            return


def test_a_killed_worker_loses_no_acknowledged_call_and_is_replaced(
    dev_stack: Stack, own_redis: RedisServer, tmp_path: Path, cli: Cli
) -> None:
    home = dev_stack.nodes[CHAINS[0]]
    with open_workers(tmp_path, own_redis, home) as server, ExitStack() as stack:
        made = [Client(server.url, home) for _ in range(4)]
        for each in made:
            stack.callback(each.http.close)
        wallets = [Wallet(each).fund() for each in made]
        stopped, sent = threading.Event(), [list[str]() for _ in wallets]
        first = server.workers()[1]
        with ThreadPoolExecutor(4) as pool:
            sending = [pool.submit(send_calls, *each) for each in zip(wallets, [stopped] * 4, sent, strict=True)]
            try:
                until(lambda: all(len(each) >= 2 for each in sent), "calls are sent")
                os.kill(first, signal.SIGKILL)
                until(lambda: not is_running(first), "the worker is gone")
                during = post(server.url, "eth_chainId")
                until(lambda: server.workers()[1] != first, "a new worker")
                until_served_by_all(server, lambda: post(server.url, "eth_chainId"))
            finally:
                stopped.set()
            for one in sending:
                one.result()

        assert during.status_code == 200
        for wallet, ids in zip(wallets, sent, strict=True):
            wallet.client = server.client()
            wallet.client.node = home
            assert [wallet.wait_until_final(each)["status"] for each in ids] == [200] * len(ids)
            assert wallet.client.token_balance(wallet.account) <= 1000 - len(ids)
        (ended,) = server.lines("worker_ended")
        assert (ended["worker"], ended["pid"], ended["status"]) == (1, first, 128 + signal.SIGKILL)
        verified = cli.run_on_store(lambda store: store.for_organization(OPEN_ORGANIZATION).audit.verify())
        assert verified.failure is None


@contextmanager
def waiting_requests(server: WorkersServer, upstream: FlakyUpstream) -> Iterator[list[Any]]:
    """Send requests that wait for the node, over connections to both workers, and yield their futures."""
    upstream.freeze("eth_gasPrice")
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(post, server.url, "eth_gasPrice") for _ in range(6)]
        try:
            until(lambda: upstream.count("eth_gasPrice") == 6, "the requests wait for the node")
            yield futures
        finally:
            upstream.recover()


def until_refused(server: WorkersServer) -> None:
    host, port = server.url.removeprefix("http://").split(":")

    def is_refused() -> bool:
        with socket.socket() as client:
            return client.connect_ex((host, int(port))) != 0

    until(is_refused, "connections are refused")


def test_sigterm_drains_all_workers(upstream: FlakyUpstream, own_redis: RedisServer, tmp_path: Path) -> None:
    with open_workers(tmp_path, own_redis, upstream.url, DRAIN_SECONDS="600") as server:
        with waiting_requests(server, upstream) as futures:
            server.process.send_signal(signal.SIGHUP)  # changes nothing
            server.process.send_signal(signal.SIGTERM)
            until_refused(server)
            upstream.recover()

            answers = [future.result().json() for future in futures]
            reasons = {answer["error"]["data"]["reason"] for answer in answers if "error" in answer}
            assert reasons <= {"unavailable", "deadline"}  # none but those of a node that was frozen for long
        assert server.process.wait(60) == 0
        assert len(server.served()) == WORKERS
        assert not any(map(is_running, server.workers().values()))


def test_a_second_signal_cuts_all_workers(upstream: FlakyUpstream, own_redis: RedisServer, tmp_path: Path) -> None:
    with open_workers(tmp_path, own_redis, upstream.url, DRAIN_SECONDS="600") as server:
        with waiting_requests(server, upstream) as futures:
            server.process.send_signal(signal.SIGTERM)
            until_refused(server)
            server.process.send_signal(signal.SIGTERM)

            reasons = [future.result().json()["error"]["data"]["reason"] for future in futures]
        assert reasons == ["shutting_down"] * 6
        assert server.process.wait(60) == 0


def test_the_workers_end_with_their_parent(dev_stack: Stack, own_redis: RedisServer, tmp_path: Path) -> None:
    home = dev_stack.nodes[CHAINS[0]]
    with open_workers(tmp_path, own_redis, home) as server:
        workers, port = server.workers(), server.url.rpartition(":")[2]
        server.kill()
        try:
            until(lambda: not any(map(is_running, workers.values())), "the workers are gone")
        finally:
            for pid in filter(is_running, workers.values()):
                os.kill(pid, signal.SIGKILL)

    with open_workers(tmp_path, own_redis, home, PORT=port) as server:
        assert server.ready()[0] == 200

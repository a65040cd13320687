"""Metrics of a real server with two workers, as Prometheus reads them."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import Node
from tests.e2e.process import Server, is_running, until
from tests.metrics.prometheus import Samples, read_samples, run_prometheus, run_promtool, scrape, values_of
from tests.metrics.test_deploy_files import DEPLOY, QUERIES, board_queries
from tests.support.policies import write_policies
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.metrics import catalogue
from wallet_rpc.metrics.catalogue import Kind

WORKERS = 2
POLICY = "3061cc5f-1f96-48a9-ab45-41faad2dd23b"
RELAYER = ACCOUNTS[-1]
_METRICS = re.compile(r"^Metrics: +(\S+)$", re.MULTILINE)


class MeasuredServer(Server):
    """`serve` with two workers, metrics, and all payers."""

    @property
    def metrics(self) -> str:
        found = _METRICS.search(self.output())
        assert found is not None, self.output()
        return found[1]

    def samples(self) -> Samples:
        return read_samples(scrape(self.metrics))

    def worker(self, number: int) -> int | None:
        """Return the process id of a worker that exports metrics; None while there is none or it is being written."""
        try:
            return int((self.folder() / f"process-{number}").read_text() or 0) or None
        except FileNotFoundError:
            return None

    def folder(self) -> Path:
        """Return the folder that the workers share."""
        (found,) = (self.temporary / "temporary").glob("wallet-rpc-metrics-*")
        return found

    temporary: Path


def open_measured(folder: Path, node: str, redis: str, **settings: str) -> MeasuredServer:
    """Return a server that is starting."""
    (folder / "temporary").mkdir()
    chain = f'[[chain]]\nid = 31337\nnode = "{node}"\nbundler = "{node}"\npaymaster = "{node}"\n'
    (folder / "chains.toml").write_text(f'{chain}verifying_paymaster = "{dev_constants.PAYMASTER}"\n')
    limits = {"total_wei": 10**18, "total_operations": 10}
    chosen = {
        "CHAINS": str(folder / "chains.toml"),
        "REDIS_URL": redis,
        "OPEN": "yes",
        "METRICS_PORT": "0",
        "POLICIES": str(write_policies(folder, {"id": POLICY, "limits": limits})),
        "PAYMASTER_KEY": f"0x{dev_constants.PAYMASTER_KEY.hex()}",
        "RELAYER_KEY": f"0x{RELAYER.key.hex()}",
        "TOKEN_SECRETS": secrets.token_hex(32),
    }
    server = MeasuredServer("serve", "--workers", str(WORKERS), folder=folder, **{**chosen, **settings})
    server.temporary = folder
    return server


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with serve_rpc(Node().dispatcher.answer) as url:
        yield url


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Start a Redis without calls of other tests."""
    own = RedisServer(None)
    asyncio.run(own.start())
    yield own
    asyncio.run(own.stop())


@pytest.fixture(scope="module")
def server(node: str, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredServer]:
    folder = tmp_path_factory.mktemp("metrics")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "temporary"))
        opened = open_measured(folder, node, redis.url)
    with opened as started:
        yield started
        started.stop()
    assert list((folder / "temporary").iterdir()) == [], "the folder of the workers is removed"
    with pytest.raises(httpx2.ConnectError):
        scrape(started.metrics)


@pytest.fixture
def facts(server: MeasuredServer) -> Samples:
    """Wait for the facts, also after the end of the worker that held the lease, and return a scrape."""
    found: list[Samples] = []

    def has_facts() -> bool:
        found.append(server.samples())
        return values_of(found[-1], "wallet_rpc_facts_timestamp_seconds") != []

    until(has_facts, "the facts are read")
    return found[-1]


def post(url: str, body: Any, path: str = "") -> httpx2.Response:
    """Send a body over a new connection."""
    return httpx2.post(url + path, json=body, timeout=60)


def call(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}


@pytest.mark.usefixtures("facts")
def test_the_output_is_well_formed_and_has_every_metric(server: MeasuredServer) -> None:
    post(server.url, call("eth_blockNumber"))
    text = scrape(server.metrics)
    checked = run_promtool("check", "metrics", given=text)

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert kinds == {one.name: one.kind.value for one in catalogue.ALL} | {
        name: "counter" if name.endswith("_total") else "gauge" for name in catalogue.PROCESS_METRICS
    }
    for name, labels in read_samples(text):
        definition = next((one for one in catalogue.ALL if name.startswith(one.name)), None)
        expected = {"worker"} if definition is None else set(definition.labels)
        assert dict(labels).keys() - {"le"} == expected, name


def test_requests_of_all_workers_are_added_up_by_method_and_code(server: MeasuredServer) -> None:
    with ThreadPoolExecutor(8) as pool:  # no other test sends these methods
        list(pool.map(lambda _: post(server.url, call("wallet_getCapabilities")), range(30)))
        list(pool.map(lambda _: post(server.url, [call("wallet_getCallsStatus"), call("eth_gasPrice")]), range(10)))
        list(pool.map(lambda _: httpx2.get(f"{server.url}/v1/sessions/me", timeout=60), range(5)))

    series = [
        {"method": "wallet_getCapabilities", "route": "JSON-RPC", "outcome": "rejected", "code": "-32602"},
        {"method": "wallet_getCallsStatus", "route": "JSON-RPC", "outcome": "rejected", "code": "-32602"},
        {"method": "describeToken", "route": "GET /api/v1/burner/sessions/me", "outcome": "rejected", "code": "401"},
    ]

    def counts() -> list[list[float]]:
        samples = server.samples()
        return [values_of(samples, "wallet_rpc_requests_total", **labels) for labels in series]

    until(lambda: counts() == [[30.0], [10.0], [5.0]], "all are counted")
    durations = "wallet_rpc_request_duration_seconds_count"
    assert values_of(server.samples(), durations, method="wallet_getCapabilities") == [30.0]
    assert values_of(server.samples(), durations, method="wallet_getCallsStatus") == [], "a batch counts as a whole"
    workers = {dict(labels)["worker"] for name, labels in server.samples() if name == "process_open_fds"}
    assert workers == {"1", "2"}


def test_no_text_of_a_caller_becomes_a_label(server: MeasuredServer) -> None:
    secret = secrets.token_hex(8)
    for body in (call(f"wallet_{secret}"), call(f"eth_{secret}"), [call(f"x{number}{secret}") for number in range(50)]):
        post(server.url, body, path=f"/?chainId={secret}")
    for path in (f"/v2/{secret}", f"/{secret}", f"/v1/sessions/{secret}", f"/chain/{secret}"):
        post(server.url, call("eth_chainId"), path)
        httpx2.request(secret.upper(), server.url + path, timeout=60)

    assert secret.lower() not in scrape(server.metrics).lower()


def test_balances_and_budgets_are_those_of_chain_and_redis(facts: Samples, node: str) -> None:
    samples = facts
    balance = int(post(node, call("eth_getBalance", RELAYER.address.hex0x(), "latest")).json()["result"], 16)

    assert values_of(samples, "wallet_rpc_relayer_balance_wei", chain="31337") == [float(balance)]
    (deposit,) = values_of(samples, "wallet_rpc_paymaster_deposit_wei", chain="31337")
    assert deposit > 0
    assert values_of(samples, "wallet_rpc_policy_budget_left_wei", policy=POLICY) == [1e18]
    assert values_of(samples, "wallet_rpc_policy_operations_left", policy=POLICY) == [10.0]
    assert values_of(samples, "wallet_rpc_policy_budget_left_ratio", policy=POLICY) == [1.0]
    assert values_of(samples, "wallet_rpc_relayer_budget_left_wei", chain="31337") == [1e17]
    assert values_of(samples, "wallet_rpc_facts_leaseholder") == [1.0]
    assert values_of(samples, "wallet_rpc_calls") == [0.0] * 10
    assert values_of(samples, "wallet_rpc_dependency_up") == [1.0] * 4


@pytest.mark.usefixtures("facts")
def test_every_query_of_the_board_and_the_rules_runs_on_a_real_prometheus(
    server: MeasuredServer, tmp_path: Path
) -> None:
    for _ in range(8):  # both workers
        post(server.url, call("wallet_unknown"))
    target = server.metrics.removeprefix("http://").removesuffix("/metrics")
    with run_prometheus([target], DEPLOY / "alerts.yaml", tmp_path) as prometheus:
        until(lambda: prometheus.query("count(count_over_time(up[1m]) >= 3)") != [], "three scrapes")
        until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), "the rules are evaluated")
        post(server.url, call("eth_blockNumber"))
        found = {query: prometheus.query(query.replace("$__rate_interval", "1m")) for query in QUERIES}

        rules = prometheus.rules()
        assert {rule["health"] for rule in rules} == {"ok"}, rules
        assert {rule["name"] for rule in rules if rule["state"] != "inactive"} == set()
        assert [query for query in board_queries() if found[query] == []] == []


@pytest.mark.usefixtures("facts")
def test_a_dead_worker_keeps_its_counts_and_loses_its_gauges(server: MeasuredServer) -> None:
    names = [one.name for one in catalogue.ALL if one.kind is Kind.COUNTER]
    post(server.url, call("eth_blockNumber"))
    holder = next(number for number in (1, 2) if (server.folder() / f"facts-{number}.prom").exists())
    process = server.worker(holder)
    assert process is not None
    before = server.samples()
    os.kill(process, signal.SIGKILL)
    until(lambda: not is_running(process), "the worker is gone")
    until(lambda: server.worker(holder) not in {None, process}, "a new worker")
    after = server.samples()

    for name in names:
        assert sum(values_of(after, name)) >= sum(values_of(before, name)), name
    assert sum(values_of(after, "wallet_rpc_facts_leaseholder")) <= 1
    facts = {one.name for one in catalogue.ALL if one.is_shared}
    assert {name for name, _ in after} & facts == set(), "they vanish with the worker that read them"
    assert {server.ready()[0] for _ in range(4)} == {200}

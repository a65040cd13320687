"""`wallet-rpc doctor`: it finds all that stops `serve`, and what an operator should watch, and reveals no secret."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import pytest
import structlog

from tests.contract.redis_processes import HOST, PASSWORD, RedisProcess
from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import Node
from tests.e2e.deployment import DEAD, SECRETS, Deployment, start_error
from tests.support.api_keys import issue_api_key
from tests.support.http_stub import Answer, open_stub
from wallet_rpc.__main__ import main
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.domain.access import Organization, OrganizationId
from wallet_rpc.domain.contracts import ENTRY_POINT, TIME_RANGE_MODULE
from wallet_rpc.domain.funds import deposit_slot
from wallet_rpc.edge import log_lines


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Start a durable Redis with an API key, and a chain whose latest block is new."""
    node = Node()
    with (
        RedisProcess("--appendonly", "yes", "--requirepass", PASSWORD) as redis,
        serve_rpc(node.dispatcher.answer) as url,
    ):
        made = Deployment(redis, node, url, tmp_path_factory.mktemp("doctor"))
        asyncio.run(_add_key(made.settings()["WALLET_RPC_REDIS_URL"]))
        yield made


async def _add_key(url: str) -> None:
    async with RedisStore.open(url) as store:
        shop = Organization(id=OrganizationId("org_shop"), name="Shop", created_at=0)
        await store.directory.add_organization(shop)
        _, record = issue_api_key(organization=shop.id)
        await store.directory.add_key(record)


@dataclass
class Report:
    """Exit status and rows of one run."""

    status: int
    rows: dict[str, dict[str, str]]

    def failed(self) -> list[str]:
        return [part for part, row in self.rows.items() if row["state"] == "failed"]


Doctor = Callable[[dict[str, str]], Report]


@pytest.fixture(autouse=True)
def _keep_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the configuration of the log, which the command replaces."""
    kept = structlog.get_config()
    for name in ("_writer", "_level"):
        monkeypatch.setattr(log_lines, name, getattr(log_lines, name))
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    yield
    structlog.configure(**kept)


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Return a function that runs the command with an environment; no output may contain a secret."""

    def run(environ: dict[str, str]) -> Report:
        for name in [name for name in os.environ if name.startswith("WALLET_RPC_")]:
            monkeypatch.delenv(name)
        for name, text in environ.items():
            monkeypatch.setenv(name, text)
        status = main(["doctor", "--json"])
        printed, errors = capsys.readouterr()
        assert errors == ""
        assert [secret for secret in SECRETS if secret in printed] == []
        return Report(status, {row["part"]: row for row in json.loads(printed)["checks"]})

    return run


def test_a_healthy_deployment_passes_every_check(deployment: Deployment, doctor: Doctor) -> None:
    report = doctor(deployment.settings())

    assert (report.status, report.failed()) == (0, [])
    assert start_error(deployment.settings()) == ""
    warnings = {part for part, row in report.rows.items() if row["state"] == "warning"}
    # the chain of this test is ahead, and its paymaster has no stake
    assert warnings == {"chain 31337 clock of the chain", "chain 31337 paymaster stake"}
    assert {part for part, row in report.rows.items() if row["state"] == "ok"} == {
        "settings",
        "address",
        "redis",
        "redis durability",
        "redis memory",
        "redis clock",
        "callers",
        "session tokens",
        "policies",
        "chain 31337 node",
        "chain 31337 bundler",
        "chain 31337 contracts",
        "chain 31337 paymaster 1",
        "chain 31337 paymaster deposit",
        "chain 31337 relayer",
        "chain 31337 clock of the bundler",
        "chain 31337 clock of the paymaster",
        "paymasters of the policies",
    }
    assert all(bool(row["action"]) == (row["state"] in {"warning", "failed"}) for row in report.rows.values())


Change = Callable[[Deployment], dict[str, str]]
STOPS: dict[str, tuple[Change, str, str]] = {
    "no Redis": (lambda one: one.settings(REDIS_URL="redis://127.0.0.1:1"), "redis", "the store does not answer"),
    "no URL of Redis": (lambda one: one.settings(REDIS_URL=None), "redis", "required by serve, but not set"),
    "another password": (
        lambda one: one.settings(REDIS_URL=f"redis://:wrong{PASSWORD}@{HOST}:{one.redis.port}"),
        "redis",
        "rejects the user or the password",
    ),
    "no chains": (lambda one: one.settings(CHAINS=None), "chains", "required by serve, but not set"),
    "no node": (lambda one: one.settings(CHAINS=one.chains(node=DEAD)), "chain 31337 node", "does not answer"),
    "another chain": (
        lambda one: one.settings(CHAINS=one.chains(id=5)),
        "chain 5 node",
        "serves chain 31337, expected",
    ),
    "no bundler": (lambda one: one.settings(CHAINS=one.chains(bundler=DEAD)), "chain 31337 bundler", "does not answer"),
    "no policies": (lambda one: one.settings(POLICIES="/nowhere"), "policies", "cannot read /nowhere"),
    "no paymaster": (
        lambda one: one.settings(CHAINS=one.chains(verifying_paymaster=ENTRY_POINT.hex0x())),
        "paymasters of the policies",
        "no VerifyingPaymaster at",
    ),
    "another signer": (
        lambda one: one.settings(PAYMASTER_KEY="0x" + "12" * 32),
        "paymasters of the policies",
        "has signer",
    ),
}


@pytest.mark.parametrize("name", STOPS)
def test_what_stops_serve_is_found_and_the_other_checks_run(deployment: Deployment, doctor: Doctor, name: str) -> None:
    change, part, text = STOPS[name]
    environ = change(deployment)
    report = doctor(environ)

    assert report.status == 1
    assert part in report.failed()
    assert text in report.rows[part]["seen"]
    assert report.rows[part]["action"]
    assert text in start_error(environ)
    is_redis = part == "redis"
    assert report.rows["redis clock"]["state"] == ("skipped" if is_redis else "ok")
    others = [row["state"] for part, row in report.rows.items() if part.endswith("contracts")]
    assert others == (["ok"] if "chain" not in part or "bundler" in part else ["skipped"] if "chain " in part else [])


def test_a_redis_that_loses_records_is_found(deployment: Deployment, doctor: Doctor) -> None:
    deployment.redis.ask("CONFIG SET", "appendonly", "no")
    refused, accepted = (doctor(deployment.settings(ALLOW_VOLATILE=allowed)) for allowed in ("no", "yes"))
    deployment.redis.ask("CONFIG SET", "appendonly", "yes")

    assert refused.failed() == ["redis durability"]
    assert (accepted.status, accepted.rows["redis durability"]["state"]) == (0, "warning")
    assert "stores nothing on disk" in accepted.rows["redis durability"]["seen"]


def test_a_redis_that_is_almost_full_is_found(deployment: Deployment, doctor: Doctor) -> None:
    states = []
    with RedisProcess() as redis:  # without an append-only file, whose buffers come and go
        redis.ask("SETRANGE", "padding", 30_000_000, "x")  # so that buffers of connections do not matter
        environ = deployment.settings(REDIS_URL=f"redis://{HOST}:{redis.port}", ALLOW_VOLATILE="yes", OPEN="yes")
        for share in (2.0, 1.15):
            redis.ask("CONFIG SET", "maxmemory", int(redis.ask("INFO", "memory")["used_memory"] * share))
            states.append(doctor(environ).rows["redis memory"]["state"])

    assert states == ["ok", "warning"]


def test_missing_contracts_replicas_and_funds_are_found(deployment: Deployment, doctor: Doctor) -> None:
    node, relayer = deployment.node, ACCOUNTS[-1].address.hex0x()
    before = node.rpc("evm_snapshot")
    node.rpc("anvil_setCode", TIME_RANGE_MODULE.hex0x(), "0x")
    node.rpc("anvil_setBalance", relayer, "0x1")
    slot = deposit_slot(dev_constants.PAYMASTER).hex0x()
    node.rpc("anvil_setStorageAt", ENTRY_POINT.hex0x(), slot, "0x" + "00" * 32)
    report = doctor(deployment.settings(REDIS_REPLICAS="1", OPEN="yes"))
    node.rpc("evm_revert", before)

    names = ("contracts", "paymaster deposit", "relayer")
    assert report.failed() == [f"chain 31337 {name}" for name in names]
    assert f"TimeRangeModule: expected at {TIME_RANGE_MODULE}" in report.rows["chain 31337 contracts"]["seen"]
    assert f"{relayer} has 0.000000000000000001 ETH" in report.rows["chain 31337 relayer"]["seen"]
    assert "0 replicas are connected" in report.rows["redis durability"]["seen"]
    assert report.rows["callers"]["state"] == "warning"


def test_a_second_server_and_a_paymaster_service_that_do_not_answer_are_found(
    deployment: Deployment, doctor: Doctor
) -> None:
    chains = deployment.chains(
        node=[deployment.url, DEAD], bundler=[deployment.url, f"{deployment.url}two"], paymaster=DEAD
    )
    report = doctor(deployment.settings(CHAINS=chains))

    assert report.failed() == ["chain 31337 paymaster 1"]
    assert {f"chain 31337 clock of the bundler {number}" for number in (1, 2)} <= report.rows.keys()
    states = [report.rows[f"chain 31337 node{number}"]["state"] for number in ("", " 1", " 2")]
    assert states == ["ok", "ok", "warning"]
    assert "http://127.0.0.1:1/…" in report.rows["chain 31337 node 2"]["seen"]


def test_a_bundler_that_was_never_named_is_not_blamed(deployment: Deployment, doctor: Doctor) -> None:
    nodes = [deployment.url, DEAD]
    rows = doctor(deployment.settings(CHAINS=deployment.chains(node=nodes, bundler=None))).rows
    row = rows["chain 31337 bundler"]
    assert "chain 31337 bundler 2" not in rows
    assert row["seen"].startswith("no bundler is configured, and the node serves its requests, at http://")

    with open_stub(lambda _, body: Answer(_without_bundler(deployment.node, body))) as node:
        report = doctor(deployment.settings(CHAINS=deployment.chains(node=node, bundler=None)))
        named = doctor(deployment.settings(CHAINS=deployment.chains(bundler=node)))
    assert "does not serve eth_supportedEntryPoints; expected" in named.rows["chain 31337 bundler"]["seen"]
    row = report.rows["chain 31337 bundler"]
    assert (row["state"], row["action"]) == ("failed", "name a bundler in WALLET_RPC_CHAINS")
    assert row["seen"].endswith("add a bundler, as in 31337=NODE_URL,BUNDLER_URL")


def _without_bundler(node: Node, body: bytes) -> bytes:
    request = json.loads(body)
    if isinstance(request, list) or request["method"] != "eth_supportedEntryPoints":
        return node.dispatcher.answer(body) or b""
    error = {"code": -32601, "message": "the method eth_supportedEntryPoints does not exist"}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode()


def test_the_clock_of_a_bundler_is_compared(deployment: Deployment, doctor: Doctor) -> None:
    def dated(date: str) -> Callable[[BaseHTTPRequestHandler, bytes], Answer]:
        def handle(handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
            setattr(handler, "date_time_string", lambda: date)  # noqa: B010  # mypy rejects the assignment of a method
            return Answer(deployment.node.dispatcher.answer(body) or b"")

        return handle

    with open_stub(dated(formatdate(time.time() - 600))) as late, open_stub(dated("yesterday")) as other:
        report = doctor(deployment.settings(CHAINS=deployment.chains(bundler=late, paymaster=other)))

    assert report.failed() == ["chain 31337 clock of the bundler"]
    assert "chain 31337 clock of the paymaster" not in report.rows
    row = report.rows["chain 31337 clock of the bundler"]
    assert "behind this machine" in row["seen"]


def test_an_address_in_use_and_an_invalid_setting_are_found(deployment: Deployment, doctor: Doctor) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        used = doctor(deployment.settings(PORT=str(other.getsockname()[1])))
    invalid = doctor(deployment.settings(SESSION_DAYS="0"))
    foreign = doctor(deployment.settings(HOST="192.0.2.1", METRICS_PORT="9337", METRICS_HOST="192.0.2.1"))
    one = doctor(deployment.settings(PORT="9337", METRICS_PORT="9337", REDIS_URL=None))

    assert used.failed() == ["address"]
    assert "Address already in use" in used.rows["address"]["seen"]
    assert foreign.failed() == ["address", "metrics address"]
    assert "WALLET_RPC_METRICS_HOST" in foreign.rows["metrics address"]["action"]
    assert "a port other than that of WALLET_RPC_PORT" in one.rows["metrics address"]["seen"]
    assert one.rows["session tokens"]["state"] == "ok"
    assert invalid.failed() == ["settings"]
    assert (invalid.status, len(invalid.rows)) == (1, 1)

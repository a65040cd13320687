"""`wallet-rpc incidents` next to a real server: bugs of a request, of a delivery worker and of a worker process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.commanding import Cli
from tests.e2e.process import Server, run_wallet_rpc, until
from tests.e2e.stacks import Stack
from tests.support.constants import CHAINS
from wallet_rpc import __version__
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.domain.incident import Incident
from wallet_rpc.primitives import Hash32

CHAIN = CHAINS[0]
HASH = Hash32(b"\xab" * 32)
CALL_ID = f"0x{CHAIN:064x}{HASH.hex()}"


class LoggedServer(Server):
    """A server whose log is JSON."""

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the complete lines of the log with this event."""
        written = self._err.read_text().rpartition("\n")[0]
        return [line for line in map(json.loads, written.splitlines()) if line["event"] == event]


def settings_of(stack: Stack, redis: RedisServer) -> dict[str, str]:
    chains = {"CHAINS": f"{CHAIN}={stack.nodes[CHAIN]}/?key=hunter2", "REDIS_URL": redis.url, "OPEN": "yes"}
    return chains | {"WORKERS": "2", "LOG_LEVEL": "debug", "TOKEN_SECRETS": "hunter2" * 6}


@pytest.fixture(scope="module")
def server(
    dev_stack: Stack, own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoggedServer]:
    folder = tmp_path_factory.mktemp("incidents")
    with LoggedServer("serve", folder=folder, **settings_of(dev_stack, own_redis)) as started:
        yield started


async def _store_malformed_call(store: RedisStore) -> None:
    """Store a record that breaks every request and worker that reads it."""
    await store._link.command("HSET", store.calls.call_key(CHAIN, HASH), "call", '{"version":2}', "record", "{}")


def post(server: Server, method: str, *params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return httpx2.post(server.url, json=body, headers={"x-request-id": "quoted"}, timeout=60).json()


def test_a_bug_is_listed_and_shown_by_the_number_that_its_caller_got(server: LoggedServer, cli: Cli) -> None:
    cli.run_on_store(_store_malformed_call)
    error = post(server, "wallet_getCallsStatus", CALL_ID)["error"]
    number = error["data"]["incident"]
    until(lambda: number in cli.text("incidents"), "stored")

    (listed,) = [each for each in cli.json("incidents")["incidents"] if each["id"] == number]
    assert cli.json("incidents", "show", number) == listed
    assert (listed["kind"], listed["method"], listed["requestId"]) == ("ValueError", "wallet_getCallsStatus", "quoted")
    assert listed["server"].startswith(f"{__version__} on ")
    assert listed["traceback"].endswith("\nValueError: the stored CallRecord record is malformed")
    shown = cli.text("incidents", "show", number)
    assert f"id:         {number}\n" in shown
    assert shown.endswith(listed["traceback"] + "\n")


def test_a_crash_of_a_delivery_worker_is_listed(server: LoggedServer, cli: Cli) -> None:
    async def deliver(store: RedisStore) -> None:
        await _store_malformed_call(store)
        await store.outbox.add(OPEN_ORGANIZATION, CHAIN, HASH, at=0)

    cli.run_on_store(deliver)
    until(lambda: "  (delivery)  ValueError" in cli.text("incidents"), "listed")
    (listed, *_) = [each for each in cli.json("incidents")["incidents"] if each.get("method") == "(delivery)"]
    logged = "delivery_worker_failed"
    until(lambda: listed["id"] in {line["incident"] for line in server.lines(logged)}, "logged")

    async def forget(store: RedisStore) -> None:
        await store._link.command("DEL", store.calls.call_key(CHAIN, HASH))

    cli.run_on_store(forget)


def test_the_end_of_a_worker_process_is_listed(server: LoggedServer, cli: Cli) -> None:
    (pid,) = [line["pid"] for line in server.lines("worker_ready") if line["worker"] == 2]
    os.kill(pid, signal.SIGKILL)
    until(lambda: "  (worker)  WorkerEnded" in cli.text("incidents"), "listed")

    (found,) = [each for each in cli.json("incidents")["incidents"] if each["kind"] == "WorkerEnded"]
    assert found["traceback"] == f"worker 2, process {pid}, ended with status 137"
    assert [line["incident"] for line in server.lines("worker_ended")] == [found["id"]]


@pytest.mark.parametrize("text", ["0123456789abcdef", "hunter2"])
def test_an_unknown_number_is_repeated_only_if_it_is_one(cli: Cli, text: str) -> None:
    status, _ = cli.status("incidents", "show", text)

    assert (status, "hunter2" in cli.stderr) == (2, False)
    assert "see `wallet-rpc incidents`" in cli.stderr


def test_an_empty_list_says_where_it_was_read(tmp_path: Path) -> None:
    done = run_wallet_rpc("incidents", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"no incidents in the folder {tmp_path}")
    assert done.stdout.endswith("; for those of `serve`, set WALLET_RPC_REDIS_URL\n")


def test_the_last_incidents_are_listed(cli: Cli) -> None:
    later = [Incident(id=f"{number:016x}", at_milliseconds=2**42 + number, kind="Later") for number in range(3)]
    for each in later:
        cli.run_on_store(lambda store, each=each: store.incidents.add(each))  # type: ignore[misc]  # mypy and defaults

    found = cli.json("incidents", "--last", "2")["incidents"]
    assert [each["id"] for each in found] == [later[2].id, later[1].id]


def test_calls_of_a_request_are_logged_under_its_id(server: LoggedServer) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": ["0x" + "11" * 20, "latest"]}
    httpx2.post(server.url, json=body, headers={"x-request-id": "one-read"}, timeout=60)
    until(lambda: any(line["request_id"] == "one-read" for line in server.lines("request")), "logged")

    calls = [line for line in server.lines("call") if line["request_id"] == "one-read"]
    assert [(line["part"], line["method"], line["outcome"]) for line in calls if line["part"] != "redis"] == [
        ("node", "eth_getBalance", "ok")
    ]
    assert {line["level"] for line in calls} == {"debug"}


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, "2"), (signal.SIGINT, "1")])
def test_the_log_begins_with_the_settings_and_ends_with_the_reason(
    dev_stack: Stack, own_redis: RedisServer, tmp_path: Path, number: signal.Signals, workers: str
) -> None:
    settings = settings_of(dev_stack, own_redis) | {"WORKERS": workers}
    with LoggedServer("serve", folder=tmp_path, **settings) as server:
        url = server.url
        assert server.stop(number) == 0

    (started,) = server.lines("server_started")
    assert (started["version"], started["command"], started["url"]) == (__version__, "serve", url)
    assert started["workers"] == int(workers)
    assert started["chains"][0]["id"] == CHAIN
    assert started["chains"][0]["node"][0].endswith("/…")
    assert (started["settings"]["log_level"], started["settings"]["token_secrets"]) == ("debug", "(set)")
    assert "deadline_seconds" not in started["settings"]
    assert [line["reason"] for line in server.lines("server_stopping")] == [number.name]
    assert len(server.lines("server_stopped")) == 1
    assert "hunter2" not in server.output()

"""Real redis-server processes on loopback: single servers, replicas, a cluster of three masters, Sentinels.

Each class is a context manager that ends its processes. A start waits until the processes report what tests rely on.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from wallet_rpc.adapters.redis_binary import find_binary
from wallet_rpc.adapters.redis_server import bind_to_thread

HOST = "127.0.0.1"
SERVICE = "wallet"
"""Name under which Sentinels watch a master."""
PASSWORD = "hunter2"
"""Password of the servers that Sentinels watch."""
_START_SECONDS = 20.0
_STEP_SECONDS = 0.02
_SLOTS = 16384
_BUS_PORT = 10_000
"""Difference between the ports of a cluster's node: for clients, and for other nodes."""
_FIRST_PORT = 12_000
_PORTS = 10_000


class RedisProcess:
    """One redis-server, or a Sentinel, on a free port."""

    def __init__(self, *options: str, file: str | None = None) -> None:
        """Start a process with options; with `file` it is a Sentinel that has this configuration."""
        self.port = _find_free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="wallet-rpc-test-"))
        common = ["--port", str(self.port), "--bind", HOST, "--dir", str(self._folder), "--save", ""]
        if file is None:
            command = [*common, *options]
        else:
            written = self._folder / "sentinel.conf"
            written.write_text(f"port {self.port}\nbind {HOST}\ndir {self._folder}\n{file}")
            command = [str(written), "--sentinel"]
        self._command = bind_to_thread(find_binary().path, *command)
        self.start()

    def start(self) -> None:
        """Start the process, also again after `kill`, and wait until it answers."""
        self._process = subprocess.Popen(  # noqa: S603  # a found path and fixed options
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: self._process.poll() is not None or self.ask("PING") is True)
        assert self._process.poll() is None

    def ask(self, *command: str | int) -> Any:
        """Run a command on a connection of its own; None when there is no answer."""
        try:
            with self.client() as client:
                return client.execute_command(*command)
        except (RedisError, OSError):
            return None

    def client(self) -> Redis:
        """Return a client of this process."""
        password = PASSWORD if PASSWORD in self._command else None
        return Redis(host=HOST, port=self.port, socket_timeout=5, protocol=2, password=password)

    @property
    def folder(self) -> Path:
        """Folder of the process's files."""
        return self._folder

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the process as a crash does, and wait for its end."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> RedisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class ClusterProcesses:
    """Cluster of three masters; the first may have a replica."""

    def __init__(self, nodes: list[RedisProcess]) -> None:
        self.nodes = nodes
        """The masters as they were at the start."""

    @property
    def url(self) -> str:
        """URL that names all nodes."""
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)


@contextmanager
def run_cluster(*options: str, has_replica: bool = False) -> Iterator[ClusterProcesses]:
    """Run a cluster of three masters, and wait until each of them serves all slots.

    With `has_replica` the first master has a replica, which has all its data.
    """
    with ExitStack() as stack:
        # With the factor 0 a replica may be promoted however late: on a busy machine the first elections may fail.
        fixed = "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-replica-validity-factor", "0"
        nodes = [stack.enter_context(RedisProcess(*fixed, *options)) for _ in range(3)]
        bounds = [round(_SLOTS * number / len(nodes)) for number in range(len(nodes) + 1)]
        for number, node in enumerate(nodes):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTS", *range(bounds[number], bounds[number + 1]))
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER MEET", HOST, nodes[0].port)
        for node in nodes:
            wait_until(lambda node=node: _is_cluster_complete(node, len(nodes)))  # type: ignore[misc]  # a bound default
        if has_replica:
            _add_replica(nodes, stack.enter_context(RedisProcess(*fixed, *options)))
        yield ClusterProcesses(nodes)


def _add_replica(nodes: list[RedisProcess], replica: RedisProcess) -> None:
    master = nodes[0].ask("CLUSTER MYID")
    replica.ask("CLUSTER MEET", HOST, nodes[0].port)
    wait_until(lambda: replica.ask("CLUSTER REPLICATE", master) is not None)
    wait_until(lambda: _replicas_of(nodes[0]) == 1)
    for node in (*nodes, replica):
        wait_until(lambda node=node: _is_cluster_complete(node, 4))  # type: ignore[misc]  # a bound default


def _is_cluster_complete(node: RedisProcess, count: int) -> bool:
    """Return True if a node serves all slots and is connected to all others: else they may not elect a new master."""
    info, known = node.ask("CLUSTER INFO"), node.ask("CLUSTER NODES")
    if info is None or known is None or info["cluster_state"] != "ok" or len(known) != count:
        return False
    return all(each["connected"] and "handshake" not in each["flags"] for each in known.values())


class SentinelProcesses:
    """A master, its replicas, and the Sentinels that watch them."""

    def __init__(self, servers: list[RedisProcess], sentinels: list[RedisProcess]) -> None:
        self.servers = servers
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        """URL that names all Sentinels."""
        return (
            f"redis+sentinel://:{PASSWORD}@"
            + ",".join(f"{HOST}:{each.port}" for each in self.sentinels)
            + f"/{SERVICE}"
        )

    @property
    def master(self) -> RedisProcess:
        """Server that the Sentinels name as the master."""
        address = next(found for each in self.sentinels if (found := self._address(each)) is not None)
        return next(each for each in self.servers if each.port == address)

    def is_promoted(self, old: RedisProcess) -> bool:
        """Return True when all Sentinels name another master than `old`, which is a master."""
        ports = {self._address(each) for each in self.sentinels}
        return len(ports) == 1 and old.port not in ports and self.master.ask("ROLE")[0] == b"master"

    def _address(self, sentinel: RedisProcess) -> int | None:
        with sentinel.client() as client:
            found = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        return None if found is None else int(found[1])


@contextmanager
def run_sentinels(*options: str, replicas: int = 1, count: int = 3) -> Iterator[SentinelProcesses]:
    """Run a master, its replicas and some Sentinels, and wait until all know each other."""
    with ExitStack() as stack:
        options = "--requirepass", PASSWORD, "--masterauth", PASSWORD, *options
        master = stack.enter_context(RedisProcess(*options))
        follow = "--replicaof", HOST, str(master.port)
        others = [stack.enter_context(RedisProcess(*options, *follow)) for _ in range(replicas)]
        wait_until(lambda: _replicas_of(master) == replicas)
        file = (
            f"sentinel monitor {SERVICE} {HOST} {master.port} {count // 2 + 1}\n"
            f"sentinel auth-pass {SERVICE} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {SERVICE} 400\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        sentinels = [stack.enter_context(RedisProcess(file=file)) for _ in range(count)]
        for each in sentinels:
            wait_until(lambda each=each: _is_watching(each, replicas, count - 1))  # type: ignore[misc]  # a bound default
        yield SentinelProcesses([master, *others], sentinels)


def _replicas_of(master: RedisProcess) -> int:
    """Return the number of replicas that have all data of the master."""
    text = master.ask("INFO", "replication")
    return 0 if text is None else sum(text[f"slave{n}"]["state"] == "online" for n in range(text["connected_slaves"]))


def _is_watching(sentinel: RedisProcess, replicas: int, others: int) -> bool:
    state = sentinel.ask("SENTINEL MASTER", SERVICE)
    return state is not None and state["num-slaves"] == replicas and state["num-other-sentinels"] == others


def wait_until(is_true: Callable[[], bool]) -> None:
    """Poll until a condition is true. Raises: TimeoutError after `_START_SECONDS`."""
    deadline = time.monotonic() + _START_SECONDS
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {_START_SECONDS} s")
        time.sleep(_STEP_SECONDS)


def _find_free_port() -> int:
    """Return a port that is free, also for a cluster's bus, and that no outgoing connection gets by chance."""
    while True:
        port = _FIRST_PORT + secrets.randbelow(_PORTS)
        with closing(socket.socket()) as one, closing(socket.socket()) as bus, contextlib.suppress(OSError):
            one.bind((HOST, port))
            bus.bind((HOST, port + _BUS_PORT))
            return port

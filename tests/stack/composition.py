"""Services of `specs/deploy/compose.yaml` as processes of this machine: the same commands, on loopback.

Names of services become 127.0.0.1, published ports stay where they are free, and volumes become files in a folder.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.stack.installing import HERE, alto_script, anvil_program
from tests.stack.parts import free_port
from tests.support.processes import end_process
from wallet_rpc.adapters.redis_binary import find_binary
from wallet_rpc.adapters.redis_server import bind_to_thread
from wallet_rpc.devchain.build import NodeJs

DEPLOY = Path(__file__).parents[2] / "specs" / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
_STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Service:
    """A service with the command and the environment that it has on this machine."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_job: bool
    """True if the others wait for its successful end."""


class Composition:
    """The services of the file, translated for this machine."""

    def __init__(self, folder: Path, node: NodeJs, *, any_port: bool = False) -> None:
        """Read the file. The services' files are in `folder`; with `any_port`, no port is that of the file."""
        self._services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
        self._folder = folder
        self._programs: dict[str, Sequence[str | Path]] = {
            "redis-server": [find_binary().path],
            "anvil": [anvil_program()],
            "alto": [node.node, *(f"--import={HERE / name}" for name in ("local_only.mjs", "idle.mjs")), alto_script()],
        }
        self.ports = {
            name: {port: _choose_port(port, any_port=any_port) for port in container_ports(service)}
            for name, service in self._services.items()
        }
        """The ports of each service on this machine, by its ports in the file."""

    def services(self) -> Iterator[Service]:
        """Iterate over the services in the order of their start."""
        jobs = {
            name
            for service in self._services.values()
            for name, wait in service.get("depends_on", {}).items()
            if wait["condition"] == "service_completed_successfully"
        }
        for name, service in self._services.items():
            paths = dict(self._create_volume(volume) for volume in service.get("volumes", ()))
            values = paths | {str(port): str(own) for port, own in self.ports[name].items()}
            words = [self._translate(word, values) for word in service["command"]]
            environment = {key: self._translate(text, values) for key, text in service.get("environment", {}).items()}
            program = self._programs.get(words[0])
            line = [sys.executable, "-m", "wallet_rpc", *words] if program is None else [*program, *words[1:]]
            yield Service(name, list(map(str, line)), environment, name in jobs)

    def _create_volume(self, volume: str) -> tuple[str, str]:
        """Create the folder or file of a volume, and return its paths in the container and on this machine."""
        source, target = volume.split(":")[:2]
        path = self._folder / target.strip("/").replace("/", "-")
        if source.startswith("."):
            path.write_text(self._translate((DEPLOY / source).read_text("utf-8"), {}), "utf-8")
        else:
            path.mkdir(exist_ok=True)
        return target, str(path)

    def _translate(self, text: str, values: Mapping[str, str]) -> str:
        """Replace a word, or the value of an option, by that of this machine, and services by their addresses."""
        option, equals, value = text.rpartition("=") if text.startswith("--") else ("", "", text)
        replaced = values.get(value, value).replace("0.0.0.0", "127.0.0.1")  # noqa: S104  # replaced by loopback
        for name, ports in self.ports.items():
            for port, own in ports.items():
                replaced = re.sub(rf"\b{name}:{port}\b", f"127.0.0.1:{own}", replaced)
        return option + equals + replaced


def container_ports(service: Mapping[str, Any]) -> list[int]:
    """Return the ports on which a service listens in its container, the main one first; none for a job."""
    return [int(port.rpartition(":")[2]) for port in (*service.get("ports", ()), *service.get("expose", ()))]


def _choose_port(port: int, *, any_port: bool) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 0 if any_port else port))
        except OSError:
            return free_port()
        chosen: int = probe.getsockname()[1]
    return chosen


@contextmanager
def run_service(service: Service, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a service for the block, in a session of its own, which Ctrl-C does not reach; its output is in `folder`."""
    with log_file(service, folder).open("w") as log:
        process = subprocess.Popen(  # noqa: S603  # commands of compose.yaml
            bind_to_thread(*service.command),
            env={**os.environ, **service.environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end_process(process, seconds=_STOP_SECONDS)


def log_file(service: Service, folder: Path) -> Path:
    """Return the path of a service's output."""
    return folder / f"{service.name}.log"

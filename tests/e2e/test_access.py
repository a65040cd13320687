"""API keys of running servers: accepted and rejected keys, and commands that run next to a server."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.process import Server, run_wallet_rpc
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain.dev_constants import API_KEY

READY = re.compile(r"^API key: +(\S+) \((.*)\)$", re.MULTILINE)
OWNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def run_json(*arguments: str, folder: Path, **settings: str) -> dict[str, Any]:
    """Run a command with --json, and return its output."""
    process = run_wallet_rpc(*arguments, "--json", folder=folder, **settings)
    assert (process.returncode, process.stderr) == (0, "")
    value: dict[str, Any] = json.loads(process.stdout)
    return value


def new_key(folder: Path, **settings: str) -> dict[str, Any]:
    organization = run_json("org", "create", "Example shop", folder=folder, **settings)["orgId"]
    return {**run_json("key", "create", "--org", organization, folder=folder, **settings), "orgId": organization}


def request_account(url: str, key: str | None = None) -> tuple[int, str | None]:
    """Return the HTTP status and the account; None when the response has no result."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "wallet_requestAccount", "params": [{"signerAddress": OWNER}]}
    answer = httpx2.post(f"{url}/v2/{key}" if key is not None else url, json=body, timeout=30)
    return answer.status_code, answer.json().get("result", {}).get("accountAddress")


def ready_key(server: Server) -> tuple[str, str]:
    found = READY.search(server.output())
    assert found is not None
    return found[1], found[2]


def test_keys_are_created_and_revoked_while_a_server_runs(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as server:
        made = new_key(tmp_path)
        before = request_account(server.url, made["key"])
        revoked = run_json("key", "revoke", made["keyId"], folder=tmp_path)

        assert before[0] == 200
        assert request_account(server.url, made["key"]) == (401, None)
        assert server.ready()[0] == 200
    assert (
        run_json("key", "list", "--org", made["orgId"], folder=tmp_path)["keys"][0]["revokedAt"] == revoked["revokedAt"]
    )
    assert [each["kind"] for each in run_json("audit", "show", "--org", made["orgId"], folder=tmp_path)["entries"]] == [
        "organization.created",
        "key.created",
        "key.revoked",
    ]


def test_keys_created_before_the_first_start_are_valid(tmp_path: Path) -> None:
    made = new_key(tmp_path)

    with Server("dev", folder=tmp_path) as server:
        assert request_account(server.url, made["key"])[0] == 200


def test_a_key_created_while_a_server_starts_is_valid(tmp_path: Path) -> None:
    server = Server("dev", folder=tmp_path)
    made = new_key(tmp_path)

    with server:
        assert request_account(server.url, made["key"])[0] == 200


def test_concurrent_commands_all_succeed(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: new_key(tmp_path), range(4)))

    organizations = {each["orgId"] for each in run_json("org", "list", folder=tmp_path)["organizations"]}
    assert {each["orgId"] for each in made} <= organizations
    assert run_wallet_rpc("audit", "verify", folder=tmp_path).returncode == 0


def test_a_configured_redis_is_used_instead_of_the_data_folder(tmp_path: Path, redis_server: RedisServer) -> None:
    made = new_key(tmp_path, REDIS_URL=redis_server.url)

    assert not (tmp_path / "data").exists()
    assert made["keyId"] not in run_wallet_rpc("key", "list", "--org", "org_open", folder=tmp_path).stdout
    keys = run_json("key", "list", "--org", made["orgId"], folder=tmp_path, REDIS_URL=redis_server.url)
    assert [each["keyId"] for each in keys["keys"]] == [made["keyId"]]


@pytest.mark.parametrize("settings", [{"DATA_DIR": "/dev/null"}, {"DATA_DIR": "/proc/nowhere"}])
def test_a_data_folder_that_cannot_be_created_is_named(tmp_path: Path, settings: dict[str, str]) -> None:
    process = run_wallet_rpc("org", "create", "Example shop", folder=tmp_path, **settings)

    assert process.returncode == 2
    assert process.stderr.startswith(f"wallet-rpc: WALLET_RPC_DATA_DIR: cannot create {settings['DATA_DIR']}")


def test_dev_prints_a_ready_key_that_is_not_in_redis(tmp_path: Path) -> None:
    with Server("dev", folder=tmp_path) as server:
        key, note = ready_key(server)

        assert (key, note) == (API_KEY, "of organisation org_open, publicly known; no key is needed")
        assert [request_account(server.url, each)[0] for each in (API_KEY, None, "any-word", "wrk_made_up")] == [
            200,
            200,
            200,
            401,
        ]
        assert request_account(server.url, API_KEY) == request_account(server.url)
        assert run_json("key", "list", "--org", "org_open", folder=tmp_path)["keys"] == []


@pytest.mark.parametrize("settings", [{"HOST": "0.0.0.0"}, {"OPEN": "no"}])  # noqa: S104  # it requires keys there
def test_dev_requires_its_own_key_where_others_can_reach_it(tmp_path: Path, settings: dict[str, str]) -> None:
    keys = set()
    for _ in range(2):
        with Server("dev", "--ephemeral", folder=tmp_path, **settings) as server:
            key, note = ready_key(server)
            keys.add(key)

            assert note == "of organisation org_open, valid until this server stops; a key is needed"
            assert [request_account(server.url, each)[0] for each in (key, None, API_KEY, "any-word")] == [
                200,
                401,
                401,
                401,
            ]
            assert httpx2.post(f"{server.url}/chain/31337", json={}).status_code == 401
    assert len(keys) == 2
    assert all(re.fullmatch(r"wrk_[A-Za-z0-9_-]{43}", key) for key in keys)


def test_dev_is_open_to_the_network_only_when_configured(tmp_path: Path) -> None:
    with Server("dev", "--ephemeral", folder=tmp_path, HOST="0.0.0.0", OPEN="yes") as server:  # noqa: S104
        key, note = ready_key(server)

        assert note == "of organisation org_open, valid until this server stops; no key is needed"
        assert [request_account(server.url, each)[0] for each in (key, None, API_KEY)] == [200, 200, 401]


def test_the_demo_sends_its_key_where_one_is_required(tmp_path: Path) -> None:
    with Server("dev", "--ephemeral", folder=tmp_path, OPEN="no") as server:
        without_key = run_wallet_rpc("demo", "--url", server.url, folder=tmp_path)
        with_key = run_wallet_rpc("demo", "--url", server.url, "--key", ready_key(server)[0], folder=tmp_path)
    own_server = run_wallet_rpc("demo", folder=tmp_path, OPEN="no")

    assert without_key.returncode == 1
    assert "API key required" in without_key.stdout
    assert (with_key.returncode, own_server.returncode) == (0, 0)


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a chain, and yield the setting that names it for `serve`."""
    with Server("dev", "--ephemeral", folder=tmp_path_factory.mktemp("chain")) as server:
        node = f"{server.url}/chain/31337"
        yield f"31337={node},{node},{node}"


@pytest.fixture
def empty_redis() -> Iterator[str]:
    """Start an empty Redis, as before the first start of `serve`."""
    server = RedisServer(None)
    asyncio.run(server.start())
    yield server.url
    asyncio.run(server.stop())


def test_serve_does_not_start_without_any_valid_key(tmp_path: Path, chains: str, empty_redis: str) -> None:
    settings = {"REDIS_URL": empty_redis, "CHAINS": chains}
    empty = run_wallet_rpc("serve", folder=tmp_path, **settings)
    made = new_key(tmp_path, REDIS_URL=empty_redis)
    run_json("key", "revoke", made["keyId"], folder=tmp_path, REDIS_URL=empty_redis)
    revoked = run_wallet_rpc("serve", folder=tmp_path, **settings)

    assert (empty.returncode, revoked.returncode) == (2, 2)
    assert empty.stderr == revoked.stderr
    assert empty.stderr.startswith("wallet-rpc: WALLET_RPC_OPEN: no request would be accepted")
    assert empty.stderr.count("\n") == 1
    for remedy in ("`wallet-rpc org create NAME`", "`wallet-rpc key create --org ID`", "WALLET_RPC_OPEN=yes"):
        assert remedy in empty.stderr


def test_serve_accepts_keys_that_a_command_created(tmp_path: Path, chains: str, empty_redis: str) -> None:
    settings = {"REDIS_URL": empty_redis, "CHAINS": chains}
    first = new_key(tmp_path, REDIS_URL=empty_redis)
    with Server("serve", folder=tmp_path, **settings) as server:
        second = new_key(tmp_path, REDIS_URL=empty_redis)
        keys = (first["key"], second["key"], None, API_KEY, "any-word")

        assert [request_account(server.url, each)[0] for each in keys] == [200, 200, 401, 401, 401]
        run_json("key", "revoke", first["keyId"], folder=tmp_path, REDIS_URL=empty_redis)
        assert [request_account(server.url, each)[0] for each in keys] == [401, 200, 401, 401, 401]
        assert "Open:" not in server.output()


@pytest.mark.parametrize("settings", [{}, {"HOST": "0.0.0.0"}])  # noqa: S104  # OPEN=yes on every address
def test_an_open_serve_prints_that_it_is_open(
    tmp_path: Path, chains: str, empty_redis: str, settings: dict[str, str]
) -> None:
    with Server("serve", folder=tmp_path, REDIS_URL=empty_redis, CHAINS=chains, OPEN="yes", **settings) as server:
        output = server.output()

        assert "\nOpen:        no API key is needed; set WALLET_RPC_OPEN=no to require one\n" in output
        assert [request_account(server.url, each)[0] for each in (None, "any-word", API_KEY)] == [200, 200, 401]
        assert discover(server.url, {"host": "evil.example"}) == (403, "host_not_allowed")
        assert discover(server.url, {"origin": "https://evil.example"}) == (403, "origin_not_allowed")
        assert discover(server.url, {"x-forwarded-for": "1.2.3.4"}) == (403, "forwarded_request")


def test_serve_without_token_secrets_names_the_setting(tmp_path: Path, chains: str, empty_redis: str) -> None:
    with Server("serve", folder=tmp_path, REDIS_URL=empty_redis, CHAINS=chains, OPEN="yes") as server:
        requests = [("POST", "/v1/sessions"), ("POST", "/api/v1/burner/sessions/"), ("GET", "/v1/sessions/me")]
        answers = [httpx2.request(verb, server.url + path, json={}) for verb, path in requests]
        other = httpx2.post(server.url + "/v1/sessionsx", json={})

    for answer in answers:
        assert answer.status_code == 404
        assert "set WALLET_RPC_TOKEN_SECRETS and restart it" in answer.json()["message"]
    assert "WALLET_RPC" not in other.text


def discover(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """Call rpc.discover, and return the HTTP status and the error's reason; `ok` for a result."""
    answer = httpx2.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}, headers=headers)
    return answer.status_code, answer.json().get("error", {}).get("data", {}).get("reason", "ok")


def test_dev_accepts_only_listed_origins_and_hosts(tmp_path: Path) -> None:
    allowed = {"ALLOWED_HOSTS": "wallet.internal", "CORS_ORIGINS": "https://app.example.com"}
    with Server("dev", "--ephemeral", folder=tmp_path, **allowed) as server:
        for headers in (
            {"host": "localhost:3000", "origin": "http://localhost:3000", "x-forwarded-for": "127.0.0.1"},
            {"host": "wallet.internal", "origin": "https://app.example.com"},
        ):
            assert discover(server.url, headers) == (200, "ok")
        for headers in ({"host": "evil.example"}, {"host": "evil.example", "x-api-key": API_KEY}):
            assert discover(server.url, headers) == (403, "host_not_allowed")
        for origin in ("https://evil.example", "null"):
            assert discover(server.url, {"origin": origin}) == (403, "origin_not_allowed")


def test_a_server_that_requires_keys_accepts_any_host_and_origin(tmp_path: Path) -> None:
    with Server("dev", "--ephemeral", folder=tmp_path, OPEN="no") as server:
        key = {"x-api-key": ready_key(server)[0]}
        page = {"host": "wallet.example", "origin": "https://app.example", "via": "1.1 proxy"}

        assert discover(server.url, {**key, **page}) == (200, "ok")
        assert discover(server.url, page) == (401, "api_key_required")


def test_a_public_key_as_token_secret_stops_the_start(tmp_path: Path) -> None:
    public = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7"
    process = run_wallet_rpc("dev", "--ephemeral", folder=tmp_path, TOKEN_SECRETS=public)

    assert process.returncode == 2
    assert process.stderr == (
        "wallet-rpc: WALLET_RPC_TOKEN_SECRETS: expected random bytes as a secret, received a public key, certificate "
        "or JWK\n"
    )


def test_an_organisation_id_that_is_not_text_is_rejected_in_one_sentence(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    for command in (("key", "list"), ("audit", "verify")):
        process = run_wallet_rpc(*command, "--org", os.fsdecode(b"\xff"), folder=tmp_path, REDIS_URL=redis_server.url)

        assert (process.returncode, process.stdout) == (2, "")
        assert process.stderr.startswith("wallet-rpc: --org: no organisation")
        assert process.stderr.count("\n") == 1

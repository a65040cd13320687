"""Errors of commands for options that may be credentials: the value is not repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.process import run_wallet_rpc
from wallet_rpc.adapters.redis_server import RedisServer

KEY, TOKEN, PRIVATE_KEY = f"wrk_{'A' * 43}", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "0x" + "51" * 32


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--ky", "hunter2"],
        ["demo", "--ky=hunter2"],
        ["demo", "hunter2"],
        ["demo", "--url", "http://user:hunter2@127.0.0.1:9/KEY?key=KEY"],
        ["dev", "--chain", "user:hunter2@host"],
        ["dev", "--deployments", "user:hunter2@host"],
        ["key", "create", "--org", "x", "--rpm", KEY],
        ["key", "create", "--org", "x", "--scope", TOKEN],
        ["key", "create", "--org", "x", "--expires", PRIVATE_KEY],
        ["paymaster", "status", "--owner", PRIVATE_KEY],
        ["audit", "verify", "--org", KEY],
        ["audit", "verify", "--org", TOKEN],
        [PRIVATE_KEY],
    ],
)
def test_an_option_that_may_be_a_credential_is_not_repeated(
    tmp_path: Path, arguments: list[str], redis_server: RedisServer
) -> None:
    process = run_wallet_rpc(*arguments, folder=tmp_path, REDIS_URL=redis_server.url)
    output = process.stdout + process.stderr

    assert process.returncode == 2
    assert not {word for word in ("hunter2", "KEY", KEY[4:12], TOKEN[3:12], PRIVATE_KEY[4:16]) if word in output}

"""`wallet-rpc demo` against `serve`, where a funded account pays, and on a chain whose time was moved."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.e2e.process import Server, run_wallet_rpc
from tests.support.constants import ROOT, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain.accounts import ACCOUNTS

FUNDER = ACCOUNTS[3]
FUNDER_KEY = f"0x{FUNDER.key.hex()}"
YEAR = 365 * 86_400
Demo: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Start an embedded chain that is two years ahead."""
    with Server("dev", "--ephemeral", folder=tmp_path_factory.mktemp("dev")) as server:
        client = server.client()
        client.rpc("evm_increaseTime", 2 * YEAR)
        yield client


@pytest.fixture(scope="module")
def serve(chain: Client, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("serve")
    settings = {"CHAINS": f"31337={chain.url}/chain/31337", "REDIS_URL": redis_server.url, "OPEN": "yes"}
    with Server("serve", folder=folder, **settings) as server:
        yield server


@pytest.fixture
def demo(serve: Server, tmp_path: Path) -> Demo:
    """Return a function that runs the demo against `serve`."""
    return lambda *arguments: run_wallet_rpc("demo", "--url", serve.url, *arguments, folder=tmp_path)


def expiry_in(output: str) -> float:
    found = re.search(r"until (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", output)
    assert found is not None, output
    return time.mktime(time.strptime(found[1], "%Y-%m-%d %H:%M:%S")) - time.timezone


def test_the_demo_takes_the_time_of_the_chain(chain: Client, tmp_path: Path) -> None:
    process = run_wallet_rpc("demo", "--url", chain.url, folder=tmp_path)

    assert process.returncode == 0, process.stdout
    assert 2 * YEAR < expiry_in(process.stdout) - time.time() < 2 * YEAR + 2 * 3600


def test_serve_refuses_a_session_whose_end_is_before_the_newest_block(serve: Server, chain: Client) -> None:
    chain.rpc("evm_mine")
    wallet = Wallet(serve.client())
    with pytest.raises(RpcError) as refused:
        wallet.create_session(ROOT, expirySec=int(time.time()) + YEAR)

    assert (refused.value.code, refused.value.reason) == (-32602, "expired")
    assert refused.value.data["field"] == "params.expirySec"
    wallet.create_session(ROOT, expirySec=int(time.time()) + 3 * YEAR)


def test_an_unfunded_demo_names_the_account_the_amount_and_the_option(demo: Demo) -> None:
    process = demo()

    assert process.returncode == 1
    found = re.search(
        r"The demo failed: this server's chain sets no balances, and account (0x\w{40}) needs (\d+) wei "
        r"\((0\.0\d+) ETH\): name the private key of a funded account with --funder KEY",
        process.stdout,
    )
    assert found is not None, process.stdout
    assert found[1] in process.stdout.partition("The demo failed")[0]
    assert int(found[2]) == round(float(found[3]) * 10**18) > 0


def test_a_funder_pays_the_demo_and_gets_the_rest_back(demo: Demo, chain: Client) -> None:
    before = chain.balance(FUNDER.address.hex0x())
    process = demo("--funder", FUNDER_KEY)
    spent = before - chain.balance(FUNDER.address.hex0x())

    assert process.returncode == 0, process.stdout
    paid = re.search(r"the account now holds (0\.\d+) ETH and 1000 test tokens", process.stdout)
    rest = re.search(r"The owner returns (0\.\d+) ETH to the funder", process.stdout)
    assert paid is not None
    assert rest is not None
    assert 0 < spent < 10**18 * (float(paid[1]) - float(rest[1])) + 10**15
    assert "paid by the account" in process.stdout
    assert FUNDER_KEY[2:] not in process.stdout + process.stderr


def test_a_funder_gets_the_rest_back_after_a_failure_too(demo: Demo, chain: Client) -> None:
    code = chain.rpc("eth_getCode", TOKEN, "latest")
    chain.rpc("anvil_setCode", TOKEN, "0x60006000fd")  # it reverts, so no tokens are minted
    process = demo("--funder", FUNDER_KEY)
    chain.rpc("anvil_setCode", TOKEN, code)

    assert process.returncode == 1
    assert "The demo failed: --funder: the node rejected the transaction" in process.stdout
    assert re.search(r"The owner returns 0\.\d+ ETH to the funder", process.stdout)


def test_a_funder_without_money_is_named(demo: Demo) -> None:
    process = demo("--funder", "0x" + "12" * 32)

    assert process.returncode == 1
    assert re.search(r"--funder: the account of --funder 0x\w{40} has 0 wei, expected \d+ wei", process.stdout)


def test_an_invalid_key_is_not_repeated(demo: Demo) -> None:
    process = demo("--funder", "0x" + "ff" * 32)

    assert process.returncode == 2
    assert process.stderr.endswith("argument --funder: expected a private key, 0x and 64 hex digits\n")


def test_a_chain_without_the_test_token_moves_its_own_currency(demo: Demo, chain: Client) -> None:
    code = chain.rpc("eth_getCode", TOKEN, "latest")
    chain.rpc("anvil_setCode", TOKEN, "0x")
    process = demo("--funder", FUNDER_KEY)
    chain.rpc("anvil_setCode", TOKEN, code)

    assert process.returncode == 0, process.stdout
    assert "the recipient has received 100 units of 0.000001 ETH; the allowance is used up" in process.stdout
    assert "one unit more than the limit:" in process.stdout

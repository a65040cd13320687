"""`wallet-rpc serve` in front of upstreams that are misconfigured, unreachable or slow to confirm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.process import Server, run_wallet_rpc
from tests.e2e.stacks import Stack
from tests.stack.installing import install
from tests.stack.parts import anvil
from tests.support.constants import CHAINS, FRIEND
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain.genesis import load_genesis
from wallet_rpc.domain.contracts import REQUIRED_CONTRACTS, SINGLE_SIGNER_MODULE, TIME_RANGE_MODULE

DEAD = "http://127.0.0.1:1"
FIRST, SECOND = CHAINS


def table(chain: int, node: str | list[str], bundler: str | list[str], **more: object) -> str:
    values = {"id": chain, "node": node, "bundler": bundler, **more}
    return "[[chain]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def start_error(folder: Path, redis: RedisServer, chains: str) -> str:
    """Start `serve`, which must fail, and return its error output."""
    file = folder / "chains.toml"
    file.write_text(chains)
    process = run_wallet_rpc("serve", folder=folder, CHAINS=str(file), REDIS_URL=redis.url, OPEN="yes")
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    return process.stderr


def test_a_node_of_another_chain_stops_the_start(dev_stack: Stack, redis_server: RedisServer, tmp_path: Path) -> None:
    chains = table(FIRST, [dev_stack.nodes[FIRST], dev_stack.nodes[SECOND]], dev_stack.nodes[FIRST], name="Home")

    error = start_error(tmp_path, redis_server, chains)

    assert f"WALLET_RPC_CHAINS: chain {FIRST} (Home): the node serves chain" in error
    assert dev_stack.url not in error


def test_a_bundler_of_another_chain_stops_the_start(
    dev_stack: Stack, redis_server: RedisServer, tmp_path: Path
) -> None:
    error = start_error(tmp_path, redis_server, table(FIRST, dev_stack.nodes[FIRST], dev_stack.nodes[SECOND]))

    assert f"chain {FIRST}: the bundler serves chain {SECOND}, expected chain {FIRST}" in error


def test_unreachable_nodes_stop_the_start(dev_stack: Stack, redis_server: RedisServer, tmp_path: Path) -> None:
    error = start_error(tmp_path, redis_server, table(FIRST, [DEAD, f"{DEAD}/2"], dev_stack.nodes[FIRST]))

    assert f"WALLET_RPC_CHAINS: chain {FIRST}: the node does not answer" in error


MISSING = (SINGLE_SIGNER_MODULE, TIME_RANGE_MODULE)


@pytest.fixture(scope="module")
def incomplete_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start anvil without two of the contracts; it serves no bundler methods."""
    install()
    genesis = {address: account for address, account in load_genesis().items() if address not in MISSING}
    with anvil(genesis, FIRST, tmp_path_factory.mktemp("incomplete")) as node:
        yield node


def test_missing_contracts_stop_the_start(
    dev_stack: Stack, redis_server: RedisServer, tmp_path: Path, incomplete_node: str
) -> None:
    error = start_error(tmp_path, redis_server, table(FIRST, incomplete_node, dev_stack.nodes[FIRST]))

    found = [f"{REQUIRED_CONTRACTS[one]}: expected at {one}, but the node finds no contract there" for one in MISSING]
    assert f"WALLET_RPC_CHAINS: chain {FIRST}: {'; '.join(found)}; deploy them first" in error


@pytest.mark.parametrize("form", ["file", "entry"])
def test_a_bundler_that_was_never_named_is_not_blamed(
    redis_server: RedisServer, tmp_path: Path, incomplete_node: str, form: str
) -> None:
    chains = tmp_path / "chains.toml"
    chains.write_text(f'[[chain]]\nid = {FIRST}\nnode = "{incomplete_node}"\n')
    value = str(chains) if form == "file" else f"{FIRST}={incomplete_node}"
    error = run_wallet_rpc("serve", folder=tmp_path, CHAINS=value, REDIS_URL=redis_server.url, OPEN="yes").stderr

    assert error == (
        f"wallet-rpc: WALLET_RPC_CHAINS: chain {FIRST}: no bundler is configured, so bundler requests go to the node, "
        f"which does not serve them for EntryPoint v0.7: add a bundler, as in {FIRST}=NODE_URL,BUNDLER_URL\n"
    )


@pytest.fixture(scope="module")
def careful(dev_stack: Stack, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Start a server whose first node and bundler are unreachable, and which requires three confirmations."""
    folder = tmp_path_factory.mktemp("careful")
    home = dev_stack.nodes[FIRST]
    chains = folder / "chains.toml"
    chains.write_text(table(FIRST, [DEAD, home], [DEAD, home], paymaster=home, confirmations=3))
    with Server("serve", folder=folder, CHAINS=str(chains), REDIS_URL=redis_server.url, OPEN="yes") as server:
        careful_client = Client(server.url, home)
        yield careful_client
        careful_client.http.close()


def test_a_server_works_when_its_first_node_and_bundler_are_unreachable(careful: Client) -> None:
    wallet = Wallet(careful).fund(tokens=0)
    before = careful.balance(FRIEND)

    wallet.send(wallet.prepare({"to": FRIEND, "value": "0x5"}), wallet.owner)

    assert careful.balance(FRIEND) == before + 5


def test_a_call_is_preconfirmed_until_it_has_enough_confirmations(careful: Client) -> None:
    wallet = Wallet(careful).fund(tokens=0)
    call_id = wallet.send(wallet.prepare({"to": FRIEND}), wallet.owner)
    seen = [wallet.status(call_id)["status"]]
    for _ in range(2):
        careful.chain("evm_mine")
        seen.append(wallet.status(call_id)["status"])

    assert seen == [110, 110, 200]
    assert wallet.status(call_id)["receipts"][0]["status"] == "0x1"

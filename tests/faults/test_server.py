"""Faults of a server's process: Redis that does not answer, and the end of a server with pending faults."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import httpx2
import pytest

from tests.e2e.process import Server, until
from tests.support.constants import CHAINS, FRIEND
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.cli.option_types import parse_confirmations
from wallet_rpc.dev_faults import DevFaults
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.edge.api_documents import rpc_with_document
from wallet_rpc.errors import UnsupportedCapability

PAUSE_SECONDS = 12
"""Longer than requests wait for Redis, also on a busy machine."""
LATE = {"method": "eth_chainId", "milliseconds": 60_000}


def test_a_process_with_faults_of_each_part_ends_at_once(tmp_path: Path) -> None:
    options = ("--ephemeral", "--confirmations", "2")
    with Server("dev", *options, folder=tmp_path, PATIENCE_SECONDS="0.5") as server:
        client = server.client()
        see_a_reorganization_deeper_than_the_chain(client)
        see_a_call_whose_block_is_replaced(client)
        see_redis_away(server, client)
        see_the_end_with_pending_faults(server, client)


def see_redis_away(server: Server, client: Client) -> None:
    account = {"signerAddress": new_key().address}
    client.rpc("wallet_test_pauseRedis", {"milliseconds": PAUSE_SECONDS * 1000})
    started = time.monotonic()

    with pytest.raises(RpcError) as error:
        client.rpc("wallet_listAccounts", account)
    assert (error.value.code, error.value.data["retryable"]) == (-32603, True)
    with pytest.raises(RpcError) as error:
        client.rpc("wallet_test_pauseRedis", {"milliseconds": 1})
    assert error.value.reason == "redis_paused"
    until(lambda: server.ready()[0] == 503, "not ready")
    assert client.rpc("wallet_test_listFaults", {})["faults"][0]["kind"] == "pauseRedis"
    server.until_ready()
    assert time.monotonic() - started >= PAUSE_SECONDS - 1
    assert client.rpc("wallet_listAccounts", account)["meta"]["totalCount"] == 0
    assert client.rpc("wallet_test_listFaults", {}) == {"faults": []}


def see_the_end_with_pending_faults(server: Server, client: Client) -> None:
    client.rpc("wallet_test_delayNext", LATE)
    client.rpc("wallet_test_timeOutNext", {**LATE, "method": "eth_blockNumber"})
    with ThreadPoolExecutor() as pool:
        late = pool.submit(server.post, "", "eth_chainId")
        lost = pool.submit(server.post, "", "eth_blockNumber")
        until(lambda: client.rpc("wallet_test_listFaults", {}) == {"faults": []}, "both faults have begun")
        stopped = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - stopped < 30  # of 60 seconds
        assert late.result()["result"] == "0x7a69"
        with pytest.raises(httpx2.RemoteProtocolError):
            lost.result()


def test_only_dev_has_methods_for_faults(url: str, redis_server: RedisServer, tmp_path: Path) -> None:
    names = [method["name"] for method in rpc_with_document()[1]()["methods"]]
    assert [name for name in names if name.startswith("wallet_test_")] == []
    assert "wallet_test_failNext" in {
        method["name"] for method in httpx2.get(f"{url}/openrpc.json", timeout=30).json()["methods"]
    }

    chain = f"{url}/chain/31337"
    chains = tmp_path / "chains.toml"
    chains.write_text(f'[[chain]]\nid = 31337\nnode = "{chain}"\nbundler = "{chain}"\n')
    with Server("serve", folder=tmp_path, CHAINS=str(chains), REDIS_URL=redis_server.url, OPEN="yes") as server:
        for method in ("wallet_test_failNext", "wallet_test_listFaults"):
            error = server.post("", method, {"code": 1})["error"]
            assert (error["code"], error["data"]["reason"]) == (-32601, "method_not_found")
            assert "wallet-rpc dev alone has methods named wallet_test_" in error["message"]
        document = httpx2.get(f"{server.url}/openrpc.json", timeout=30).json()
        assert [method["name"] for method in document["methods"]] == names


async def test_a_redis_of_others_is_not_paused() -> None:
    faults = DevFaults({CHAINS[0]: cast("ChainSupervisor", None)}, redis=None)  # which is not used

    with pytest.raises(UnsupportedCapability) as error:
        await faults.add(Fault(kind=FaultKind.PAUSE_REDIS, milliseconds=3000))

    assert error.value.reason == "redis_not_embedded"


def see_a_call_whose_block_is_replaced(client: Client) -> None:
    wallet = Wallet(client).fund(tokens=0)
    call_id = wallet.send(wallet.prepare({"to": FRIEND, "value": "0x1"}), wallet.owner)

    def status() -> int:
        return int(wallet.status(call_id)["status"])

    until(lambda: status() == 110, "included")
    client.rpc("wallet_test_reorg", {"depth": 1})
    until(lambda: status() == 100, "pending again")
    client.rpc("evm_mine")
    until(lambda: status() == 110, "included again")
    client.rpc("evm_mine")
    until(lambda: status() == 200, "confirmed")


def see_a_reorganization_deeper_than_the_chain(client: Client) -> None:
    client.rpc("evm_mine")
    height = int(client.rpc("eth_blockNumber"), 16)

    with pytest.raises(RpcError) as error:
        client.rpc("wallet_test_reorg", {"depth": height + 1})

    assert error.value.reason == "reorg_too_deep"
    assert f"at most {height}" in error.value.message


@pytest.mark.parametrize("text", ["0", "1001", "-1", "two", "1" * 30])
def test_a_number_of_confirmations_out_of_bounds_is_an_error(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="expected a number from 1 to 1000"):
        parse_confirmations(text)

"""The numbers of `wallet_getSession` on the production bytecode, where its deployment records are present."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.e2e.server import run_dev_server
from tests.golden.published import find_deployments
from tests.operations.module_reads import ALLOWLIST, HALF, NATIVE_LIMIT
from tests.operations.test_get_session import EVERY_LIMIT, remaining
from tests.support.calls import transfer
from tests.support.constants import FRIEND, TOKEN
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.dev_server import DevOptions


@pytest.fixture
def client() -> Iterator[Client]:
    with (
        run_dev_server(DevOptions(ephemeral=True, deployments=find_deployments())) as url,
        httpx2.Client(timeout=30) as http,
    ):
        yield Client(url, http=http)


def read(client: Client, to: str, signature: str, *values: object) -> int:
    """Read a number from a module by raw `eth_call`."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    data = "0x" + (keccak(text=signature)[:4] + encode(types, values)).hex()
    return int(client.chain("eth_call", {"to": to, "data": data}, "latest"), 16)


def test_the_limits_are_those_of_the_production_modules(client: Client) -> None:
    wallet = Wallet(client).fund()
    grant = wallet.grant(*EVERY_LIMIT)
    found: dict[str, Any] = {}
    for amount in (30, 41):
        status = wallet.act(grant, {"to": FRIEND, "value": hex(amount)}, transfer(amount - 20), sponsored=False)
        assert status["status"] == 200
        found = client.rpc("wallet_getSession", {"sessionId": grant.session_id})
        entity, account = found["entityId"], wallet.account
        tokens = read(client, ALLOWLIST, "erc20SpendLimits(uint32,address,address)", entity + HALF, TOKEN, account)
        assert remaining(found) == {
            "native-token-transfer": read(client, NATIVE_LIMIT, "limits(uint256,address)", entity, account),
            "erc20-token-transfer": tokens,
            "gas-limit": read(client, NATIVE_LIMIT, "limits(uint256,address)", entity + HALF, account),
        }
        assert (found["state"], found["differences"]) == ("installed", [])
    assert remaining(found)["erc20-token-transfer"] == 100 - 10 - 21
    by_entity = {"account": wallet.account, "chainId": wallet.chain_id, "entityId": found["entityId"]}
    assert client.rpc("wallet_getSession", by_entity)["contracts"] == found["contracts"]

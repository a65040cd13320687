"""Idempotent submission: equal concurrent requests reach the bundler or the node once, as counted there.

Two server processes share one Redis; a recording proxy is between them and the real bundler.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.e2e.counting import Recorder, serve_recorder
from tests.e2e.delegating import External
from tests.e2e.process import Server
from tests.e2e.stacks import Stack
from tests.e2e.test_once import run_at_once
from tests.support.calls import transfer
from tests.support.constants import CHAINS, FRIEND, ROOT
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.devchain.accounts import ACCOUNTS

CHAIN = CHAINS[0]
TIMES = 8


@dataclass
class Pair:
    """Two servers that share only their Redis, and the recorder of their upstream."""

    clients: tuple[Client, Client]
    recorder: Recorder

    def send_at_once(self, request: dict[str, Any]) -> list[Any]:
        """Clear the recorder, send equal requests, half of them to each server, and return the results."""
        self.recorder.writes.clear()
        method = "wallet_sendPreparedCalls"
        return run_at_once(
            *[lambda client=client: client.rpc(method, request) for client in self.clients * (TIMES // 2)]
        )


@pytest.fixture(scope="module")
def pair(dev_stack: Stack, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with ExitStack() as parts:
        behind, recorder = parts.enter_context(serve_recorder(dev_stack.nodes[CHAIN]))
        stack = replace(dev_stack, nodes={CHAIN: behind}, bundlers={CHAIN: behind})
        folders = [tmp_path_factory.mktemp("server") for _ in range(2)]
        settings = {
            "CHAINS": str(stack.chains_file(folders[0])),
            "REDIS_URL": redis_server.url,
            "OPEN": "yes",
            "RELAYER_KEY": "0x" + ACCOUNTS[-2].key.hex(),
        }
        servers = [Server("serve", folder=folder, **settings) for folder in folders]  # both start at once
        first, second = (parts.enter_context(server).client() for server in servers)
        first.node = second.node = dev_stack.nodes[CHAIN]
        yield Pair((first, second), recorder)


def assert_one(answers: list[Any]) -> str:
    """Check that all answers have the same call id, and return it."""
    assert [str(answer) for answer in answers if isinstance(answer, RpcError)] == []
    ids = {answer["id"] for answer in answers}
    assert len(answers) == TIMES
    assert len(ids) == 1
    return str(ids.pop())


@pytest.mark.parametrize("by_session", [False, True])
def test_equal_concurrent_sends_reach_the_bundler_once(pair: Pair, by_session: bool) -> None:
    wallet = Wallet(pair.clients[0]).fund()
    grant = wallet.grant(ROOT) if by_session else None
    key, permissions = (wallet.owner, None) if grant is None else (grant.key, grant.permissions)
    request = wallet.sign(wallet.prepare(transfer(3), permissions=permissions), key, permissions)

    call_id = assert_one(pair.send_at_once(request))

    assert [operation["sender"].lower() for operation, _ in pair.recorder.writes] == [wallet.account.lower()]
    assert wallet.wait_until_final(call_id)["status"] == 200
    assert_one(pair.send_at_once(request))
    assert pair.recorder.writes == [], "a sent operation is not sent again"


def test_equal_concurrent_delegating_calls_reach_the_bundler_once(pair: Pair) -> None:
    wallet = External(pair.clients[0])
    request = wallet.sign_array(wallet.prepare({"to": FRIEND}))

    call_id = assert_one(pair.send_at_once(request))

    assert len(pair.recorder.writes) == 1
    assert wallet.wait_until_final(call_id)["status"] == 200


def test_equal_concurrent_removals_of_a_delegation_are_paid_for_once(pair: Pair) -> None:
    wallet = External(pair.clients[0])
    assert wallet.delegate({"to": FRIEND})["status"] == 200
    request = wallet.sign_authorization(wallet.prepare_removal())

    call_id = assert_one(pair.send_at_once(request))

    assert len(pair.recorder.writes) == 1
    assert wallet.wait_until_final(call_id)["status"] == 200

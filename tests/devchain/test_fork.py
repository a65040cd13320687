from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from eth_account import Account

from tests.devchain import contracts
from tests.devchain.http_endpoint import serve_rpc
from tests.devchain.sample import ALICE, GENESIS_TIME, SINK, Actor, Node, RpcFailure, Session, mint, transfer
from wallet_rpc.devchain.chain_state import balance_key, code_key, nonce_key, slot_key
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.dev_constants import PAYMASTER, TEST_TOKEN
from wallet_rpc.devchain.fork import ShieldedUpstream, Upstream
from wallet_rpc.devchain.node_errors import ExecutionTimeout, UpstreamFailed
from wallet_rpc.devchain.run_limit import RunLimit
from wallet_rpc.devchain.sqlite_store import UnusableFolder
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.permission import ContractAccess, Target
from wallet_rpc.primitives import Address

SINK_TEXT, TOKEN_TEXT = SINK.hex0x(), TEST_TOKEN.hex0x()
STRANGER = Address(b"\x5a" * 20).hex0x()


class Origin:
    """The chain to fork, over HTTP, which records the methods of all reads."""

    def __init__(self) -> None:
        self.node = Node()
        self.methods: list[str] = []
        self.broken: bytes | None = None

    def answer(self, body: bytes) -> bytes | None:
        self.methods += [entry["method"] for entry in json.loads(body)]
        return self.node.dispatcher.answer(body) if self.broken is None else self.broken


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
def url(origin: Origin) -> Iterator[str]:
    with serve_rpc(origin.answer) as found:
        yield found


def fork(url: str, **config: Any) -> Node:
    return Node(DevChainConfig(fork_url=url, timestamp=GENESIS_TIME, **config))


def test_fork_sees_the_accounts_of_its_origin(origin: Origin, url: str) -> None:
    origin.node.rpc("anvil_setBalance", STRANGER, "0x7")
    origin.node.rpc("anvil_setNonce", STRANGER, "0x3")
    origin.node.rpc("anvil_setCode", STRANGER, "0x" + contracts.SLOT_0.hex())
    origin.node.rpc("anvil_setStorageAt", STRANGER, "0x0", "0x" + "00" * 31 + "2a")
    forked = fork(url)
    assert forked.rpc("eth_getBalance", STRANGER) == "0x7"
    assert forked.rpc("eth_getTransactionCount", STRANGER) == "0x3"
    assert int(forked.rpc("eth_call", {"to": STRANGER}), 16) == 42


def test_value_is_read_once_and_from_the_pinned_block(origin: Origin, url: str) -> None:
    origin.node.rpc("anvil_setBalance", STRANGER, "0x7")
    origin.node.rpc("evm_mine")
    forked = fork(url)
    origin.node.send(to=STRANGER, value=1)
    assert forked.rpc("eth_blockNumber") == "0x1"
    assert forked.rpc("eth_getBalance", STRANGER) == "0x7"
    origin.methods.clear()
    assert forked.rpc("eth_getBalance", STRANGER) == "0x7"
    assert origin.methods == []


def test_fork_changes_nothing_at_its_origin(origin: Origin, url: str) -> None:
    forked = fork(url)
    forked.send(to=STRANGER, value=5)
    assert forked.rpc("eth_getBalance", STRANGER) == "0x5"
    assert forked.rpc("eth_getBalance", STRANGER, "0x0") == "0x0"
    assert origin.node.rpc("eth_getBalance", STRANGER) == "0x0"
    assert forked.rpc("eth_getBlockByNumber", "0x1", False)["number"] == "0x1"


def test_session_granted_at_the_origin_goes_on_in_the_fork(origin: Origin, url: str) -> None:
    actor = Actor(origin.node)
    actor.fund()
    origin.node.send(**mint(TEST_TOKEN, actor.address, 100))
    session = Session.of(actor, [ContractAccess(type="contract-access", data=Target(address=TEST_TOKEN))])
    actor.send([transfer(TEST_TOKEN, SINK, 1)], session=session)
    actor.node = fork(url)
    assert actor.send([transfer(TEST_TOKEN, SINK, 2)], session=session)["success"] is True
    balance_call = {"to": TOKEN_TEXT, "data": "0x70a08231" + "00" * 12 + SINK.hex()}
    assert int(actor.node.rpc("eth_call", balance_call), 16) == 3
    assert int(origin.node.rpc("eth_call", balance_call), 16) == 1


def test_development_contracts_are_added_where_the_origin_has_none(origin: Origin, url: str) -> None:
    origin.node.rpc("anvil_setCode", TOKEN_TEXT, "0x")
    origin.node.rpc("anvil_setCode", ENTRY_POINT.hex0x(), "0x60006000fd")
    forked = fork(url)
    assert len(forked.rpc("eth_getCode", TOKEN_TEXT)) > 100
    assert forked.rpc("eth_getCode", ENTRY_POINT.hex0x()) == "0x60006000fd"


def test_paymaster_gets_a_deposit_in_the_origins_entry_point(origin: Origin, url: str) -> None:
    origin.node.rpc("anvil_setCode", PAYMASTER.hex0x(), "0x")
    forked = fork(url)
    deposit = {"to": ENTRY_POINT.hex0x(), "data": "0x70a08231" + "00" * 12 + PAYMASTER.hex()}
    assert int(forked.rpc("eth_call", deposit), 16) > 10**18


def test_fork_is_stored_with_the_values_it_has_read(origin: Origin, url: str, tmp_path: Path) -> None:
    origin.node.rpc("anvil_setBalance", STRANGER, "0x7")
    first = fork(url, folder=tmp_path)
    first.send(to=STRANGER, value=5)
    first.dev.chain.close()
    origin.node.rpc("anvil_setBalance", STRANGER, "0x99")
    origin.node.rpc("evm_mine")
    again = fork(url, folder=tmp_path)
    assert again.rpc("eth_getBalance", STRANGER) == "0xc"
    assert again.rpc("eth_getBalance", STRANGER, "0x0") == "0x7"
    assert again.rpc("eth_blockNumber") == "0x1"
    again.dev.chain.close()
    with pytest.raises(UnusableFolder):
        Node(DevChainConfig(folder=tmp_path))


def test_fork_of_a_past_block(origin: Origin, url: str) -> None:
    origin.node.send(to=STRANGER, value=1)
    origin.node.send(to=STRANGER, value=1)
    assert fork(url, fork_block=1).rpc("eth_getBalance", STRANGER) == "0x1"
    with pytest.raises(UpstreamFailed, match="does not know block 0x63"):
        fork(url, fork_block=99)


def test_many_values_are_read_in_one_batch(origin: Origin, url: str) -> None:
    origin.node.rpc("anvil_setBalance", STRANGER, "0x7")
    upstream = Upstream(url)
    account = bytes.fromhex(STRANGER[2:])
    found = upstream.fetch_many([balance_key(account), slot_key(account, 5), code_key(account)])
    upstream.close()
    assert found == {balance_key(account): 7, nonce_key(account): 0, code_key(account): b"", slot_key(account, 5): 0}
    assert origin.methods == [
        "eth_getBlockByNumber",
        "eth_getBalance",
        "eth_getTransactionCount",
        "eth_getCode",
        "eth_getStorageAt",
    ]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (b"<html>", "does not answer"),
        (b'{"error":{"code":-32600,"message":"no batches, key=SECRET"}}', "rejects batch requests"),
        (b"[]", "malformed answer"),
        (b'[{"id":0,"error":{"code":-32000,"message":"SECRET"}}]', "malformed answer"),
        (b'[{"id":0,"error":{"code":-32000}},{"id":1,"result":"0x"},{"id":2,"result":"0x"}]', "returned an error"),
        (b'[{"id":0,"result":"zz"},{"id":1,"result":"0x"},{"id":2,"result":null}]', "malformed answer"),
    ],
)
def test_error_of_the_origin_is_reported_without_its_message(
    origin: Origin, url: str, broken: bytes, message: str
) -> None:
    forked = fork(url)
    origin.broken = broken
    with pytest.raises(RpcFailure) as caught:
        forked.rpc("eth_getBalance", STRANGER)
    assert message in caught.value.message
    assert "SECRET" not in caught.value.message
    assert caught.value.code == -32603
    origin.broken = None
    assert forked.rpc("eth_getBalance", STRANGER) == "0x0"


def test_authority_that_cannot_be_read_fails_the_transaction(origin: Origin, url: str) -> None:
    forked = fork(url)
    fresh = Account.from_key("0x" + "77" * 32)
    signed = Account.sign_authorization({"chainId": 31337, "address": STRANGER, "nonce": 0}, fresh.key)
    raw = forked.sign(to=ALICE.address.hex0x(), authorizationList=[signed])
    origin.broken = b"<html>"
    with pytest.raises(RpcFailure, match="does not answer"):
        forked.rpc("eth_sendRawTransaction", raw)
    origin.broken = None
    forked.rpc("eth_sendRawTransaction", raw)
    assert forked.rpc("eth_getCode", fresh.address) == "0xef0100" + "5a" * 20


def test_unreachable_node_is_reported() -> None:
    with pytest.raises(UpstreamFailed, match="does not answer"):
        Upstream("http://127.0.0.1:9/", timeout_seconds=2)
    with pytest.raises(UpstreamFailed, match="does not answer"):
        Upstream("nonsense", timeout_seconds=2)


def test_block_without_a_number_is_malformed(origin: Origin, url: str) -> None:
    origin.broken = b'[{"id":0,"result":{"number":"0x1"}}]'
    with pytest.raises(UpstreamFailed, match="malformed"):
        Upstream(url)


def test_change_of_an_account_that_was_never_read_leaves_its_past_readable(origin: Origin, url: str) -> None:
    origin.node.rpc("anvil_setBalance", STRANGER, "0x7")
    forked = fork(url)
    forked.rpc("evm_mine")
    forked.rpc("anvil_setBalance", STRANGER, "0x9")
    assert [forked.rpc("eth_getBalance", STRANGER, block) for block in ("0x0", "latest")] == ["0x7", "0x9"]


def test_request_to_the_forked_chain_is_not_interrupted() -> None:
    class Slow:
        seconds = 0.3

        def fetch(self, key: bytes) -> dict[bytes, int]:
            ends = time.thread_time() + self.seconds
            while time.thread_time() < ends:
                pass
            return {key: 7}

    limit, slow = RunLimit(0.1), Slow()
    shielded = ShieldedUpstream(cast("Upstream", slow), limit)
    assert limit.run(lambda: shielded.fetch(b"key")) == {b"key": 7}
    slow.seconds = 60  # a machine that pauses delivers no tick for a while
    with pytest.raises(ExecutionTimeout):
        limit.run(lambda: slow.fetch(b"key"))

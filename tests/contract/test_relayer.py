"""The relayer's transactions: their content and order, and the handling of the node's responses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.datatypes import PrivateKey
from hexbytes import HexBytes

from tests.contract.upstream import BrokenResponse, Upstream, UpstreamError, answer_in_turn
from tests.support.keys import sign_hash
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer import KeyRelayer
from wallet_rpc.adapters.relayer_budget import DailyWei
from wallet_rpc.adapters.relayer_turn import RelayerTurn
from wallet_rpc.adapters.system import SystemClock
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.authorization import Authorization, SignedAuthorization
from wallet_rpc.errors import OutcomeUnknown, Rejected, Unavailable, WalletError
from wallet_rpc.ports import Log, TransactionReceipt
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Hash32

CHAIN = 31337
KEY, OWNER_KEY = b"\x01" * 32, b"\x02" * 32
RELAYER = Account.from_key(KEY).address
HASH, BLOCK = "0x" + "aa" * 32, "0x" + "bb" * 32
READS: dict[str, Any] = {
    "eth_getBlockByNumber": {"number": "0x1", "baseFeePerGas": "0x3b9aca00"},
    "eth_maxPriorityFeePerGas": "0x5",
    "eth_getTransactionCount": "0x7",
    "eth_estimateGas": "0x5208",
}


def authorization() -> SignedAuthorization:
    removal = Authorization(CHAIN, ZERO_ADDRESS, 3)
    return removal.add_signature(sign_hash(PrivateKey(OWNER_KEY), removal.digest))


Factory = Callable[..., tuple[Upstream, KeyRelayer]]
COST = (21_000 + 25_000) * 12 // 10 * 1_500_000_005
"""Maximum cost of a transaction with these responses, in wei."""


def relayer_factory(store: RedisStore, total: int, account: int) -> Factory:
    budget = store.relayer_budget(DailyWei(total=total, account=account), SystemClock())

    def make(**answers: Any) -> tuple[Upstream, KeyRelayer]:
        upstream = Upstream({**READS, **answers})
        client = upstream.client()
        turn = store.relayer_turn()
        return upstream, KeyRelayer(client, NodeChain(client), CHAIN, KEY, budget=budget, turn=turn)

    return make


@pytest.fixture
def relayer(store: RedisStore) -> Factory:
    return relayer_factory(store, 10**18, 10**18)


def raw_transactions(upstream: Upstream) -> list[str]:
    return [params[0] for method, params in zip(upstream.methods, upstream.params, strict=True) if "sendRaw" in method]


async def test_the_transaction_carries_the_authorization_and_nothing_else(relayer: Factory) -> None:
    upstream, one = relayer(eth_sendRawTransaction=HASH)
    sent = await one.send(authorization())
    (raw,) = raw_transactions(upstream)
    assert sent == keccak(bytes.fromhex(raw[2:])), "the hash is computed, not taken from the node's response"
    found = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    assert Account.recover_transaction(raw) == RELAYER
    assert (found["type"], found["chainId"], found["nonce"], found["value"]) == (4, CHAIN, 7, 0)
    assert (bytes(found["to"]), bytes(found["data"])) == (bytes.fromhex(RELAYER[2:]), b"")
    assert found["gas"] == (21_000 + 25_000) * 12 // 10
    assert (found["maxFeePerGas"], found["maxPriorityFeePerGas"]) == (1_500_000_005, 5)
    assert len(found["authorizationList"]) == 1
    assert one.address == Address.parse(RELAYER)


async def test_transactions_are_sent_one_at_a_time_each_with_its_own_nonce(relayer: Factory) -> None:
    counts = answer_in_turn("0x7", "0x8", "0x9")
    upstream, one = relayer(eth_sendRawTransaction=HASH, eth_getTransactionCount=counts)
    await asyncio.gather(*(one.send(authorization()) for _ in range(3)))
    nonces = [TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["nonce"] for raw in raw_transactions(upstream)]
    assert nonces == [7, 8, 9]


async def test_two_processes_with_one_relayer_send_one_at_a_time(relayer: Factory) -> None:
    sent: list[str] = []

    def accept(raw: str) -> str:
        sent.append(raw)
        return HASH

    node = {"eth_getTransactionCount": lambda *_: hex(7 + len(sent)), "eth_sendRawTransaction": accept}
    relayers = [relayer(**node)[1] for _ in range(2)]
    await asyncio.gather(*(each.send(authorization()) for each in relayers for _ in range(3)))
    nonces = [TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["nonce"] for raw in sent]
    assert nonces == [7, 8, 9, 10, 11, 12]


async def test_the_turn_of_a_process_that_has_ended_goes_to_another(store: RedisStore) -> None:
    async def read_holder() -> Any:
        (key,) = await turn._link.find_keys("{relayer-turn:*")
        return await turn._link.command("GET", key)

    turn, address = store.relayer_turn(), Address.parse(RELAYER)
    async with AsyncExitStack() as late:
        await late.enter_async_context(RelayerTurn(turn._link, longest_seconds=0.1).hold(CHAIN, address))
        first = await read_holder()
        async with turn.hold(CHAIN, address):
            second = await read_holder()
            await late.aclose()
            assert await read_holder() == second != first
    assert await turn._link.find_keys("{relayer-turn:*") == []


@pytest.mark.parametrize(
    ("upstream_error", "error", "reason"),
    [
        (UpstreamError(-32000, "insufficient funds for gas * price + value"), Rejected, "relayer_without_funds"),
        (UpstreamError(-32000, "nonce too low"), Unavailable, "unavailable"),
        (UpstreamError(-32000, "https://key@node refuses"), Unavailable, "unavailable"),
    ],
)
async def test_the_nodes_error_text_does_not_reach_the_caller(
    relayer: Factory, upstream_error: UpstreamError, error: type[WalletError], reason: str
) -> None:
    upstream, one = relayer(eth_sendRawTransaction=answer_in_turn(upstream_error))
    with pytest.raises(error) as error_info:
        await one.send(authorization())
    assert type(error_info.value) is error
    assert error_info.value.reason == reason
    assert not re.search(r"https?:|key@", error_info.value.message)
    assert len(raw_transactions(upstream)) == 1


async def test_a_transaction_that_the_node_already_has_counts_as_sent(relayer: Factory) -> None:
    upstream, one = relayer(eth_sendRawTransaction=answer_in_turn(UpstreamError(-32000, "already known")))
    assert await one.send(authorization()) == keccak(bytes.fromhex(raw_transactions(upstream)[0][2:]))


@pytest.mark.parametrize(
    "known", [{"hash": HASH}, None, answer_in_turn(BrokenResponse(502)), answer_in_turn(UpstreamError(-32000, "busy"))]
)
async def test_a_transaction_with_a_lost_response_is_looked_up_and_not_sent_again(relayer: Factory, known: Any) -> None:
    upstream, one = relayer(eth_sendRawTransaction=answer_in_turn(BrokenResponse(502)), eth_getTransactionByHash=known)
    if known is None or callable(known):
        with pytest.raises(OutcomeUnknown):
            await one.send(authorization())
    else:
        assert await one.send(authorization()) == keccak(bytes.fromhex(raw_transactions(upstream)[0][2:]))
    assert len(raw_transactions(upstream)) == 1


async def test_a_receipt_is_decoded(relayer: Factory) -> None:
    log = {"address": RELAYER, "topics": [HASH], "data": "0x01"}
    receipt = {
        "status": "0x1",
        "logs": [log],
        "transactionHash": HASH,
        "blockHash": BLOCK,
        "blockNumber": "0x5",
        "gasUsed": "0xb3b0",
    }
    _, one = relayer(eth_getTransactionReceipt=answer_in_turn(None, receipt, {**receipt, "status": "0x0", "logs": []}))
    assert await one.receipt(Hash32.parse(HASH)) is None
    found = await one.receipt(Hash32.parse(HASH))
    assert found == TransactionReceipt(
        success=True,
        logs=(Log(address=Address.parse(RELAYER), topics=(Hash32.parse(HASH),), data=b"\x01"),),
        transaction_hash=Hash32.parse(HASH),
        block_hash=Hash32.parse(BLOCK),
        block_number=5,
        gas_used=46_000,
    )
    failed = await one.receipt(Hash32.parse(HASH))
    assert failed is not None
    assert failed.success is False


async def test_no_transaction_is_sent_beyond_the_daily_budget(store: RedisStore) -> None:
    make = relayer_factory(store, 10**18, COST)
    upstream, one = make(eth_sendRawTransaction=HASH, eth_getTransactionCount=answer_in_turn("0x7", "0x8"))
    await one.send(authorization())
    with pytest.raises(Rejected) as error_info:
        await one.send(authorization())
    assert error_info.value.reason == "relayer_budget_used_up"
    assert len(raw_transactions(upstream)) == 1


@pytest.mark.parametrize(
    ("answer", "looked_up", "is_free"),
    [
        (UpstreamError(-32000, "insufficient funds for gas * price + value"), None, True),
        (UpstreamError(-32000, "nonce too low"), None, True),
        (BrokenResponse(502), None, False),
        (BrokenResponse(502), {"hash": HASH}, False),
    ],
)
async def test_only_the_cost_of_a_rejected_transaction_is_given_back(
    store: RedisStore, answer: Any, looked_up: Any, is_free: bool
) -> None:
    make = relayer_factory(store, COST, COST)
    answers = {"eth_getTransactionByHash": looked_up, "eth_getTransactionCount": answer_in_turn("0x7", "0x8")}
    upstream, one = make(eth_sendRawTransaction=answer_in_turn(answer, HASH), **answers)
    with suppress(WalletError):
        await one.send(authorization())
    if is_free:
        await one.send(authorization())
    else:
        with pytest.raises(Rejected, match="pays at most"):
            await one.send(authorization())
    assert len(raw_transactions(upstream)) == (2 if is_free else 1)

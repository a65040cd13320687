"""Responses of a bundler about an operation: receipts and lookups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.parts import HASH, ON_WIRE, OTHER_HASH, bundler
from tests.contract.sample import SIGNER, an_operation
from tests.contract.upstream import UpstreamError, answer_in_turn
from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.errors import (
    Unavailable,
)
from wallet_rpc.ports import Log, OperationReceipt, PendingOperation
from wallet_rpc.primitives import Data

REASON = abi.sequence(abi.uint(7), abi.blob(b"\xde\xad\xbe\xef"))
"""Data of a revert event: nonce, revert data."""


def receipt(**changes: Any) -> dict[str, Any]:
    log = {"address": SIGNER.hex0x(), "topics": [HASH.hex0x()], "data": "0x01", "logIndex": "0x0"}
    transaction = {"transactionHash": HASH.hex0x(), "blockHash": OTHER_HASH.hex0x(), "blockNumber": "0x9", "logs": []}
    return {"success": True, "actualGasUsed": "0x64", "logs": [log], "receipt": transaction, "sender": "?"} | changes


@pytest.mark.parametrize(
    ("changes", "success", "reason"),
    [
        ({}, True, b""),
        ({"reason": ""}, True, b""),
        ({"success": False, "reason": "0x08c379a0"}, False, b"\x08\xc3\x79\xa0"),
        ({"success": False, "reason": "ERC20: transfer amount exceeds balance"}, False, b""),
    ],
)
async def test_a_receipt_has_the_operations_outcome(changes: dict[str, Any], success: bool, reason: bytes) -> None:
    _, client = bundler({"eth_getUserOperationReceipt": receipt(**changes)})

    assert await client.receipt(HASH) == OperationReceipt(
        success=success,
        revert_reason=reason,
        logs=(Log(address=SIGNER, topics=(HASH,), data=b"\x01"),),
        transaction_hash=HASH,
        block_hash=OTHER_HASH,
        block_number=9,
        gas_used=100,
    )


@pytest.mark.parametrize("event", ["UserOperationRevertReason", "PostOpRevertReason"])
async def test_a_receipt_without_a_reason_gets_it_from_the_entry_points_log(event: str) -> None:
    topic = keccak(f"{event}(bytes32,address,uint256,bytes)".encode())
    log = {"topics": [topic.hex0x(), HASH.hex0x(), "0x" + "00" * 32], "data": Data(REASON).hex0x()}
    others = [
        {**log, "address": SIGNER.hex0x()},
        {**log, "address": ENTRY_POINT.hex0x(), "topics": [topic.hex0x(), OTHER_HASH.hex0x()]},
        {**log, "address": ENTRY_POINT.hex0x(), "topics": [topic.hex0x()]},
        {**log, "address": ENTRY_POINT.hex0x(), "data": "0x01"},
    ]
    for logs, reason in ((others, b""), ([*others, {**log, "address": ENTRY_POINT.hex0x()}], b"\xde\xad\xbe\xef")):
        _, client = bundler({"eth_getUserOperationReceipt": receipt(success=False, logs=logs)})
        found = await client.receipt(HASH)
        assert found is not None
        assert found.revert_reason == reason


async def test_an_unknown_operation_is_none() -> None:
    _, client = bundler({"eth_getUserOperationReceipt": None, "eth_getUserOperationByHash": None})

    assert await client.receipt(HASH) is None
    assert await client.lookup(HASH) is None


async def test_a_pending_operation_reads_back_as_it_was_sent() -> None:
    pending = {"userOperation": ON_WIRE, "entryPoint": ENTRY_POINT.hex0x(), "transactionHash": None}
    mined = pending | {"transactionHash": HASH.hex0x(), "blockNumber": "0x9"}
    _, client = bundler({"eth_getUserOperationByHash": answer_in_turn(pending, mined)})

    expected = PendingOperation(operation=an_operation(), transaction_hash=None, block_number=None)
    assert await client.lookup(HASH) == expected
    assert await client.lookup(HASH) == replace(expected, transaction_hash=HASH, block_number=9)


async def test_an_operation_with_factory_data_but_no_factory_is_malformed() -> None:
    _, client = bundler({"eth_getUserOperationByHash": {"userOperation": ON_WIRE | {"factoryData": "0x01"}}})

    with pytest.raises(Unavailable, match="malformed"):
        await client.lookup(HASH)


async def test_an_error_of_a_lookup_is_not_a_rejection_of_the_operation() -> None:
    _, client = bundler({"eth_getUserOperationReceipt": answer_in_turn(UpstreamError(-32602, "AA23 reverted"))})

    with pytest.raises(Unavailable):
        await client.receipt(HASH)

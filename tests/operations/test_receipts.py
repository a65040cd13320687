"""Receipts as they are stored and reported: encoded once, by hand, equal to what their type says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, blobs
from wallet_rpc import wire
from wallet_rpc.domain.receipt import CallLog, CallReceipt
from wallet_rpc.ports import Log, OperationReceipt
from wallet_rpc.primitives import Data, Hash32
from wallet_rpc.services.witnesses import build_receipt

hashes = st.binary(min_size=32, max_size=32).map(Hash32)
logs = st.builds(Log, address=addresses, topics=st.lists(hashes, max_size=4).map(tuple), data=blobs)
receipts = st.builds(
    OperationReceipt,
    success=st.booleans(),
    revert_reason=blobs,
    logs=st.lists(logs, max_size=3).map(tuple),
    transaction_hash=hashes,
    block_hash=hashes,
    block_number=st.integers(0, 2**64 - 1),
    gas_used=st.integers(0, 2**128 - 1),
)


@given(receipts, st.booleans())
def test_a_receipt_is_encoded_as_its_type_says(receipt: OperationReceipt, succeeded: bool) -> None:
    expected = CallReceipt(
        logs=tuple(CallLog(address=log.address, data=Data(log.data), topics=log.topics) for log in receipt.logs),
        status="0x1" if succeeded else "0x0",
        block_hash=receipt.block_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
        transaction_hash=receipt.transaction_hash,
    )

    encoded = build_receipt(receipt, succeeded=succeeded)

    assert encoded == wire.encode(CallReceipt, expected)
    assert wire.decode(CallReceipt, encoded) == expected

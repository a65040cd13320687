"""Raw transactions that are too large, too deep or too long to decode; they are rejected before decoding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.devchain.asking import failure
from tests.devchain.sample import Node
from wallet_rpc.devchain.admission import MAX_TRANSACTION_BYTES
from wallet_rpc.devchain.ledger import encode_raw
from wallet_rpc.devchain.rlp_size import is_within


def wrap_payload(kind: bytes, payload: bytes) -> bytes:
    """Wrap a long payload in a list, after the type byte of a typed transaction."""
    return kind + b"\xfa" + len(payload).to_bytes(3) + payload


@pytest.mark.parametrize("kind", [b"", b"\x02"])
@pytest.mark.parametrize("payload", [b"\xc1" * 100_000, b"\xf8\xf7" * 60_000, b"\xc0" * 100_000, b"\x80" * 100_000])
def test_bytes_that_would_take_long_to_decode_are_refused_before(node: Node, kind: bytes, payload: bytes) -> None:
    rejection = failure(node, "eth_sendRawTransaction", "0x" + wrap_payload(kind, payload).hex())
    assert rejection.code == -32000
    assert rejection.message == "rlp: expected at most 20000 items and lists, nested at most 8 deep"


@pytest.mark.parametrize(("more", "words"), [(0, "rlp"), (1, "oversized data: transaction size 131073, limit 131072")])
def test_raw_transaction_is_as_large_as_elsewhere_at_most(node: Node, more: int, words: str) -> None:
    raw = b"\xf8" * (MAX_TRANSACTION_BYTES + more)
    assert failure(node, "eth_sendRawTransaction", "0x" + raw.hex()).message.startswith(words)


@given(st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=9), max_leaves=60))
def test_size_of_rlp_is_that_of_the_encoded_value(value: Any) -> None:
    def measure(part: Any) -> tuple[int, int]:
        """Return the depth and the number of items, including itself."""
        if isinstance(part, bytes):
            return 0, 1
        inner = [measure(each) for each in part]
        return 1 + max((depth for depth, _ in inner), default=0), 1 + sum(items for _, items in inner)

    depth, items = measure(value)
    raw = encode_raw(value)
    assert is_within(raw, depth=depth, items=items)
    assert not is_within(raw, depth=depth, items=items - 1)
    assert depth == 0 or not is_within(raw, depth=depth - 1, items=items)

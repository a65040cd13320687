"""Tests of permission contexts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import blobs, uint32
from tests.domain.test_deferred_action import SOME
from wallet_rpc.domain.context import (
    Context,
    InstalledContext,
    LocalContext,
    RemoteContext,
    format_context,
    parse_context,
)
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import SessionId

contexts: st.SearchStrategy[Context] = st.one_of(
    st.builds(
        lambda name, signature: RemoteContext(session_id=SessionId(name), signature=signature),
        st.binary(min_size=16, max_size=16),
        blobs,
    ),
    st.builds(lambda blob: LocalContext(blob=blob), blobs),
    st.builds(lambda shared, entity: InstalledContext(is_global=shared, entity_id=entity), st.booleans(), uint32),
)


@given(contexts)
def test_a_context_comes_back(context: Context) -> None:
    assert parse_context(format_context(context)) == context


@given(contexts, contexts)
def test_different_contexts_are_different_bytes(one: Context, other: Context) -> None:
    assert (one == other) == (format_context(one) == format_context(other))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_context_or_refused(data: bytes) -> None:
    try:
        assert format_context(parse_context(data)) == data
    except InvalidParams:
        assert data[:1] not in (b"\x00", b"\x01") or len(data) < 17


def test_the_published_example_of_an_installed_session() -> None:
    assert parse_context(bytes.fromhex("020100000001")) == InstalledContext(is_global=True, entity_id=1)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"", "nothing"),
        (b"\x03" + bytes(30), "31 bytes of version 0x03"),
        (bytes(16), "16 bytes of version 0x00"),
        (b"\x02\x01\x00\x00\x00", "5 bytes of version 0x02"),
        (b"\x02\x02" + bytes(4), "6 bytes of version 0x02"),
        (b"\x02\x01" + bytes(5), "7 bytes of version 0x02"),
    ],
)
def test_other_bytes_are_refused(data: bytes, got: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        parse_context(data, field="params.capabilities.permissions.context")
    assert error_info.value.reason == "context_malformed"
    assert error_info.value.message.endswith(f"got {got}")
    assert error_info.value.data["field"] == "params.capabilities.permissions.context"


def test_a_local_context_gives_its_deferred_action() -> None:
    assert LocalContext(blob=SOME.blob).parse_deferred_action() == SOME

"""Outcomes of trials: results of the account's batch, and revert data."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.installation_trial import explain_revert, find_obstacle
from wallet_rpc.domain.revert import MAX_REVERT_BYTES
from wallet_rpc.errors import UnreadableAnswer
from wallet_rpc.primitives import Data

VALIDATION = ["(uint8,bytes25[],bytes25[],bytes4[])"]
HOOK = b"\x07" * 25


def results(*, flags: int = 1, hooks: int = 0, disabled: bool = False) -> bytes:
    session = encode(VALIDATION, [(flags, [HOOK], [], [b"\x01" * 4])])
    owner = encode(VALIDATION, [(0, [HOOK] * hooks, [HOOK], [])])
    signer = encode(["address", "bool"], ["0x" + "11" * 20, disabled])
    return encode(["bytes[]"], [[b"", session, owner, signer]])


def test_an_accepted_grant_has_no_obstacle() -> None:
    assert find_obstacle(results()) is None


@pytest.mark.parametrize(
    ("data", "errors", "text"),
    [
        (results(flags=0), (), "does not have the session"),
        (results(hooks=2), ("DeferredValidationHasValidationHooks",), "validation hooks"),
        (results(disabled=True), ("FallbackSignerDisabled",), "disabled"),
    ],
)
def test_each_property_that_prevents_a_grant_is_an_obstacle(data: bytes, errors: tuple[str, ...], text: str) -> None:
    obstacle = find_obstacle(data)
    assert obstacle is not None
    assert obstacle.errors == errors
    assert text in obstacle.text


@given(st.one_of(st.binary(max_size=200), st.integers(0, len(results()) - 1).map(lambda size: results()[:size])))
def test_other_data_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        find_obstacle(data)


@given(st.binary(max_size=3000))
def test_any_revert_is_an_obstacle_with_bounded_data(data: bytes) -> None:
    obstacle = explain_revert(Data(data))
    assert obstacle.text
    assert obstacle.revert == data[:MAX_REVERT_BYTES]

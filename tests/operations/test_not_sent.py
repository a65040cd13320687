"""The error in the status of a call that can no longer be included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.conftest import WalletFixture, call_id_of
from tests.support.constants import FRIEND
from wallet_rpc.errors import ExecutionReverted, Rejected, ValidationReverted, WalletError
from wallet_rpc.primitives import Data
from wallet_rpc.services.call_failures import LONGEST_MESSAGE, build_call_error

CALL = {"to": FRIEND}
OTHER = {"to": FRIEND, "data": "0x1234"}


async def status(wallet: WalletFixture, name: str) -> tuple[int, dict[str, Any] | None]:
    """Return a call's status code and error."""
    encoded = await wallet.client.rpc("wallet_getCallsStatus", name)
    return encoded["status"], encoded["details"]["data"].get("error")


async def test_the_status_of_a_call_whose_nonce_another_one_used_has_that_error(wallet: WalletFixture) -> None:
    first = await wallet.prepare(CALL)
    first_id = await wallet.send(first, wallet.owner)
    second_id = await wallet.send(await wallet.prepare(OTHER), wallet.owner)
    assert await status(wallet, first_id) == (100, None)
    await wallet.mempool.mine()

    assert await status(wallet, second_id) == (200, None)
    code, error = await status(wallet, first_id)
    nonce = first["data"]["nonce"]
    assert (code, error and error["code"]) == (400, -32000)
    assert error == {
        "code": -32000,
        "message": f"another call used the nonce {nonce} first; prepare the calls again and sign anew",
        "data": {"reason": "stale_nonce", "retryable": True, "entityId": 0, "sequence": 0},
    }


@pytest.mark.parametrize(
    "refusal",
    [
        Rejected("precheck failed: no", reason="too_low"),
        ValidationReverted("validation reverted", revert=Data(b"\x01")),
    ],
)
async def test_the_status_of_a_rejected_call_has_the_error_of_the_send(
    wallet: WalletFixture, refusal: WalletError
) -> None:
    prepared = await wallet.prepare(CALL)
    wallet.mempool.fails = [refusal]
    with pytest.raises(type(refusal)) as sent:
        await wallet.send(prepared, wallet.owner)
    wallet.mempool.drop()

    name = call_id_of(prepared)
    error = {"code": refusal.code, "message": sent.value.message, "data": sent.value.data}
    assert await status(wallet, name) == (400, error)


def test_a_long_message_is_truncated() -> None:
    error = build_call_error(ExecutionReverted("x" * 10_000))
    assert error.message == "x" * LONGEST_MESSAGE + "…"

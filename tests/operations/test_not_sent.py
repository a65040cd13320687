"""The status of a call that is not on the chain and never will be says why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from wallet_rpc import wire
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.errors import ExecutionReverted, Rejected, ValidationReverted, WalletError
from wallet_rpc.operations import get_calls_status
from wallet_rpc.operations.get_calls_status import CallsStatus, GetCallsStatus
from wallet_rpc.primitives import Data
from wallet_rpc.services.call_failures import LONGEST_MESSAGE, build_call_error

CALL = {"to": "0x00000000000000000000000000000000f00dcafe"}
OTHER = {"to": "0x00000000000000000000000000000000f00dcafe", "data": "0x1234"}


async def status(bench: WalletFixture, name: Data) -> tuple[int, dict[str, Any] | None]:
    """A call's status, and the error that goes with it, as they are on the wire."""
    found = wire.encode(CallsStatus, await get_calls_status.run(bench.ports, GetCallsStatus(call_id=name)))
    return found["status"], found["details"]["data"].get("error")


async def test_a_call_whose_nonce_another_one_used_says_so(bench: WalletFixture) -> None:
    first = await bench.prepare(CALL)
    first_id = await bench.send(first, bench.owner)
    second_id = await bench.send(await bench.prepare(OTHER), bench.owner)
    assert await status(bench, first_id) == (100, None)
    await bench.mempool.mine()

    assert await status(bench, second_id) == (200, None)
    code, error = await status(bench, first_id)
    assert (code, error and error["code"]) == (400, -32000)
    assert error == {
        "code": -32000,
        "message": f"another call used the nonce {first.data.nonce:#x} first; prepare the calls again and sign anew",
        "data": {"reason": "stale_nonce", "retryable": True, "entityId": 0, "sequence": 0},
    }


@pytest.mark.parametrize(
    "refusal",
    [Rejected("precheck failed: no", reason="too_low"), ValidationReverted("validation reverted", revert="0x01")],
)
async def test_a_call_that_was_refused_says_with_which_words(bench: WalletFixture, refusal: WalletError) -> None:
    prepared = await bench.prepare(CALL)
    bench.mempool.fails = [refusal]
    with pytest.raises(type(refusal)):
        await bench.send(prepared, bench.owner)
    bench.mempool.drop()

    name = format_call_id(CHAIN, prepared.details.data.hash)
    told = {"code": refusal.code, "message": refusal.message, "data": {"reason": refusal.reason}}
    assert await status(bench, name) == (400, told)


def test_a_message_is_told_up_to_a_length() -> None:
    told = build_call_error(ExecutionReverted("x" * 10_000))
    assert told.message == "x" * LONGEST_MESSAGE + "…"

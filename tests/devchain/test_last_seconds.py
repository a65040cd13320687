"""Time limits on the chain, to the second: the last second is valid, and the wallet's own check agrees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.devchain.asking import TOKEN_ACCESS, send
from tests.devchain.our_contracts import error
from tests.devchain.sample import ENTRY_POINT_TEXT, SINK, Actor, Node, RpcFailure, Session, on_wire, transfer
from wallet_rpc.devchain.dev_constants import PAYMASTER, PAYMASTER_KEY, TEST_TOKEN
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import TIME_RANGE_MODULE
from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.sponsorship import Window, build_sponsorship_stub
from wallet_rpc.domain.sponsorship import sign_sponsorship as sponsored
from wallet_rpc.primitives import Data

SECONDS = 1000
BOUNDARIES = [-1, 0, 1]
"""The offsets of the second before, the last valid second, and the second after."""
RANGE_ERROR = (-32503, "AA22")


def outcome(node: Node, at: int, actor: Actor, session: Session) -> tuple[int, str] | None:
    """Send a session's operation in a block at that time; return its error, or None when it succeeded."""
    op = actor.sign(actor.estimate(actor.operation([transfer(TEST_TOKEN, SINK, 1)], session=session)), session=session)
    node.rpc("evm_setNextBlockTimestamp", at)
    try:
        send(node, op)
    except RpcFailure as failure:
        return failure.code, failure.data["entryPoint"]
    assert int(node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) == at
    return None


@pytest.mark.parametrize("moment", BOUNDARIES)
@pytest.mark.parametrize("is_installed", [False, True])
def test_a_session_ends_after_its_last_second_for_the_chain_and_for_the_wallet(
    node: Node, actor: Actor, is_installed: bool, moment: int
) -> None:
    """Before the installation the deferred action's deadline decides, afterwards the TimeRange module."""
    session = Session.of(actor, [TOKEN_ACCESS], seconds=SECONDS)
    if is_installed:
        actor.send([transfer(TEST_TOKEN, SINK, 1)], session=session)
    at = session.deadline + moment

    refusal = outcome(node, at, actor, session)

    assert refusal == (RANGE_ERROR if moment > 0 else None)
    action = DeferredAction(nonce=0, deadline=session.deadline, call=session.install.call_data)
    assert action.is_expired(at) is (refusal is not None)


def test_the_time_range_module_counts_its_first_and_last_second(node: Node) -> None:
    """The hook is called as for a runtime call, where no entry point checks the time."""
    start = int(node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    words = abi.uint(7) + abi.uint(start + 1000) + abi.uint(start + 500)
    node.send(to=TIME_RANGE_MODULE.hex0x(), data=Data(abi.SET_TIME_RANGE + words).hex0x())
    account = node.rpc("eth_accounts")[0]
    hook = abi.selector_of("preRuntimeValidationHook(uint32,address,uint256,bytes,bytes)")
    data = hook + abi.sequence(abi.uint(7), abi.uint(0), abi.uint(0), abi.blob(b""), abi.blob(b""))
    call = {"from": account, "to": TIME_RANGE_MODULE.hex0x(), "data": Data(data).hex0x()}

    def refusal(at: int) -> Any:
        try:
            node.rpc("eth_call", call, "latest", {}, {"time": hex(start + at)})
        except RpcFailure as failure:
            return failure.data
        return None

    found = {at: refusal(at) for at in (499, 500, 501, 999, 1000, 1001)}

    assert [at for at, error_data in found.items() if error_data is None] == [500, 501, 999, 1000]
    assert found[499] == found[1001] == "0x" + error("TimeRangeNotValid()").hex()


@pytest.mark.parametrize(("end", "moment"), [(end, moment) for end in ("until", "after") for moment in BOUNDARIES])
def test_a_sponsorship_is_valid_from_its_first_to_its_last_second(
    node: Node, actor: Actor, end: str, moment: int
) -> None:
    edge = node.dev.chain.next_timestamp() + SECONDS
    window = Window(valid_until=edge) if end == "until" else Window(valid_until=edge + SECONDS, valid_after=edge)
    op = actor.operation([transfer(TEST_TOKEN, SINK, 1)])
    op = actor.estimate(replace(op, paymaster=build_sponsorship_stub(PAYMASTER, window=Window(valid_until=2 * edge))))
    part = sponsored(op, PAYMASTER, chain_id=node.dev.chain.config.chain_id, window=window, key=PAYMASTER_KEY)
    op = actor.sign(replace(op, paymaster=part))
    node.rpc("evm_setNextBlockTimestamp", edge + moment)

    found: Any = None
    try:
        node.rpc("eth_sendUserOperation", on_wire(op), ENTRY_POINT_TEXT)
    except RpcFailure as failure:
        found = (failure.code, failure.data["entryPoint"])

    is_valid = moment <= 0 if end == "until" else moment >= 0
    assert found == (None if is_valid else (-32503, "AA32"))

"""`wallet_test_expireSession`: the time of a chain moves past the end of a session."""

from __future__ import annotations

from wallet_rpc.errors import InvalidParams, NotFound, Rejected, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations import get_session
from wallet_rpc.operations.get_session import GetSession
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import SELECTOR_REASONS
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId, UnixSeconds
from wallet_rpc.services.fault_requests import controls_of
from wallet_rpc.services.session_lookup import SessionSelector
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class ExpireSession(SessionSelector):
    """The session that expires."""


@shape
class ExpiredSession:
    """The end of the session, and the time of its chain."""

    chain_id: ChainId
    """Chain whose time has moved."""
    valid_until: UnixSeconds
    """Last valid second of the session."""
    timestamp: UnixSeconds
    """Time of the chain's newest block, which is later."""


async def run(ports: Ports, request: ExpireSession) -> ExpiredSession:
    """Mine a block after the session's end."""
    controls = controls_of(ports)
    selector = {name: getattr(request, name) for name in SessionSelector.__dataclass_fields__}
    session = await get_session.run(ports, GetSession(**selector, calls_limit=0))
    end = session.valid_until
    if not end:
        text = "expected a session that has an end, got one without; use wallet_test_revokeSession"
        raise InvalidParams(text, field="params", reason="session_endless")
    pending = await controls.control(session.chain_id, "eth_getBlockByNumber", "pending", False)
    if int(pending["timestamp"], 16) <= end:
        await controls.control(session.chain_id, "evm_setNextBlockTimestamp", hex(end + 1))
    await controls.control(session.chain_id, "evm_mine")
    head = await controls.control(session.chain_id, "eth_getBlockByNumber", "latest", False)
    return ExpiredSession(chain_id=session.chain_id, valid_until=end, timestamp=int(head["timestamp"], 16))


OPERATION: Operation[Ports, ExpireSession, ExpiredSession] = Operation(
    "wallet_test_expireSession",
    ExpireSession,
    ExpiredSession,
    run,
    "Have a session expire now: the time of its chain moves past its end.",
    (NotFound, Rejected, UnreadableAnswer, UnsupportedChain),
    reasons=(*SELECTOR_REASONS, "session_endless", "session_not_on_chain", "answer_too_large"),
    description=(
        "The session really expires, and so does everything on this chain that ends before. `evm_revert` to an "
        "earlier snapshot turns the time back."
    ),
)

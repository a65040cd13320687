"""`POST /v1/organizations/{orgId}/sessions/{id}/explain`: `wallet_explainCalls` over REST."""

from __future__ import annotations

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.decoding.given import GivenAbi
from wallet_rpc.domain.requested_call import RequestedCall
from wallet_rpc.errors import (
    BundleTooLarge,
    LimitExceeded,
    NotFound,
    UnreadableAnswer,
    UnsupportedCapability,
    UnsupportedChain,
)
from wallet_rpc.operations import explain_calls
from wallet_rpc.operations.explain_calls import ExplainCalls, ExplainedCalls
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import SessionId, Wei
from wallet_rpc.services.org_sessions import SESSION_PATH, find_sessions
from wallet_rpc.wire import strict_shape

_BODY_BYTES = 1 << 20


@strict_shape
class ExplainOrgCalls:
    """A registered session, and the calls to explain as one operation."""

    id: SessionId
    """Id of the session: 0x and 32 hex digits."""
    calls: tuple[RequestedCall, ...]
    """Calls in the order in which they would run, as in `wallet_prepareCalls`."""
    abis: tuple[GivenAbi, ...] = ()
    """ABIs to decode the calls by, before the bundled ones."""
    max_gas_cost: Wei | None = None
    """Maximum cost of the gas in wei, to check the session's gas limit."""
    sponsored: bool = False
    """True if a paymaster pays for the gas, which then does not count against the session's gas limit."""


async def run(ports: Ports, request: ExplainOrgCalls) -> ExplainedCalls:
    """Explain the calls of a session that the organisation has registered."""
    await find_sessions(ports, request.id)
    return await explain_calls.run(
        ports,
        ExplainCalls(
            session_id=request.id,
            calls=request.calls,
            abis=request.abis,
            max_gas_cost=request.max_gas_cost,
            sponsored=request.sponsored,
        ),
    )


OPERATION: Operation[Ports, ExplainOrgCalls, ExplainedCalls] = Operation(
    "explainOrganizationCalls",
    ExplainOrgCalls,
    ExplainedCalls,
    run,
    "Explain calls of a session before they are sent: allowed or denied, why, and what would remain of each limit.",
    (BundleTooLarge, LimitExceeded, NotFound, UnreadableAnswer, UnsupportedCapability, UnsupportedChain),
    need=READ_ACCESS,
    is_long=explain_calls.OPERATION.is_long,
    reasons=explain_calls.OPERATION.reasons,
    rest=RestRoute(
        verb="POST",
        paths=(f"{SESSION_PATH}/explain",),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404,),
        most_bytes=_BODY_BYTES,
    ),
    description="The result is that of `wallet_explainCalls`: chain ids and amounts in hex. Nothing is signed or sent.",
)

"""`wallet_resumeSession`: accept a paused session again."""

from __future__ import annotations

from wallet_rpc.domain.session_change import ChangeAction
from wallet_rpc.errors import Forbidden, NotFound, SessionEnded, SignatureInvalid, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import STOP_REASONS, ChangeSession, SessionStopState, describe_stops
from wallet_rpc.ports import Ports
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.session_changes import authorize_change, resume_session
from wallet_rpc.services.session_lookup import find_session


async def run(ports: Ports, request: ChangeSession) -> SessionStopState:
    """Remove the pause that the caller may remove."""
    named = await find_session(ports, request)
    chain = chain_of(ports, named.reference.chain_id)
    actor = await authorize_change(ports, chain, named, ChangeAction.RESUME, request.owner_signature)
    await resume_session(ports, named, actor)
    return await describe_stops(ports, named)


OPERATION: Operation[Ports, ChangeSession, SessionStopState] = Operation(
    "wallet_resumeSession",
    ChangeSession,
    SessionStopState,
    run,
    "Resume a paused session; an organisation removes its own pause, the account's owner those of all.",
    (Forbidden, NotFound, SessionEnded, SignatureInvalid, UnsupportedChain),
    reasons=STOP_REASONS,
    description=(
        "The session stays paused while another party has it paused, which `pausedBy` says. Calls that the pause "
        "rejected are not sent again. A revoked session cannot be resumed."
    ),
)

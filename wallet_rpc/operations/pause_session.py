"""`wallet_pauseSession`: refuse a session from now on, at every entry and on every replica, until it is resumed."""

from __future__ import annotations

from wallet_rpc.domain.session_change import ChangeAction
from wallet_rpc.errors import Forbidden, NotFound, SessionEnded, SignatureInvalid, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import STOP_REASONS, ChangeSession, SessionStopState, describe_stops
from wallet_rpc.ports import Ports
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.session_changes import authorize_change, pause_session
from wallet_rpc.services.session_lookup import find_session


async def run(ports: Ports, request: ChangeSession) -> SessionStopState:
    """Pause the session, then stop and list its calls."""
    named = await find_session(ports, request)
    chain = chain_of(ports, named.reference.chain_id)
    actor = await authorize_change(ports, chain, named, ChangeAction.PAUSE, request.owner_signature)
    await pause_session(ports, named, actor)
    return await describe_stops(ports, named)


OPERATION: Operation[Ports, ChangeSession, SessionStopState] = Operation(
    "wallet_pauseSession",
    ChangeSession,
    SessionStopState,
    run,
    "Pause a session: this server refuses it at once, in every form and on every replica, until it is resumed.",
    (Forbidden, NotFound, SessionEnded, SignatureInvalid, UnsupportedChain),
    reasons=STOP_REASONS,
    description=(
        "The organisation that controls the session may pause it, and the account's owner by a signature. Calls that "
        "were accepted and not handed over to a bundler are rejected; calls that were handed over are listed. The "
        "chain is not changed: the key can still act through other servers."
    ),
)

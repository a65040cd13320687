"""`wallet_test_revokeSession`: a session is removed from its chain, without its owner."""

from __future__ import annotations

from wallet_rpc.errors import NotFound, Rejected, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import SELECTOR_REASONS
from wallet_rpc.ports import Ports
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.fault_requests import controls_of
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.services.session_removal import RemovalProof, plan_removal, read_back
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class RemoveSession(SessionSelector):
    """The session that is removed."""


@shape
class RemovedSession:
    """The state of the session on chain."""

    proof: RemovalProof
    """State of the session, read back from the account and the modules."""


async def run(ports: Ports, request: RemoveSession) -> RemovedSession:
    """Make the calls with which the owner would remove the session, and read the result from the chain."""
    controls = controls_of(ports)
    named = await find_session(ports, request)
    chain = chain_of(ports, named.reference.chain_id)
    found = await read_back(chain, named)
    for call in plan_removal(named, found).calls:
        account = named.reference.account.hex0x()
        is_done = await controls.control(chain.chain_id, "dev_callAs", account, call.to.hex0x(), call.data.hex0x())
        if not is_done:
            raise Rejected("the account refuses to remove the session", field="params")
    return RemovedSession(proof=(await read_back(chain, named)).proof)


OPERATION: Operation[Ports, RemoveSession, RemovedSession] = Operation(
    "wallet_test_revokeSession",
    RemoveSession,
    RemovedSession,
    run,
    "Have a session revoked on chain now, as if its owner had done it elsewhere.",
    (NotFound, Rejected, UnsupportedChain),
    reasons=(*SELECTOR_REASONS, "session_not_on_chain"),
    description=(
        "The account's own call uninstalls the session, or uses the nonce of a grant that is not installed yet; no "
        "key is needed, and no gas is paid. The wallet server gets no notice: it finds out as in production."
    ),
)

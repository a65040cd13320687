"""`wallet_rejectCalls`: end calls that wait because of a rule of their session; they are never delivered."""

from __future__ import annotations

from wallet_rpc.errors import Conflict, Forbidden, NotFound, SignatureInvalid, UnsupportedChain
from wallet_rpc.operations.approve_calls import DECISION_REASONS, DecideCalls, DecidedCalls
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.services.approval_decisions import reject_call


async def run(ports: Ports, request: DecideCalls) -> DecidedCalls:
    """Reject the calls, and return their state."""
    return DecidedCalls.from_record(await reject_call(ports, request.call_id, request.owner_signature))


OPERATION: Operation[Ports, DecideCalls, DecidedCalls] = Operation(
    "wallet_rejectCalls",
    DecideCalls,
    DecidedCalls,
    run,
    "Reject calls that wait for an approval; they are never delivered.",
    (Conflict, Forbidden, NotFound, SignatureInvalid, UnsupportedChain),
    reasons=DECISION_REASONS,
    description=(
        "The amounts that were reserved for the calls are free at once. The signed calls themselves stay valid until "
        "their nonce is used: any holder may still send them through another server."
    ),
)

"""Explanations of calls that are not included yet, and the replacement of a call whose fees are too low.

The hash that the signer signed covers the fees, so no server can raise them: the signer has to sign a replacement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.domain.capabilities import SessionPermissions
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost, replacement_fee
from wallet_rpc.domain.prepared import FeePayment, OperationData, OperationDetails, PersonalSign, PreparedUserOperation
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.ports import NO_LOGS, ChainPorts, Fees, Ports
from wallet_rpc.services.delivery import decode_operation
from wallet_rpc.services.submission_tickets import TicketSubject, issue_ticket
from wallet_rpc.services.witnesses import NONCE_USED, Examination
from wallet_rpc.wire import shape

STUCK_SECONDS = 60
"""Age in seconds from which a pending call is checked for fees that are too low."""

_TEXTS = {
    NO_LOGS: "the node does not search its logs, so nothing final can be said of a call whose receipt it does not show",
    NONCE_USED: "the nonce is used, and the node does not show by which operation; this may be the call itself, so ask "
    "again, and prepare the calls again only if they are not on chain",
    "underpriced": "the call pays less than the network asks; sign and send the replacement, which has the same nonce",
    "underpriced_prepare_again": "the call pays less than the network asks; prepare and sign the calls again",
    "outcome_unknown": "a bundler may have the call but did not confirm it; the server delivers it again",
    "not_stored": "an earlier version of the server sent the call and cannot deliver it again; send the payload again",
    "waits_for_approval": "a rule of the session requires an approval of the call, which waits for it",
    "not_delivered": "no bundler has taken the call yet; the server delivers it again",
    "dropped": "no bundler has the call any more; the server delivers it again",
}


@shape
class PendingReason:
    """Why a call is pending: a stable reason, and a sentence. `cause` is the newest refusal's reason."""

    reason: str
    """Stable reason, such as `underpriced`, `dropped` or `not_delivered`."""
    message: str
    """One sentence on the state and on the next step, for display."""
    cause: str | None = None
    """Reason of the bundler's newest refusal, if one refused the call."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Fees that are too low, and the operation to sign instead; None for calls that have to be prepared again."""

    replacement: PreparedUserOperation | None


def explain_pending(record: CallRecord, examination: Examination, shortfall: Shortfall | None) -> PendingReason | None:
    """Return why a call is not included yet; None for one that simply waits in a bundler's mempool."""
    if record.is_waiting:
        reason = "waits_for_approval"
    elif shortfall is not None:
        reason = "underpriced_prepare_again" if shortfall.replacement is None else "underpriced"
    elif examination.reason is not None:
        reason = examination.reason
    elif not record.is_retained:
        reason = "not_stored"
    elif record.state is CallState.UNKNOWN:
        reason = "outcome_unknown"
    elif record.state is CallState.ACCEPTED:
        reason = "not_delivered"
    elif record.state is CallState.SUBMITTED and examination.is_missing:
        reason = "dropped"
    else:
        return None
    last = record.attempts[-1] if record.attempts else None
    cause = None if last is None or last.outcome is Evidence.IN_MEMPOOL else last.reason
    return PendingReason(reason=reason, message=_TEXTS[reason], cause=cause)


async def find_shortfall(ports: Ports, chain: ChainPorts, record: CallRecord) -> Shortfall | None:
    """Return the replacement of a stuck call with too low fees; None for a call that is young or pays enough.

    The paymaster of a sponsored call signed its fees, and an authorization belongs to one operation: such calls have to
    be prepared again. Raises: Unavailable.
    """
    if record.kind is not CallKind.USER_OPERATION or ports.clock.now() - record.sent_at < STUCK_SECONDS:
        return None
    signed = await ports.store.calls.signed(record.chain_id, record.hash)
    if signed is None:
        return None
    operation = decode_operation(signed)
    fees = await chain.node.fees()
    if not _is_underpriced(operation, fees):
        return None
    if operation.paymaster is not None or operation.authorization is not None:
        return Shortfall(None)
    priority = max(replacement_fee(operation.max_priority_fee_per_gas), fees.max_priority_fee_per_gas)
    raised = replace(
        operation,
        max_priority_fee_per_gas=priority,
        max_fee_per_gas=max(replacement_fee(operation.max_fee_per_gas), 2 * fees.base_fee_per_gas + priority),
    )
    return Shortfall(_prepare(ports, chain, record, raised))


def _prepare(ports: Ports, chain: ChainPorts, record: CallRecord, operation: UserOperation) -> PreparedUserOperation:
    """Build the response of `wallet_prepareCalls` for an operation, without the authorization that it may carry."""
    operation_hash = user_operation_hash(operation, chain.chain_id, ENTRY_POINT)
    permissions = None if record.session_id is None else SessionPermissions(session_id=record.session_id)
    subject = TicketSubject(account=record.sender, chain=chain, hash=operation_hash, permissions=permissions)
    calls = decode_calls(operation.sender, operation.call_data)
    return PreparedUserOperation(
        data=UserOperationJson.from_domain(replace(operation, authorization=None), include_signature=False),
        chain_id=chain.chain_id,
        signature_request=PersonalSign.from_hash(operation_hash),
        fee_payment=FeePayment(sponsored=False, max_amount=max_cost(operation)),
        details=OperationDetails(data=OperationData(hash=operation_hash, calls=calls)),
        submission_ticket=issue_ticket(ports, subject),
    )


def _is_underpriced(operation: UserOperation, fees: Fees) -> bool:
    """Return True if no bundler gains from including the operation at the current base fee."""
    return (
        operation.max_fee_per_gas < fees.base_fee_per_gas + fees.max_priority_fee_per_gas
        or operation.max_priority_fee_per_gas < fees.max_priority_fee_per_gas
    )

"""Delivery of a stored call: one attempt, over all ways to deliver it, and the record of its outcome.

Two attempts at once do no harm, because a nonce is used once, but cost requests: an attempt begins with a lease.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.user_operation_json import AuthorizationJson, UserOperationJson
from wallet_rpc.errors import (
    AccountDeployed,
    AlreadyKnown,
    LimitExceeded,
    OutcomeUnknown,
    Rejected,
    RuleDenied,
    StaleNonce,
    Unavailable,
    WalletError,
)
from wallet_rpc.ports import ChainPorts, Delivery, Ports
from wallet_rpc.services.approvals import announce_waiting, begin_waiting
from wallet_rpc.services.authorizations import is_applicable
from wallet_rpc.services.call_failures import store_error
from wallet_rpc.services.call_records import change_record
from wallet_rpc.services.delegation import AUTHORIZATION_NONCE, relayer_of
from wallet_rpc.services.operation_stops import find_call_stop
from wallet_rpc.services.root_causes import find_root_cause
from wallet_rpc.services.session_rules import RequiredApproval, hold_call
from wallet_rpc.services.witnesses import find_recent_nonce_use, read_hint
from wallet_rpc.wire import decode, dump_json, parse_json

_CONFLICTS = frozenset({AUTHORIZATION_NONCE, "authorization_pending"})
"""Reasons of refusals because of a pending operation with an authorization, which pass once that one is included."""
ATTEMPT_SECONDS = 9.0
"""Maximum time of one attempt, over all deliveries."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The outcome of an attempt, and the error of a call that no bundler took."""

    outcome: Evidence
    error: WalletError | None = None


def encode_operation(operation: UserOperation) -> str:
    """Encode a signed operation as it is stored."""
    return _to_json(UserOperationJson, UserOperationJson.from_domain(operation))


def decode_operation(signed: str) -> UserOperation:
    """Decode a stored operation."""
    return decode(UserOperationJson, parse_json(signed.encode())).to_domain()


def encode_authorization(authorization: Any) -> str:
    """Encode a signed authorization as it is stored."""
    return _to_json(AuthorizationJson, AuthorizationJson.from_domain(authorization))


def _to_json(kind: Any, value: Any) -> str:
    return dump_json(kind, value).decode()


async def attempt(ports: Ports, chain: ChainPorts, record: CallRecord, signed: str) -> tuple[CallRecord, AttemptResult]:
    """Deliver a leased call once, and return its stored record and the outcome.

    A call whose session is stopped is not sent. The lease was stored before the stops are read, and a stop is stored
    before the calls in flight are listed. So a call is either stopped here, or in that list. A call that no bundler can
    have is rejected; one that was handed over before stays in flight, and is not sent again while the stop holds.
    """
    transaction = record.transaction
    try:
        async with asyncio.timeout(ATTEMPT_SECONDS):
            operation = decode_operation(signed) if record.kind is CallKind.USER_OPERATION else None
            finding = find_call_stop(ports, chain, record, operation)
            stop, held = await asyncio.gather(finding, hold_call(ports, record))
            refusal = held if stop is None and isinstance(held, RuleDenied) else stop
            if refusal is not None:
                result = AttemptResult(
                    Evidence.REFUSED if record.state is CallState.SUBMITTING else Evidence.NOT_RECEIVED, refusal
                )
            elif isinstance(held, RequiredApproval):  # a rule that was set after the call was accepted
                return await _wait_for_approval(ports, record, held)
            elif operation is not None:
                result = await _deliver_operation(chain, record, operation)
            else:
                result, transaction = await _relay(chain, record, signed)
    except TimeoutError:
        result = AttemptResult(Evidence.UNANSWERED, OutcomeUnknown("no bundler answered in time", part="bundler"))
    error = None if result.error is None else store_error(result.error)
    now = ports.clock.now()
    stored = await change_record(
        ports,
        record,
        lambda current: current.after_attempt(result.outcome, at=now, error=error, transaction=transaction),
    )
    return stored, result


async def _wait_for_approval(
    ports: Ports, record: CallRecord, wait: RequiredApproval
) -> tuple[CallRecord, AttemptResult]:
    """Have a leased call that no bundler can have wait for its approval."""
    await ports.store.approvals.add(record)

    def hold_back(current: CallRecord) -> CallRecord:
        returned = current.after_attempt(Evidence.NOT_RECEIVED, at=ports.clock.now())
        return begin_waiting(ports, returned, wait) if returned.state is CallState.ACCEPTED else returned

    waiting = await change_record(ports, record, hold_back)
    await announce_waiting(ports, waiting)
    return waiting, AttemptResult(Evidence.NOT_RECEIVED)


async def _deliver_operation(chain: ChainPorts, record: CallRecord, operation: UserOperation) -> AttemptResult:
    """Try the deliveries in their order until one takes the operation; report that to the paymaster.

    The result is a refusal only if every delivery refused the operation.
    """
    results = []
    share = ATTEMPT_SECONDS / len(chain.deliveries)
    for delivery in chain.deliveries:
        try:
            async with asyncio.timeout(share):
                result = await _deliver_to(chain, delivery, record, operation)
        except TimeoutError:
            result = AttemptResult(Evidence.UNANSWERED, OutcomeUnknown("the bundler does not answer", part="bundler"))
        if result.outcome is Evidence.IN_MEMPOOL:
            await _notify_paymaster(chain, record, operation)
            return result
        results.append(result)
    for outcome in (Evidence.UNANSWERED, Evidence.NOT_RECEIVED):
        for result in results:
            if result.outcome is outcome:
                return result
    return results[0]


async def _deliver_to(
    chain: ChainPorts, delivery: Delivery, record: CallRecord, operation: UserOperation
) -> AttemptResult:
    try:
        with suppress(AlreadyKnown):
            await _send(chain, delivery, operation)
    except OutcomeUnknown as error:
        if await read_hint(delivery.lookup(record.hash)) is not None:
            return AttemptResult(Evidence.IN_MEMPOOL)
        return AttemptResult(Evidence.UNANSWERED, error)
    except (Unavailable, LimitExceeded) as error:
        return AttemptResult(Evidence.NOT_RECEIVED, error)
    except WalletError as error:
        return await _classify_refusal(chain, record, operation, error)
    return AttemptResult(Evidence.IN_MEMPOOL)


async def _classify_refusal(
    chain: ChainPorts, record: CallRecord, operation: UserOperation, error: WalletError
) -> AttemptResult:
    """Return a refusal with its root cause, unless the call may be included or may be taken later.

    A call whose nonce is used is refused only if another operation used it: it may have been included before, without
    a record. Bundlers take one operation with an authorization of an account at a time; the next one is valid without.
    """
    try:
        cause = await find_root_cause(chain, operation, error)
        if isinstance(cause, StaleNonce | AccountDeployed) and await _is_nonce_used(chain, operation):
            use = await find_recent_nonce_use(chain, operation.sender, operation.nonce)
            if use is None or use.operation_hash == record.hash:
                return AttemptResult(Evidence.UNANSWERED, cause)
    except Unavailable:
        return AttemptResult(Evidence.UNANSWERED, error)
    except WalletError:
        cause = error
    is_conflict = isinstance(error, AccountDeployed) or error.reason in _CONFLICTS
    if operation.authorization is not None and is_conflict and cause is error:
        return AttemptResult(Evidence.NOT_RECEIVED, cause)
    return AttemptResult(Evidence.REFUSED, cause)


async def _is_nonce_used(chain: ChainPorts, operation: UserOperation) -> bool:
    key, _ = split_nonce(operation.nonce)
    return await chain.node.user_operation_nonce(operation.sender, key.key) > operation.nonce


async def _send(chain: ChainPorts, delivery: Delivery, operation: UserOperation) -> None:
    """Send the operation; without its authorization if another one has set the same delegate since."""
    try:
        await delivery.send(operation)
    except Rejected as rejection:
        authorization = operation.authorization
        if rejection.reason != AUTHORIZATION_NONCE or authorization is None:
            raise
        with suppress(StaleNonce):
            if not await is_applicable(chain, authorization, operation.sender):
                await delivery.send(replace(operation, authorization=None))
                return
        raise


async def _notify_paymaster(chain: ChainPorts, record: CallRecord, operation: UserOperation) -> None:
    """Report an operation in a mempool to its paymaster, which counts its spending.

    If the paymaster is unavailable now, it finds the outcome later without the report.
    """
    if chain.paymaster is not None and operation.paymaster is not None:
        with suppress(Unavailable):
            await chain.paymaster.report_sent(operation, record.hash)


async def _relay(chain: ChainPorts, record: CallRecord, signed: str) -> tuple[AttemptResult, Any]:
    """Have the relayer send an authorization; return the outcome and the hash of the newest transaction."""
    authorization = decode(AuthorizationJson, parse_json(signed.encode())).to_domain()
    try:
        return AttemptResult(Evidence.IN_MEMPOOL), await relayer_of(chain).send(authorization)
    except OutcomeUnknown as error:
        return AttemptResult(Evidence.UNANSWERED, error), record.transaction
    except (Unavailable, LimitExceeded, Rejected) as error:  # as when the relayer's budget is used up: it may pay later
        return AttemptResult(Evidence.NOT_RECEIVED, error), record.transaction

"""States of a sent call, and the evidence that moves a call from one state to the next (specs/calls.md).

A call is accepted once its signed bytes are stored. Deliveries then submit it until evidence makes its state final. A
final state never changes. The status code goes back in one case only: when the block of an included call is replaced.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

PENDING, PRECONFIRMED, PRECONFIRMED_REVERTED, CONFIRMED_CODE, NOT_SENT, REVERTED_CODE = 100, 110, 115, 200, 400, 500
"""Status codes of an atomic batch. Source: EIP-5792; 110 and 115 are the hosted service's."""


class CallState(StrEnum):
    """States of a sent call."""

    ACCEPTED = "accepted"
    """The signed call is stored; no bundler can have received it yet."""
    SUBMITTING = "submitting"
    """The first attempt that may reach a bundler is running, under a lease."""
    SUBMITTED = "submitted"
    """A bundler has the call in its mempool."""
    UNKNOWN = "unknown"
    """A bundler may have received the call, but did not say so."""
    INCLUDED = "included"
    """The call is in a block that may still be replaced."""
    CONFIRMED = "confirmed"
    """The call succeeded, in a block with the chain's number of confirmations."""
    REVERTED = "reverted"
    """The call reverted, in a block with the chain's number of confirmations."""
    REPLACED = "replaced"
    """Another operation used the nonce, in a block with the chain's number of confirmations."""
    REJECTED = "rejected"
    """Every bundler refused the call in validation, and none can have it in its mempool. It is never sent again."""
    EXPIRED = "expired"
    """The last second in which the call is valid has passed on chain."""

    @property
    def is_final(self) -> bool:
        """True if no evidence changes the state any more."""
        return self in FINAL_STATES

    @property
    def is_not_sent(self) -> bool:
        """True if the call is final and in no block."""
        return self in {CallState.REPLACED, CallState.REJECTED, CallState.EXPIRED}


FINAL_STATES: Final = frozenset(
    {CallState.CONFIRMED, CallState.REVERTED, CallState.REPLACED, CallState.REJECTED, CallState.EXPIRED}
)
"""The states that never change."""


class Evidence(StrEnum):
    """Observations about a call: the outcomes of attempts to deliver it, and facts that the chain shows."""

    ATTEMPT_BEGUN = "attempt begun"
    """A process took the lease and is about to submit the call."""
    IN_MEMPOOL = "in a mempool"
    """A bundler returned the call's hash, or has the call."""
    NOT_RECEIVED = "not received"
    """No bundler received the call, or the ones that did are temporarily unable to judge it."""
    REFUSED = "refused"
    """Every bundler refused the call in validation."""
    UNANSWERED = "unanswered"
    """A bundler may have received the call; its answer was lost or unreadable."""
    STOPPED = "stopped"
    """The call was ended here before any bundler could have it: its approval was rejected."""
    WAIT_EXPIRED = "wait expired"
    """The call was not approved in time."""
    LEASE_EXPIRED = "lease expired"
    """The process that was submitting the call did not record the outcome."""
    IN_BLOCK = "in a block"
    """The node shows the entry point's event of the call."""
    NOT_IN_BLOCK = "not in a block"
    """The node no longer shows that event: its block was replaced."""
    SUCCESS_CONFIRMED = "success confirmed"
    """The event reports success, and its block has the chain's number of confirmations."""
    REVERT_CONFIRMED = "revert confirmed"
    """The event reports a revert, and its block has the chain's number of confirmations."""
    NONCE_USED = "nonce used by another"
    """The event of another operation with the nonce has the chain's number of confirmations."""
    DEADLINE_PASSED = "deadline passed"
    """A block with the chain's number of confirmations is later than the call's deadline, and none has the call."""


_S, _E = CallState, Evidence

_ATTEMPTS: Final = {
    _S.ACCEPTED: {
        _E.ATTEMPT_BEGUN: _S.SUBMITTING,
        _E.IN_MEMPOOL: _S.SUBMITTED,
        _E.UNANSWERED: _S.UNKNOWN,
        _E.STOPPED: _S.REJECTED,
        _E.WAIT_EXPIRED: _S.EXPIRED,
    },
    _S.SUBMITTING: {
        _E.IN_MEMPOOL: _S.SUBMITTED,
        _E.NOT_RECEIVED: _S.ACCEPTED,
        _E.REFUSED: _S.REJECTED,
        _E.UNANSWERED: _S.UNKNOWN,
        _E.LEASE_EXPIRED: _S.UNKNOWN,
    },
    _S.UNKNOWN: {_E.IN_MEMPOOL: _S.SUBMITTED},
}
"""The effect of attempts. Evidence that is not listed changes nothing: a refusal counts only while no bundler can
have the call."""
_CHAIN_FACTS: Final = {
    _E.IN_BLOCK: _S.INCLUDED,
    _E.SUCCESS_CONFIRMED: _S.CONFIRMED,
    _E.REVERT_CONFIRMED: _S.REVERTED,
    _E.NONCE_USED: _S.REPLACED,
    _E.DEADLINE_PASSED: _S.EXPIRED,
}
"""The effect of what the chain shows, in every state that is not final."""


def next_state(state: CallState, evidence: Evidence) -> CallState:
    """Return the state after `evidence`; a final state stays, and so does one that the evidence says nothing about."""
    if state.is_final:
        return state
    if evidence is Evidence.NOT_IN_BLOCK:
        return CallState.SUBMITTED if state is CallState.INCLUDED else state
    if evidence in _CHAIN_FACTS:
        return _CHAIN_FACTS[evidence]
    return _ATTEMPTS.get(state, {}).get(evidence, state)


def status_code(state: CallState, *, succeeded: bool) -> int:
    """Return the EIP-5792 status code; `succeeded` is the outcome of an included call."""
    match state:
        case CallState.INCLUDED:
            return PRECONFIRMED if succeeded else PRECONFIRMED_REVERTED
        case CallState.CONFIRMED:
            return CONFIRMED_CODE
        case CallState.REVERTED:
            return REVERTED_CODE
        case CallState.REPLACED | CallState.REJECTED | CallState.EXPIRED:
            return NOT_SENT
        case _:
            return PENDING

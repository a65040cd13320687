"""The stored record of a sent call: identity, state, attempts to deliver it, and outcome.

Version 1 is the record of servers before 0.2.0. It is still written next to version 2 and read without it, so that
servers of both versions can share a Redis during an upgrade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from wallet_rpc.domain.call_state import CallState, Evidence, next_state
from wallet_rpc.domain.receipt import CallReceipt, EncodedReceipt
from wallet_rpc.primitives import (
    Address,
    BlockNumber,
    ChainId,
    Data,
    Hash32,
    Nonce,
    SessionId,
    UnixSeconds,
    WeiPerGas,
)
from wallet_rpc.wire import decode, shape

CALL_VERSION = 2
"""Format version of the call records that this code writes."""
KEPT_ATTEMPTS = 8
"""Number of attempts that a record lists; earlier ones are only counted."""


class CallKind(StrEnum):
    """Kinds of sent call: a user operation to the bundler, or a lone authorization in the relayer's transaction."""

    USER_OPERATION = "user-operation"
    DELEGATION = "delegation"


@shape
class DeliveryAttempt:
    """One attempt to deliver a call: its time, its outcome, and the reason if no bundler took the call."""

    at: UnixSeconds
    outcome: Evidence
    reason: str | None = None


@shape
class CallRecord:
    """A submitted user operation, or an authorization submitted without one.

    An authorization has the nonce of its signer's transactions, below 2**64. A user operation of wallet-rpc never has
    such a nonce, because its key would be zero. The fees of an authorization are the relayer's, and zero here.
    """

    version: int = CALL_VERSION
    kind: CallKind = CallKind.USER_OPERATION
    chain_id: ChainId
    hash: Hash32
    sender: Address
    nonce: Nonce
    delegate: Address | None = None
    """Delegate of an authorization; the zero address removes the delegation."""
    transaction: Hash32 | None = None
    """The relayer's newest transaction of an authorization."""
    max_fee_per_gas: WeiPerGas
    max_priority_fee_per_gas: WeiPerGas
    sent_at: UnixSeconds
    call_data: Data = Data()
    """Call data of a user operation; empty in older records."""
    state: CallState
    actor: str = ""
    """Name of the caller, for the audit log; empty for an anonymous one."""
    request_id: str | None = None
    """Id of the request that sent the call, in the log."""
    traceparent: str | None = None
    """W3C trace context of that request, if it was traced; the delivery continues its trace."""
    session_id: SessionId | None = None
    is_noted: bool = False
    """True: the organisation's audit log has the entry of the call."""
    first_block: BlockNumber | None = None
    """Latest block when the call was accepted: the search for its event begins there. None for older records."""
    searched_block: BlockNumber | None = None
    """Block up to which the search did not find the event."""
    valid_until: UnixSeconds = 0
    """Last second, by block time, in which the call can be included; 0 = no limit is known."""
    waits_until: UnixSeconds = 0
    """Time until which the call waits for an approval; 0 = it does not wait."""
    approved_by: str | None = None
    """Digest of the API key that approved the call, or `owner`; None for a call that was not approved."""
    attempt_count: int = 0
    attempts: tuple[DeliveryAttempt, ...] = ()
    """The newest attempts, oldest first."""
    revision: int = 0
    """Number of writes since the claim."""
    lease_until: UnixSeconds = 0
    """Time until which one process alone delivers the call."""
    lease: str = ""
    """Random mark of that process's lease, so that two equal writes are told apart."""
    error: dict[str, Any] | None = None
    """Why no bundler took the call, or why it cannot be included, as callers get it: code, message, reason, data."""
    receipt: EncodedReceipt | None = None
    """The receipt of an included call."""
    revert_data: Data = Data()
    """Revert data of an included call that reverted."""

    nonce_used_at: UnixSeconds | None = None
    """Time at which the nonce of an authorization was first found used, without a receipt of the relayer."""
    final_at: UnixSeconds = 0
    """Time at which the state became final."""
    changed_at: UnixSeconds = 0
    """Time of the newest change since the call was accepted, without leases; 0 for none and in older records."""

    @property
    def is_retained(self) -> bool:
        """True if the signed bytes are stored, so that the call can be delivered again."""
        return self.first_block is not None and not self.state.is_final

    @property
    def is_waiting(self) -> bool:
        """True if the call waits for an approval, so that no bundler can have it."""
        return self.waits_until > 0 and self.state is CallState.ACCEPTED

    @property
    def succeeded(self) -> bool:
        """True if the receipt reports success."""
        return self.receipt is not None and self.receipt["status"] == "0x1"

    def read_receipt(self) -> CallReceipt | None:
        """Decode the receipt."""
        return None if self.receipt is None else decode(CallReceipt, self.receipt, at="receipt")

    def after(self, evidence: Evidence, **changes: Any) -> CallRecord:
        """Return the record after `evidence`, with further `changes`; a final record stays as it is."""
        return self if self.state.is_final else replace(self, state=next_state(self.state, evidence), **changes)

    def after_attempt(
        self, outcome: Evidence, *, at: UnixSeconds, error: dict[str, Any] | None = None, **changes: Any
    ) -> CallRecord:
        """Return the record after an attempt, without the lease; `error` is why no bundler took the call."""
        if self.state.is_final:
            return self
        attempt = DeliveryAttempt(at=at, outcome=outcome, reason=None if error is None else error["reason"])
        return self.after(
            outcome,
            attempts=(*self.attempts, attempt)[-KEPT_ATTEMPTS:],
            attempt_count=self.attempt_count + 1,
            lease_until=0,
            error=error,
            **changes,
        )


class CallStateV1(StrEnum):
    """States of records before 0.2.0: the bundler's answer is outstanding, was positive, was a refusal."""

    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"


_UPGRADED = {
    CallStateV1.SENDING: CallState.UNKNOWN,
    CallStateV1.SENT: CallState.SUBMITTED,
    CallStateV1.REFUSED: CallState.REJECTED,
}
_DOWNGRADED = {
    CallState.ACCEPTED: CallStateV1.SENDING,
    CallState.SUBMITTING: CallStateV1.SENDING,
    CallState.UNKNOWN: CallStateV1.SENDING,
    CallState.REPLACED: CallStateV1.REFUSED,
    CallState.REJECTED: CallStateV1.REFUSED,
    CallState.EXPIRED: CallStateV1.REFUSED,
}


_MEMBERS_V1 = frozenset(
    {
        "kind",
        "chainId",
        "hash",
        "sender",
        "nonce",
        "delegate",
        "transaction",
        "maxFeePerGas",
        "maxPriorityFeePerGas",
        "sentAt",
        "isNoted",
        "error",
    }
)


def downgrade_record(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a record as servers before 0.2.0 read it."""
    kept = {name: value for name, value in call.items() if name in _MEMBERS_V1}
    return {"version": 1, **kept, "state": _DOWNGRADED.get(CallState(call["state"]), CallStateV1.SENT)}


def upgrade_record(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a record of such a server in version 2: of a call that no worker delivers."""
    return {**call, "version": CALL_VERSION, "state": _UPGRADED[CallStateV1(call["state"])]}

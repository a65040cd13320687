"""Records of calls: read back unchanged, also by servers of the other version, and changed only as the states allow."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, blobs, uint32, uint128, uint256
from wallet_rpc import wire
from wallet_rpc.domain.call_record import (
    CALL_VERSION,
    KEPT_ATTEMPTS,
    CallKind,
    CallRecord,
    CallStateV1,
    DeliveryAttempt,
    downgrade_record,
    upgrade_record,
)
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.domain.receipt import CallLog, CallReceipt
from wallet_rpc.primitives import Hash32, SessionId

seconds = st.integers(0, 2**48 - 1)
numbers = st.integers(0, 2**63)
hashes = st.binary(min_size=32, max_size=32).map(Hash32)
logs = st.builds(CallLog, address=addresses, data=blobs, topics=st.lists(hashes, max_size=4).map(tuple))
receipts = st.builds(
    CallReceipt,
    logs=st.lists(logs, max_size=3).map(tuple),
    status=st.sampled_from(["0x0", "0x1"]),
    block_hash=hashes,
    block_number=numbers,
    gas_used=numbers,
    transaction_hash=hashes,
).map(lambda receipt: wire.encode(CallReceipt, receipt))
attempts = st.builds(
    DeliveryAttempt,
    at=seconds,
    outcome=st.sampled_from(Evidence),
    reason=st.none() | st.sampled_from(["too_low", "unavailable"]),
)
errors = st.none() | st.just({"code": -32500, "message": "no", "reason": "x", "data": {"reason": "refused"}})
identities = {
    "kind": st.sampled_from(CallKind),
    "delegate": st.none() | addresses,
    "transaction": st.none() | hashes,
    "chain_id": uint32,
    "hash": hashes,
    "sender": addresses,
    "nonce": uint256,
    "max_fee_per_gas": uint128,
    "max_priority_fee_per_gas": uint128,
    "sent_at": seconds,
    "is_noted": st.booleans(),
    "error": errors,
}
calls = st.builds(
    CallRecord,
    **identities,
    state=st.sampled_from(CallState),
    actor=st.text(max_size=20),
    session_id=st.none() | st.binary(min_size=16, max_size=16).map(SessionId),
    first_block=st.none() | numbers,
    searched_block=st.none() | numbers,
    valid_until=seconds,
    attempt_count=numbers,
    attempts=st.lists(attempts, max_size=3).map(tuple),
    revision=numbers,
    lease_until=seconds,
    receipt=st.none() | receipts,
    revert_data=blobs,
    nonce_used_at=st.none() | seconds,
    final_at=seconds,
)


@given(calls)
def test_a_record_comes_back_as_it_was(record: Any) -> None:
    stored = json.dumps(wire.encode(type(record), record), allow_nan=False)

    assert wire.decode(type(record), json.loads(stored)) == record


@given(calls)
def test_a_newer_server_may_add_members(record: CallRecord) -> None:
    written = wire.encode(CallRecord, record)

    assert written["version"] == CALL_VERSION
    assert wire.decode(CallRecord, {**written, "colour": "blue"}) == record


@given(calls, st.sampled_from(CallStateV1))
def test_an_earlier_record_keeps_its_identity_and_is_delivered_by_no_worker(
    record: CallRecord, state: CallStateV1
) -> None:
    earlier = {**downgrade_record(wire.encode(CallRecord, record)), "state": state}
    upgraded = wire.decode(CallRecord, upgrade_record(earlier))

    assert not upgraded.is_retained
    assert downgrade_record(wire.encode(CallRecord, upgraded)) == earlier


@given(calls)
def test_an_earlier_server_sends_no_call_again_that_this_one_may_have_sent(record: CallRecord) -> None:
    earlier = downgrade_record(wire.encode(CallRecord, record))["state"]

    assert (earlier == CallStateV1.REFUSED) == record.state.is_not_sent
    assert (earlier == CallStateV1.SENDING) == (
        record.state in {CallState.ACCEPTED, CallState.SUBMITTING, CallState.UNKNOWN}
    )


@given(calls, st.sampled_from(Evidence), seconds, errors)
def test_an_attempt_ends_the_lease_and_is_recorded_unless_the_call_is_final(
    record: CallRecord, outcome: Evidence, at: int, error: dict[str, Any] | None
) -> None:
    after = record.after_attempt(outcome, at=at, error=error)

    if record.state.is_final:
        assert after == record
    else:
        assert (after.lease_until, after.attempt_count) == (0, record.attempt_count + 1)
        assert len(after.attempts) <= KEPT_ATTEMPTS
        assert after.attempts[-1] == DeliveryAttempt(
            at=at, outcome=outcome, reason=None if error is None else error["reason"]
        )


@given(calls, st.sampled_from(Evidence))
def test_a_final_record_never_changes(record: CallRecord, evidence: Evidence) -> None:
    final = replace(record, state=CallState.CONFIRMED)

    assert final.after(evidence, receipt=None, error={"code": 1}) == final


def test_a_stored_call_without_kind_is_a_user_operation() -> None:
    stored = {
        "version": 1,
        "chainId": "0x1",
        "hash": "0x" + "11" * 32,
        "sender": "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D",
        "nonce": "0x10000000000000000",
        "maxFeePerGas": "0x1",
        "maxPriorityFeePerGas": "0x1",
        "sentAt": 1760000000,
        "state": "sent",
    }

    assert wire.decode(CallRecord, upgrade_record(stored)).kind is CallKind.USER_OPERATION

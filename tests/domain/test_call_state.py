"""The states of a call under every sequence of evidence, against rules that are stated here without the table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain.call_state import FINAL_STATES, CallState, Evidence, next_state, status_code

S, E = CallState, Evidence
sequences = st.lists(st.sampled_from(Evidence), max_size=40)
starts = st.sampled_from([S.ACCEPTED, S.SUBMITTING])
POSSIBLY_IN_MEMPOOL = {E.IN_MEMPOOL, E.UNANSWERED}
"""Evidence after which a bundler may have the call, however the next attempts end."""


def history(start: CallState, evidence: Sequence[Evidence]) -> list[CallState]:
    """Return the states, the first one included."""
    states = [start]
    for one in evidence:
        states.append(next_state(states[-1], one))
    return states


@given(starts, sequences)
def test_a_final_state_never_changes(start: CallState, evidence: list[Evidence]) -> None:
    states = history(start, evidence)
    finals = [state for state in states if state.is_final]

    assert len(set(finals)) <= 1
    assert states[len(states) - len(finals) :] == finals, "no other state follows a final one"


@given(starts, sequences, st.booleans())
def test_the_status_steps_back_only_from_included_to_pending(
    start: CallState, evidence: list[Evidence], succeeded: bool
) -> None:
    codes = [status_code(state, succeeded=succeeded) for state in history(start, evidence)]

    steps = {(before, after) for before, after in pairwise(codes) if after < before}
    assert steps <= {(110, 100), (115, 100)}


@given(starts, sequences)
def test_a_call_is_rejected_only_if_no_bundler_can_have_it(start: CallState, evidence: list[Evidence]) -> None:
    states = history(start, evidence)
    if S.REJECTED in states:
        before = evidence[: states.index(S.REJECTED)]
        assert before[-1] in {E.REFUSED, E.STOPPED}
        submitting = start
        for one in before:
            assert submitting not in {S.UNKNOWN, S.SUBMITTED, S.INCLUDED}
            submitting = next_state(submitting, one)


@given(starts, sequences)
def test_a_call_that_a_bundler_may_have_is_never_accepted_or_rejected_later(
    start: CallState, evidence: list[Evidence]
) -> None:
    states = history(start, [E.ATTEMPT_BEGUN, *evidence])
    for position, one in enumerate(evidence):
        before, after = states[position + 1 : position + 3]
        is_abandoned = one is E.LEASE_EXPIRED and before is S.SUBMITTING
        if (is_abandoned or one in POSSIBLY_IN_MEMPOOL) and not after.is_final:
            assert {S.ACCEPTED, S.SUBMITTING, S.REJECTED}.isdisjoint(states[position + 2 :])
            return


@given(starts, sequences)
def test_final_states_need_their_own_evidence(start: CallState, evidence: list[Evidence]) -> None:
    last = history(start, evidence)[-1]
    needed = {
        S.CONFIRMED: {E.SUCCESS_CONFIRMED},
        S.REVERTED: {E.REVERT_CONFIRMED},
        S.REPLACED: {E.NONCE_USED},
        S.REJECTED: {E.REFUSED, E.STOPPED},
        S.EXPIRED: {E.DEADLINE_PASSED, E.WAIT_EXPIRED},
    }
    assert set(needed) == FINAL_STATES
    if last.is_final:
        assert needed[last] & set(evidence)


@pytest.mark.parametrize("state", [state for state in CallState if state not in FINAL_STATES])
@pytest.mark.parametrize(
    ("evidence", "after"),
    [
        (E.IN_BLOCK, S.INCLUDED),
        (E.SUCCESS_CONFIRMED, S.CONFIRMED),
        (E.REVERT_CONFIRMED, S.REVERTED),
        (E.NONCE_USED, S.REPLACED),
        (E.DEADLINE_PASSED, S.EXPIRED),
    ],
)
def test_the_chain_decides_in_every_state_that_is_not_final(
    state: CallState, evidence: Evidence, after: CallState
) -> None:
    assert next_state(state, evidence) is after


@pytest.mark.parametrize(
    ("state", "evidence", "after"),
    [
        (S.ACCEPTED, E.ATTEMPT_BEGUN, S.SUBMITTING),
        (S.ACCEPTED, E.IN_MEMPOOL, S.SUBMITTED),
        (S.ACCEPTED, E.UNANSWERED, S.UNKNOWN),
        (S.SUBMITTING, E.IN_MEMPOOL, S.SUBMITTED),
        (S.SUBMITTING, E.NOT_RECEIVED, S.ACCEPTED),
        (S.SUBMITTING, E.REFUSED, S.REJECTED),
        (S.SUBMITTING, E.UNANSWERED, S.UNKNOWN),
        (S.SUBMITTING, E.LEASE_EXPIRED, S.UNKNOWN),
        (S.UNKNOWN, E.IN_MEMPOOL, S.SUBMITTED),
        (S.UNKNOWN, E.REFUSED, S.UNKNOWN),
        (S.SUBMITTED, E.REFUSED, S.SUBMITTED),
        (S.SUBMITTED, E.ATTEMPT_BEGUN, S.SUBMITTED),
        (S.INCLUDED, E.IN_MEMPOOL, S.INCLUDED),
        (S.INCLUDED, E.NOT_IN_BLOCK, S.SUBMITTED),
        (S.ACCEPTED, E.NOT_IN_BLOCK, S.ACCEPTED),
    ],
)
def test_the_effect_of_an_attempt(state: CallState, evidence: Evidence, after: CallState) -> None:
    assert next_state(state, evidence) is after


@pytest.mark.parametrize(
    ("state", "succeeded", "code"),
    [
        *((state, False, 100) for state in (S.ACCEPTED, S.SUBMITTING, S.SUBMITTED, S.UNKNOWN)),
        (S.INCLUDED, True, 110),
        (S.INCLUDED, False, 115),
        (S.CONFIRMED, True, 200),
        (S.REVERTED, False, 500),
        *((state, False, 400) for state in (S.REPLACED, S.REJECTED, S.EXPIRED)),
    ],
)
def test_the_status_code_of_each_state(state: CallState, succeeded: bool, code: int) -> None:
    assert status_code(state, succeeded=succeeded) == code


def test_calls_that_were_not_sent_are_final_and_have_status_400() -> None:
    not_sent = {state for state in CallState if state.is_not_sent}

    assert not_sent == {S.REPLACED, S.REJECTED, S.EXPIRED}
    assert not_sent == {state for state in CallState if status_code(state, succeeded=True) == 400}
    assert {state for state in CallState if state.is_final} == not_sent | {S.CONFIRMED, S.REVERTED}

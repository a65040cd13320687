"""Tests of groups of registered sessions: ids, status and filters."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.contract.sample import a_group, an_install
from wallet_rpc.domain.session_group import (
    GROUP_ID,
    GroupedSession,
    Install,
    SessionFilter,
    Status,
    combine_status,
    new_group_id,
)
from wallet_rpc.primitives import SessionId

LAST_ULID_SECOND = (1 << 48) // 1000 - 1
entropy = st.binary(min_size=10, max_size=10)


@given(st.integers(0, LAST_ULID_SECOND), entropy)
def test_a_group_id_has_its_form(now: int, entropy_bytes: bytes) -> None:
    group_id = new_group_id(now, entropy_bytes)

    assert GROUP_ID.fullmatch(group_id)
    assert len(group_id) == 31


@given(st.integers(0, LAST_ULID_SECOND), entropy, entropy)
def test_groups_of_one_second_have_ids_of_their_own(now: int, one: bytes, other: bytes) -> None:
    assert (new_group_id(now, one) == new_group_id(now, other)) == (one == other)


@given(st.integers(0, LAST_ULID_SECOND - 1), st.integers(1, 1000), entropy, entropy)
def test_a_later_group_sorts_later(now: int, after: int, one: bytes, other: bytes) -> None:
    assert new_group_id(now, one) < new_group_id(min(now + after, LAST_ULID_SECOND), other)


def test_the_published_example_of_a_ulid_is_made() -> None:
    """01ARYZ6S41TSV4RRFFQ69G5FAV: 1469918176385 ms, here cut to whole seconds. Source: github.com/ulid/spec."""
    entropy_bytes = bytes.fromhex("d676 4c61 efb9 9302 bd5b")

    assert new_group_id(1469918176, entropy_bytes)[:14] == "sgrp_01ARYZ6RR"
    assert new_group_id(1469918176, entropy_bytes)[15:] == "TSV4RRFFQ69G5FAV"


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=4), st.integers(0, 20))
@example([(5, False)], 5)
@example([(6, False)], 5)
@example([(6, True), (5, False)], 5)
def test_sessions_are_active_while_one_is_and_revoked_when_all_are(ends: list[tuple[int, bool]], now: int) -> None:
    installs = [a_part(number, end, 1 if revoked else None) for number, (end, revoked) in enumerate(ends, 1)]

    status = combine_status(install.status(now) for install in installs)

    assert (status is Status.ACTIVE) == any(not revoked and now < end for end, revoked in ends)
    assert (status is Status.REVOKED) == all(revoked for _, revoked in ends)


def test_a_part_of_a_group_is_found_by_its_session() -> None:
    group = a_group(1, an_install(1), an_install(2, chain_id=1))

    assert group.install_of(SessionId((2).to_bytes(16, "big"))).chain_id == 1
    with pytest.raises(KeyError):
        group.install_of(SessionId(b"\7" * 16))


@pytest.mark.parametrize("other", ["wallet_id", "chain_id", "session_address", "workflow_id", "group_id"])
def test_each_criterion_of_a_filter_counts_and_no_criterion_matches_all(other: str) -> None:
    group = a_group(1, workflow_id="flow")
    session = GroupedSession(group=group, install=group.installs[0])
    right: dict[str, Any] = {
        "wallet_id": group.wallet_id,
        "chain_id": session.install.chain_id,
        "session_address": group.session_address,
        "workflow_id": "flow",
        "group_id": group.id,
    }

    assert SessionFilter().matches(session)
    assert SessionFilter(**right).matches(session)
    assert not SessionFilter(**{**right, other: "another"}).matches(session)


def test_the_form_of_a_group_id_is_no_session_id() -> None:
    assert re.fullmatch(GROUP_ID, "0x" + "11" * 16) is None


def a_part(number: int, expires_at: int, revoked_at: int | None) -> Install:
    return replace(an_install(number, expires_at=expires_at), revoked_at=revoked_at)

"""Groups of sessions that an organisation registers: one session key and one wallet, on several chains.

A group is written once. Revocations of its sessions are stored next to it. Source: seed 000.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType

from wallet_rpc.primitives import Address, ChainId, Data, SessionId, UnixSeconds
from wallet_rpc.wire import shape

GroupId = NewType("GroupId", str)
"""`sgrp_` and a ULID: ids of a later second sort later."""
GROUP_ID = re.compile(r"sgrp_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)
"""The form of a `GroupId`."""
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base-32 digits, without I, L, O and U."""


def new_group_id(now: UnixSeconds, entropy: bytes) -> GroupId:
    """Build the id of a group created at `now`, with 10 random bytes.

    A ULID is milliseconds since 1970 (48 bits) | chance (80 bits). Source: github.com/ulid/spec.
    """
    number = now * 1000 << 80 | int.from_bytes(entropy, "big")
    return GroupId("sgrp_" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)))


class Status(StrEnum):
    """The status of a registered session."""

    ACTIVE = "active"
    """Neither expired nor revoked."""
    EXPIRED = "expired"
    """Past its registered expiry."""
    REVOKED = "revoked"
    """Revoked for ever on this server."""


@shape
class Install:
    """One chain's part of a group: the session and the owner's signature that grants it."""

    chain_id: ChainId
    session_id: SessionId
    entity_id: int
    """Entity id of the session's validation on the account; a revocation applies to it."""
    signature: Data
    expires_at: UnixSeconds
    """Registered expiry, no later than the grant's own: the first second in which the session is rejected."""
    revoked_at: UnixSeconds | None = None

    def status(self, now: UnixSeconds) -> Status:
        """Return the status at `now`; a revocation is permanent and precedes expiry."""
        if self.revoked_at is not None:
            return Status.REVOKED
        return Status.EXPIRED if now >= self.expires_at else Status.ACTIVE


def combine_status(statuses: Iterable[Status]) -> Status:
    """Combine the status of several sessions: active if any is, else expired if any is, else revoked."""
    found = set(statuses)
    return next(status for status in Status if status in found)


@shape
class SessionGroup:
    """The sessions that one request registered."""

    version: int = 1
    id: GroupId
    wallet_id: str
    """The caller's name for the wallet."""
    account: Address
    session_address: Address
    """The session key's address."""
    policies: dict[str, Any]
    """The caller's description of the policies, stored unchanged; only the grants are enforced."""
    workflow_id: str | None = None
    created_at: UnixSeconds
    installs: tuple[Install, ...]

    def install_of(self, session_id: SessionId) -> Install:
        """Return the part of the group for a session. Raises: KeyError if the session is not in the group."""
        for install in self.installs:
            if install.session_id == session_id:
                return install
        raise KeyError(session_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedSession:
    """One session of a list, with its group."""

    group: SessionGroup
    install: Install


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """A filter of sessions; None matches any value."""

    wallet_id: str | None = None
    chain_id: ChainId | None = None
    session_address: Address | None = None
    workflow_id: str | None = None
    group_id: GroupId | None = None

    def matches(self, session: GroupedSession) -> bool:
        """Return True if the session matches every criterion."""
        group = session.group
        return (
            self.wallet_id in {None, group.wallet_id}
            and self.chain_id in {None, session.install.chain_id}
            and self.session_address in {None, group.session_address}
            and self.workflow_id in {None, group.workflow_id}
            and self.group_id in {None, group.id}
        )

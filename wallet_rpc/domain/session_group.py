"""Sessions as an organisation registers them: one key, one wallet, several chains, one group.

Source: seed 000. A group is written once; that its sessions are revoked is marked beside it.
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
"""`sgrp_` and a ULID: ids made in a later second sort later."""
GROUP_ID = re.compile(r"sgrp_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)
"""The form of a `GroupId`."""
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits of base 32, without I, L, O and U."""


def new_group_id(now: UnixSeconds, entropy: bytes) -> GroupId:
    """The id of a group that is made now, with 10 bytes of chance.

    A ULID is milliseconds since 1970 (48 bits) | chance (80 bits). Source: github.com/ulid/spec.
    """
    number = now * 1000 << 80 | int.from_bytes(entropy, "big")
    return GroupId("sgrp_" + "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)))


class Status(StrEnum):
    """How a registered session stands."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@shape
class Install:
    """One chain's part of a group: the session and the owner's signature that grants it."""

    chain_id: ChainId
    session_id: SessionId
    entity_id: int
    """Which validation of the account the session is: by this it is revoked."""
    signature: Data
    expires_at: UnixSeconds
    """The registered end, at or before the grant's own: the first second at which it is refused."""
    revoked_at: UnixSeconds | None = None

    def status(self, now: UnixSeconds) -> Status:
        """Revoked for good, else over or not."""
        if self.revoked_at is not None:
            return Status.REVOKED
        return Status.EXPIRED if now >= self.expires_at else Status.ACTIVE


def combine_status(installs: Iterable[Install], now: UnixSeconds) -> Status:
    """How some sessions stand together: active while any is; else expired, unless all were revoked."""
    found = {install.status(now) for install in installs}
    return next(status for status in Status if status in found)


@shape
class SessionGroup:
    """What one request registered."""

    version: int = 1
    id: GroupId
    wallet_id: str
    """As the caller named the wallet."""
    account: Address
    session_address: Address
    """The session key's."""
    policies: dict[str, Any]
    """The caller's own words, kept as they were; what is enforced is in the grants."""
    workflow_id: str | None = None
    created_at: UnixSeconds
    installs: tuple[Install, ...]

    def install_of(self, session_id: SessionId) -> Install:
        """The part that a session is. Raises: KeyError when it is none."""
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
    """Which sessions to list; None: any."""

    wallet_id: str | None = None
    chain_id: ChainId | None = None
    session_address: Address | None = None
    workflow_id: str | None = None
    group_id: GroupId | None = None

    def matches(self, session: GroupedSession) -> bool:
        """Whether it is one of those."""
        group = session.group
        return (
            self.wallet_id in {None, group.wallet_id}
            and self.chain_id in {None, session.install.chain_id}
            and self.session_address in {None, group.session_address}
            and self.workflow_id in {None, group.workflow_id}
            and self.group_id in {None, group.id}
        )

"""A command on what is kept: the store it works on, and the report that it ends with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.domain.access import ORGANIZATION_ID, Organization, OrganizationId
from wallet_rpc.domain.audit import AuditEvent, EventKind
from wallet_rpc.ports import Clock, Entropy
from wallet_rpc.primitives import preview

_ACTOR = "cli"
"""Who did it, in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One action of a command, and everything that it may touch."""

    options: argparse.Namespace
    settings: Settings
    store: RedisStore
    clock: Clock
    entropy: Entropy

    async def note(self, organization: OrganizationId, kind: EventKind, **facts: Any) -> None:
        """Write into the organisation's log."""
        event = AuditEvent(kind=kind, at=self.clock.now(), actor=_ACTOR, facts=facts)
        await self.store.for_organization(organization).audit.append(event)

    async def organization(self) -> Organization:
        """The one that `--org` names. Raises: SettingError."""
        given = self.options.org
        found = await self.store.directory.organization(given) if ORGANIZATION_ID.fullmatch(given) else None
        if found is None:
            raise no_organization(given)
        return found


def no_organization(given: str) -> SettingError:
    """The error of an organisation that is not there."""
    return SettingError(f"--org: no organisation {preview(given)}: see `wallet-rpc org list`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Results of a command, for programs and for people."""

    value: dict[str, Any]
    lines: Sequence[str]
    status: int = 0

"""Context and report of a command on stored data."""

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
"""The actor of a command in the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The context of one action of a command."""

    options: argparse.Namespace
    settings: Settings
    store: RedisStore
    clock: Clock
    entropy: Entropy

    async def note(self, organization: OrganizationId, kind: EventKind, **facts: Any) -> None:
        """Append an event to the organisation's audit log."""
        event = AuditEvent(kind=kind, at=self.clock.now(), actor=_ACTOR, facts=facts)
        await self.store.for_organization(organization).audit.append(event)

    async def organization(self) -> Organization:
        """Return the organisation of `--org`. Raises: SettingError."""
        text = self.options.org
        organization = await self.store.directory.organization(text) if ORGANIZATION_ID.fullmatch(text) else None
        if organization is None:
            raise no_organization(text)
        return organization


def no_organization(text: str) -> SettingError:
    """Build the error of an unknown organisation."""
    return SettingError(f"--org: no organisation {preview(text)}: see `wallet-rpc org list`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a command: a JSON value for programs, text lines for people, and the exit status."""

    value: dict[str, Any]
    lines: Sequence[str]
    status: int = 0

"""`wallet-rpc org | key | audit`: organisations, their API keys and their audit logs, with or without a running server.

A key is printed once, by the command that creates it. Every change is written to the organisation's audit log first, so
that a record without its entry proves a damaged log, never an interrupted command.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from wallet_rpc.adapters.system import SystemClock, SystemEntropy
from wallet_rpc.cli import audit, incidents, webhook
from wallet_rpc.cli.administration import Job, Report
from wallet_rpc.cli.grant_policy import change_policy
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.domain.access import (
    ApiKey,
    KeyId,
    KeyScope,
    Organization,
    derive_key_id,
    new_api_key,
    new_organization_id,
    sha256_hex,
)
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.times import LATEST_TIME, format_time
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.store_opening import open_configured_store

_KEY_ID = re.compile(r"key_[0-9a-f]{20}", re.ASCII)
_DAY = 86_400
Action: TypeAlias = Callable[[Job], Awaitable[Report]]
"""An action of a command on stored data."""


async def run_access_command(
    options: argparse.Namespace,
    settings: Settings,
    *,
    print_line: Callable[[str], None],
    actions: Mapping[tuple[str, str], Action] | None = None,
) -> int:
    """Run the action, print its report and return its exit status: 0 for success. Raises: SettingError.

    `actions` are those of other commands on stored data.
    """
    action = (_ACTIONS if actions is None else actions)[options.command, options.action]
    async with open_configured_store(settings) as store:
        job = Job(options=options, settings=settings, store=store, clock=SystemClock(), entropy=SystemEntropy())
        try:
            report = await action(job)
        except Unavailable as error:
            sys.stderr.write(f"wallet-rpc: {error.message}\n")
            return 1
    print_line(json.dumps(report.value) if options.json else "\n".join(map(_escape, report.lines)))
    return report.status


def _escape(line: str) -> str:
    """Escape what a terminal would not print, such as control characters in a tag that a caller chose."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


async def _create_organization(job: Job) -> Report:
    created = Organization(
        id=new_organization_id(job.entropy.random_bytes(10)), name=job.options.name, created_at=job.clock.now()
    )
    await job.note(created.id, EventKind.ORGANIZATION_CREATED, name=created.name)
    await job.store.directory.add_organization(created)
    lines = [
        f"Organisation:  {created.id} ({created.name})",
        f"Create a key:  wallet-rpc key create --org {created.id}",
    ]
    return Report(value={"orgId": created.id}, lines=lines)


async def _list_organizations(job: Job) -> Report:
    organizations = await job.store.directory.organizations()
    value = [{"orgId": each.id, "name": each.name, "createdAt": format_time(each.created_at)} for each in organizations]
    return Report(value={"organizations": value}, lines=[f"{each.id}  {each.name}" for each in organizations])


async def _create_key(job: Job) -> Report:
    options = job.options
    now = job.clock.now()
    organization = await job.organization()
    key = new_api_key(job.entropy.random_bytes(32))
    created = ApiKey(
        id=derive_key_id(key),
        organization=organization.id,
        name="" if options.name is None else options.name,
        digest=sha256_hex(key),
        scope=KeyScope(options.scope),
        requests_per_minute=options.rpm,
        requests_per_month=options.monthly,
        created_at=now,
        expires_at=_expiry(options, now),
    )
    facts = {name: value for name, value in _facts(created).items() if value is not None}
    await job.note(organization.id, EventKind.KEY_CREATED, **facts)
    await job.store.directory.add_key(created)
    lines = [f"API key:  {key}", f"Its id:   {_line(created)}", "The key is shown only once: store it as a secret."]
    return Report(value={"keyId": created.id, "key": key}, lines=lines)


def _expiry(options: argparse.Namespace, now: UnixSeconds) -> UnixSeconds | None:
    if options.days is not None:
        return min(now + int(options.days) * _DAY, LATEST_TIME)
    expiry: UnixSeconds | None = options.expires
    if expiry is not None and expiry <= now:
        raise SettingError(f"--expires: expected a time in the future, got {format_time(expiry)}")
    return expiry


async def _list_keys(job: Job) -> Report:
    organization = await job.organization()
    keys = await job.store.directory.keys_of(organization.id)
    value = {"orgId": organization.id, "keys": [_facts(key) for key in keys]}
    return Report(value=value, lines=[_line(key) for key in keys] or [f"{organization.id} has no keys"])


async def _revoke_key(job: Job) -> Report:
    text = job.options.key
    now = job.clock.now()
    key_id = KeyId(text) if _KEY_ID.fullmatch(text) else derive_key_id(text)  # the key itself is accepted too
    key = await job.store.directory.key(key_id)
    if key is None:  # the text may be a key, so it is not repeated
        raise SettingError(
            "key revoke: no such key; expected its id, key_ and 20 hex digits: see `wallet-rpc key list`"
        )
    is_revoked_now = key.revoked_at is None
    if is_revoked_now:  # log first: if the revocation then fails, a retry writes a second entry, never none
        await job.note(key.organization, EventKind.KEY_REVOKED, keyId=key.id)
        is_revoked_now = await job.store.directory.revoke_key(key.id, at=now)
    at = format_time(now if key.revoked_at is None else key.revoked_at)
    line = f"{key.id} is revoked" if is_revoked_now else f"{key.id} was revoked already, at {at}"
    return Report(value={"keyId": key.id, "revokedAt": at}, lines=[line])


def _facts(key: ApiKey) -> dict[str, Any]:
    """Return the public properties of a key."""
    return {
        "keyId": key.id,
        "name": key.name,
        "scope": key.scope,
        "rpm": key.requests_per_minute,
        "monthly": key.requests_per_month,
        "createdAt": _time(key.created_at),
        "expiresAt": _time(key.expires_at),
        "revokedAt": _time(key.revoked_at),
    }


def _line(key: ApiKey) -> str:
    parts = [key.id, key.scope, f"{key.requests_per_minute} a minute"]
    parts += [] if key.requests_per_month is None else [f"{key.requests_per_month} a month"]
    parts += [f"made {_time(key.created_at)}"]
    parts += [] if key.expires_at is None else [f"ends {_time(key.expires_at)}"]
    parts += [] if key.revoked_at is None else [f"revoked {_time(key.revoked_at)}"]
    return ", ".join([*parts, *([key.name] if key.name else [])])


def _time(seconds: UnixSeconds | None) -> str | None:
    return None if seconds is None else format_time(seconds)


_ACTIONS: dict[tuple[str, str], Action] = {
    ("org", "create"): _create_organization,
    ("org", "list"): _list_organizations,
    ("org", "policy"): change_policy,
    ("key", "create"): _create_key,
    ("key", "list"): _list_keys,
    ("key", "revoke"): _revoke_key,
    **audit.ACTIONS,
    **incidents.INCIDENT_ACTIONS,
    **webhook.WEBHOOK_ACTIONS,
}

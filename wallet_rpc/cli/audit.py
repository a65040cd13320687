"""`wallet-rpc audit`: prints, verifies and anchors the audit logs of organisations.

A log is verified against its own hashes and head, the records of its organisation and API keys, and the anchors that
the operator has stored elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from wallet_rpc.adapters.transactions import signer_of
from wallet_rpc.cli.administration import Job, Report, no_organization
from wallet_rpc.config.settings import SettingError, variable
from wallet_rpc.domain.access import OPEN_ORGANIZATION, ApiKey, Organization, OrganizationId
from wallet_rpc.domain.anchor import Anchor, format_anchor, heads_of, read_anchor, sign_anchor
from wallet_rpc.domain.audit import AuditEntry, EventKind, ExpectedEntry, LogHead, VerificationState
from wallet_rpc.domain.times import format_time
from wallet_rpc.primitives import Address

_PAGE = 500
"""The number of entries of a log that are read at once."""


async def _verify(job: Job) -> Report:
    anchors = _anchors(job)
    results: dict[OrganizationId, tuple[dict[str, Any], str]] = {}
    for organization, expected in (await _select_organizations(job, anchors)).items():
        verification = await job.store.for_organization(organization).audit.verify(expected)
        results[organization] = _describe_verification(verification, heads_of(anchors, organization))
    is_intact = all(value["whole"] for value, _ in results.values())
    return Report(
        value={"whole": is_intact, "logs": [{"orgId": each, **value} for each, (value, _) in results.items()]},
        lines=[f"{each}: {line}" for each, (_, line) in results.items()],
        status=0 if is_intact else 1,
    )


def _describe_verification(verification: VerificationState, anchored: frozenset[LogHead]) -> tuple[dict[str, Any], str]:
    """Describe the result for one log as a JSON value and as a text line."""
    head = verification.head
    failure = verification.failure
    if failure is not None:
        value = {"whole": False, "entry": failure.number, "why": failure.reason}
        return value, f"NOT INTACT: entry {failure.number}: {failure.reason}"
    value = {"whole": True, "entries": head.count, "head": head.hash}
    line = f"{head.count} entries, intact, head {head.hash}"
    if not anchored:
        return value, line
    newest = max(each.count for each in anchored)
    return {**value, "anchored": newest}, f"{line}, matches the anchors up to {newest} entries"


async def _anchor(job: Job) -> Report:
    key = job.settings.audit_key
    if key is None:
        raise SettingError(
            f"{variable('audit_key')}: required by audit anchor, but not set; set it to any new private key"
        )
    heads: dict[OrganizationId, LogHead] = {}
    for organization, expected in (await _select_organizations(job, ())).items():
        verification = await job.store.for_organization(organization).audit.verify(expected)
        value, line = _describe_verification(verification, frozenset())
        if verification.failure is not None:  # an anchor of a damaged log would confirm the damage
            return Report(value={"orgId": organization, **value}, lines=[f"{organization}: {line}"], status=1)
        heads[organization] = verification.head
    line = format_anchor(sign_anchor(heads, at=job.clock.now(), key=key))
    return Report(value=json.loads(line), lines=[line])


async def _select_organizations(
    job: Job, anchors: Iterable[Anchor]
) -> Mapping[OrganizationId, frozenset[LogHead | ExpectedEntry]]:
    """Return the organisations that any record names, each with the heads and entries expected in its log."""
    directory = job.store.directory
    selected = job.options.org
    known = {each.id: each for each in await directory.organizations()}
    keys = await directory.scan_api_keys()
    others = await directory.scan_organization_ids() | {key.organization for key in keys}
    others |= {OrganizationId(log.org_id) for anchor in anchors for log in anchor.logs}
    organizations = {**known, **{each: await directory.organization(each) for each in sorted(others - known.keys())}}
    if selected is not None and selected not in organizations:
        raise no_organization(selected)
    return {
        each: heads_of(anchors, each) | _expected_entries(each, record, keys)
        for each, record in organizations.items()
        if selected in {None, each}
    }


def _expected_entries(
    organization: OrganizationId, record: Organization | None, keys: Iterable[ApiKey]
) -> frozenset[ExpectedEntry]:
    """Return the log entries that the records of an organisation and its keys imply."""
    own_keys = [key for key in keys if key.organization == organization]
    entries = {ExpectedEntry(EventKind.KEY_CREATED, key.id) for key in own_keys}
    entries |= {ExpectedEntry(EventKind.KEY_REVOKED, key.id) for key in own_keys if key.revoked_at is not None}
    if record is not None and organization != OPEN_ORGANIZATION:
        entries.add(ExpectedEntry(EventKind.ORGANIZATION_CREATED))
    return frozenset(entries)


def _anchors(job: Job) -> tuple[Anchor, ...]:
    """Read the anchors of the `--anchor` files. Raises: SettingError."""
    files: list[Path] = job.options.anchor or []
    return tuple(anchor for file in files for anchor in _read_anchors(file, _signer(job)))


def _read_anchors(file: Path, signer: Address) -> Iterable[Anchor]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise SettingError(f"--anchor: cannot read {file}: {error.strerror}") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise SettingError(f"--anchor: {file}: expected anchors, one per line, got none")
    for number, line in numbered:
        try:
            yield read_anchor(line, signer=signer)
        except ValueError as error:
            raise SettingError(f"--anchor: {file}, line {number}: {error}") from None


def _signer(job: Job) -> Address:
    """Return the trusted signer of anchors: `--signer`, or the address of the configured key."""
    signer: Address | None = job.options.signer
    if signer is not None:
        return signer
    if job.settings.audit_key is None:
        raise SettingError(
            f"--signer: required with --anchor if {variable('audit_key')} is not set: the address that signed the "
            "anchors"
        )
    return signer_of(job.settings.audit_key)


async def _show(job: Job) -> Report:
    organization = await job.organization()
    log = job.store.for_organization(organization.id).audit
    try:
        count = (await log.head()).count
        start = 0 if job.options.last is None else max(0, count - job.options.last)
        entries = [entry for at in range(start, count, _PAGE) for entry in await log.entries(at, _PAGE)]
    except ValueError:  # not a valid entry
        line = f"{organization.id}: NOT INTACT: see `wallet-rpc audit verify --org {organization.id}`"
        return Report(value={"orgId": organization.id, "whole": False}, lines=[line], status=1)
    value = {"orgId": organization.id, "entries": [_entry(entry) for entry in entries]}
    return Report(value=value, lines=[_entry_line(entry) for entry in entries] or [f"{organization.id}: no entries"])


def _entry(entry: AuditEntry) -> dict[str, Any]:
    event = entry.event
    event_members = {"kind": event.kind, "actor": event.actor, "facts": event.facts}
    return {"number": entry.number, "at": format_time(event.at), **event_members, "hash": entry.hash}


def _entry_line(entry: AuditEntry) -> str:
    event = entry.event
    return f"{entry.number}  {format_time(event.at)}  {event.actor}  {event.kind}  {json.dumps(event.facts)}"


ACTIONS: dict[tuple[str, str], Callable[[Job], Awaitable[Report]]] = {
    ("audit", "verify"): _verify,
    ("audit", "anchor"): _anchor,
    ("audit", "show"): _show,
}
"""The actions by command and name."""

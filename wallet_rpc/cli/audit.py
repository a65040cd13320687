"""`wallet-rpc audit`: the logs of organisations are shown, proved whole, and anchored.

The rule: a log is held against everything that tells of it: its own hashes and head, the records of its organisation
and API keys, and the anchors that the caller has kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from wallet_rpc.adapters.sponsorship.setup import signer_of
from wallet_rpc.cli.administration import Job, Report, no_organization
from wallet_rpc.config.settings import SettingError, variable
from wallet_rpc.domain.access import OPEN_ORGANIZATION, ApiKey, Organization, OrganizationId
from wallet_rpc.domain.anchor import Anchor, format_anchor, heads_of, read_anchor, sign_anchor
from wallet_rpc.domain.audit import AuditEntry, EventKind, ExpectedEntry, LogHead, VerificationState
from wallet_rpc.domain.times import format_time
from wallet_rpc.primitives import Address

_PAGE = 500
"""How many entries of a log are read at once."""


async def _verify(job: Job) -> Report:
    anchors = _anchors(job)
    checked: dict[OrganizationId, tuple[dict[str, Any], str]] = {}
    for organization, expected in (await _select_organizations(job, anchors)).items():
        reading = await job.store.for_organization(organization).audit.verify(expected)
        checked[organization] = _describe_reading(reading, heads_of(anchors, organization))
    is_whole = all(value["whole"] for value, _ in checked.values())
    return Report(
        value={"whole": is_whole, "logs": [{"orgId": each, **value} for each, (value, _) in checked.items()]},
        lines=[f"{each}: {line}" for each, (_, line) in checked.items()],
        status=0 if is_whole else 1,
    )


def _describe_reading(reading: VerificationState, anchored: frozenset[LogHead]) -> tuple[dict[str, Any], str]:
    """How a log stands, for programs and for people."""
    head, broken = reading.head, reading.failure
    if broken is not None:
        value = {"whole": False, "entry": broken.number, "why": broken.reason}
        return value, f"NOT WHOLE: entry {broken.number}: {broken.reason}"
    value = {"whole": True, "entries": head.count, "head": head.hash}
    line = f"{head.count} entries, whole, head {head.hash}"
    if not anchored:
        return value, line
    newest = max(each.count for each in anchored)
    return {**value, "anchored": newest}, f"{line}, as anchored up to {newest} entries"


async def _anchor(job: Job) -> Report:
    key = job.settings.audit_key
    if key is None:
        raise SettingError(
            f"{variable('audit_key')}: required by audit anchor, but not set; any new private key will do"
        )
    heads: dict[OrganizationId, LogHead] = {}
    for organization, expected in (await _select_organizations(job, ())).items():
        reading = await job.store.for_organization(organization).audit.verify(expected)
        value, line = _describe_reading(reading, frozenset())
        if reading.failure is not None:  # a head of a harmed log would vouch for the harm
            return Report(value={"orgId": organization, **value}, lines=[f"{organization}: {line}"], status=1)
        heads[organization] = reading.head
    line = format_anchor(sign_anchor(heads, at=job.clock.now(), key=key))
    return Report(value=json.loads(line), lines=[line])


async def _select_organizations(
    job: Job, anchors: Iterable[Anchor]
) -> Mapping[OrganizationId, frozenset[LogHead | ExpectedEntry]]:
    """The organisations that are meant, known by whatever record, and what is expected of each one's log."""
    directory, wanted = job.store.directory, job.options.org
    listed = {each.id: each for each in await directory.organizations()}
    keys = await directory.scan_api_keys()
    others = await directory.scan_organization_ids() | {key.organization for key in keys}
    others |= {OrganizationId(log.org_id) for anchor in anchors for log in anchor.logs}
    found = {**listed, **{each: await directory.organization(each) for each in sorted(others - listed.keys())}}
    if wanted is not None and wanted not in found:
        raise no_organization(wanted)
    return {
        each: heads_of(anchors, each) | _traces(each, record, keys)
        for each, record in found.items()
        if wanted in {None, each}
    }


def _traces(
    organization: OrganizationId, record: Organization | None, keys: Iterable[ApiKey]
) -> frozenset[ExpectedEntry]:
    """The entries that the records of an organisation and of its keys ask for."""
    own = [key for key in keys if key.organization == organization]
    created = (
        {ExpectedEntry(EventKind.ORGANIZATION_CREATED)}
        if record is not None and organization != OPEN_ORGANIZATION
        else set()
    )
    made = {ExpectedEntry(EventKind.KEY_CREATED, key.id) for key in own}
    revoked = {ExpectedEntry(EventKind.KEY_REVOKED, key.id) for key in own if key.revoked_at is not None}
    return frozenset(created | made | revoked)


def _anchors(job: Job) -> tuple[Anchor, ...]:
    """The anchors of the given files. Raises: SettingError."""
    files: list[Path] = job.options.anchor or []
    return tuple(anchor for file in files for anchor in _read_anchors(file, _signer(job)))


def _read_anchors(file: Path, signer: Address) -> Iterable[Anchor]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise SettingError(f"--anchor: cannot read {file}: {error.strerror}") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise SettingError(f"--anchor: {file} holds no anchor")
    for number, line in numbered:
        try:
            yield read_anchor(line, signer=signer)
        except ValueError as error:
            raise SettingError(f"--anchor: {file}, line {number}: {error}") from None


def _signer(job: Job) -> Address:
    """Whose anchors are believed: as told, or the configured key's."""
    told: Address | None = job.options.signer
    if told is not None:
        return told
    if job.settings.audit_key is None:
        raise SettingError(
            f"--signer: required with --anchor where {variable('audit_key')} is not set: the address whose anchors are "
            "believed"
        )
    return signer_of(job.settings.audit_key)


async def _show(job: Job) -> Report:
    organization = await job.organization()
    log = job.store.for_organization(organization.id).audit
    try:
        count = (await log.head()).count
        start = 0 if job.options.last is None else max(0, count - job.options.last)
        found = [entry for at in range(start, count, _PAGE) for entry in await log.entries(at, _PAGE)]
    except ValueError:  # no entry
        line = f"{organization.id}: NOT WHOLE: see `wallet-rpc audit verify --org {organization.id}`"
        return Report(value={"orgId": organization.id, "whole": False}, lines=[line], status=1)
    value = {"orgId": organization.id, "entries": [_entry(entry) for entry in found]}
    return Report(value=value, lines=[_entry_line(entry) for entry in found] or [f"{organization.id}: no entries"])


def _entry(entry: AuditEntry) -> dict[str, Any]:
    event = entry.event
    said = {"kind": event.kind, "actor": event.actor, "facts": event.facts}
    return {"number": entry.number, "at": format_time(event.at), **said, "hash": entry.hash}


def _entry_line(entry: AuditEntry) -> str:
    event = entry.event
    return f"{entry.number}  {format_time(event.at)}  {event.actor}  {event.kind}  {json.dumps(event.facts)}"


ACTIONS: dict[tuple[str, str], Callable[[Job], Awaitable[Report]]] = {
    ("audit", "verify"): _verify,
    ("audit", "anchor"): _anchor,
    ("audit", "show"): _show,
}
"""By command and action."""

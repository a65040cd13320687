"""`wallet-rpc incidents`: the last bugs of the servers on a Redis, by the numbers that their callers got."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from wallet_rpc.cli.administration import Job, Report
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.incident import KEPT_INCIDENTS, Incident

_ID = re.compile(r"[0-9a-f]{16}")


async def _list(job: Job) -> Report:
    count = KEPT_INCIDENTS if job.options.last is None else min(job.options.last, KEPT_INCIDENTS)
    found = await job.store.incidents.newest(count)
    lines = [_format_line(each) for each in found] or [f"no incidents in {_place(job.settings)}"]
    return Report(value={"incidents": [_to_json(each) for each in found]}, lines=lines)


async def _show(job: Job) -> Report:
    text = job.options.incident
    incident = next((each for each in await job.store.incidents.newest() if each.id == text), None)
    if incident is None:
        named = f" {text}" if _ID.fullmatch(text) else ", expected a number of 16 hex digits"
        where = f"among the last {KEPT_INCIDENTS}: see `wallet-rpc incidents`, or the log"
        raise SettingError(f"incidents show: no such incident{named} {where}")
    facts = {name: value for name, value in _to_json(incident).items() if name != "traceback"}
    lines = [f"{name + ':':<11} {value}" for name, value in facts.items()]
    return Report(value=_to_json(incident), lines=[*lines, "", *incident.traceback.splitlines()])


def _place(settings: Settings) -> str:
    """Return where the incidents of these settings are; not the URL, which may have a password."""
    if settings.redis_url is not None:
        return f"the Redis of {variable('redis_url')}"
    return f"the folder {settings.data_dir}; for those of `serve`, set {variable('redis_url')}"


def _to_json(incident: Incident) -> dict[str, Any]:
    value = {
        "id": incident.id,
        "at": _format_time(incident),
        "kind": incident.kind,
        "method": incident.method,
        "requestId": incident.request_id,
        "entry": incident.entry,
        "traceId": incident.trace_id,
        "server": incident.server,
        "traceback": incident.traceback,
    }
    return {name: each for name, each in value.items() if each is not None}


def _format_line(incident: Incident) -> str:
    request = "" if incident.request_id is None else f"  {incident.request_id}"
    return f"{_format_time(incident)}  {incident.id}  {incident.method or '-'}  {incident.kind}{request}"


def _format_time(incident: Incident) -> str:
    at = datetime.fromtimestamp(incident.at_milliseconds / 1000, UTC)
    return f"{at.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


INCIDENT_ACTIONS: dict[tuple[str, str], Callable[[Job], Awaitable[Report]]] = {
    ("incidents", "list"): _list,
    ("incidents", "show"): _show,
}
"""The actions by command and name."""

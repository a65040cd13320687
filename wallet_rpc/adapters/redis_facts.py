"""Configuration of a Redis that decides what survives: its append-only file, eviction, and replicas.

Managed services often forbid CONFIG. What only CONFIG shows is then unknown, and is reported as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_master import parse_mode
from wallet_rpc.errors import Unavailable

NO_EVICTION = "noeviction"
"""The only `maxmemory-policy` that never deletes a key before its time."""
_UNKNOWN = "unknown"


class Persistence(StrEnum):
    """Way in which a Redis writes to its disk: by the fsync policy of its append-only file, else by snapshots."""

    ALWAYS = "always"
    EVERYSEC = "everysec"
    NO = "no"
    AOF = "aof"
    """An append-only file whose fsync policy is unknown."""
    SNAPSHOTS = "snapshots"
    NONE = "none"
    UNKNOWN = "unknown"

    @property
    def guarantee(self) -> str:
        """Extent of the loss of acknowledged writes when the host of Redis crashes."""
        return _LOSSES[self]


_LOSSES = {
    Persistence.ALWAYS: "no acknowledged write is lost",
    Persistence.EVERYSEC: "about one second of acknowledged writes is lost, two on a slow disk",
    Persistence.NO: "acknowledged writes that the system has not written to disk are lost, often 30 seconds",
    Persistence.AOF: "unknown, since the fsync policy cannot be read",
    Persistence.SNAPSHOTS: "all acknowledged writes since the last snapshot are lost",
    Persistence.NONE: "all data is lost, also when only Redis itself ends",
    Persistence.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisFacts:
    """Properties of one Redis process."""

    mode: str
    """`standalone`, `cluster` or `sentinel`."""
    version: str
    """Version of Redis with which the server is compatible."""
    software: str
    """Name and version of the server."""
    role: str
    replicas: int
    """Number of connected replicas."""
    persistence: Persistence
    eviction: str
    """`maxmemory-policy`, or `unknown`."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return sentences about a configuration that loses acknowledged writes."""
        found = []
        if self.persistence in {Persistence.NONE, Persistence.SNAPSHOTS}:
            found.append("Redis has no append-only file: set appendonly yes and appendfsync always")
        if self.eviction not in {NO_EVICTION, _UNKNOWN}:
            found.append(f"Redis deletes records when its memory is full ({self.eviction}): set {NO_EVICTION}")
        return tuple(found)


async def read_facts(link: Link) -> list[RedisFacts]:
    """Read the facts of each master. Raises: Unavailable when one does not answer."""
    replies = await link.command_on_masters("INFO")
    policies, saves = [await _read_config(link, name) for name in ("appendfsync", "save")]
    return [_parse_facts(info, policies.get(number, {}) | saves.get(number, {})) for number, info in enumerate(replies)]


async def _read_config(link: Link, name: str) -> dict[int, dict[str, str]]:
    """Return a setting by the number of the master; empty where CONFIG is forbidden."""
    try:
        return dict(enumerate(await link.command_on_masters("CONFIG GET", name)))
    except Unavailable:
        return {}


def _parse_facts(info: Mapping[str, Any], config: Mapping[str, str]) -> RedisFacts:
    return RedisFacts(
        mode=parse_mode(info),
        version=str(info["redis_version"]),
        software=f"valkey {info['valkey_version']}" if "valkey_version" in info else f"redis {info['redis_version']}",
        role=str(info.get("role", _UNKNOWN)),
        replicas=int(info.get("connected_slaves", 0)),
        persistence=_parse_persistence(info, config),
        eviction=str(info.get("maxmemory_policy", _UNKNOWN)),
    )


def _parse_persistence(info: Mapping[str, Any], config: Mapping[str, str]) -> Persistence:
    match info.get("aof_enabled"):
        case 1:
            return Persistence(config["appendfsync"]) if "appendfsync" in config else Persistence.AOF
        case 0 if "save" in config:
            return Persistence.SNAPSHOTS if config["save"] else Persistence.NONE
        case _:
            return Persistence.UNKNOWN

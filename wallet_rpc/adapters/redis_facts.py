"""Configuration of a Redis that decides what survives: its append-only file, eviction, and replicas.

Managed services often forbid CONFIG, and access rules may forbid INFO. What only they show is then unknown, and is
reported as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis.exceptions import ResponseError

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_master import NOT_SHOWN, parse_mode
from wallet_rpc.errors import Unavailable

NO_EVICTION = "noeviction"
"""The only `maxmemory-policy` that never deletes a key before its time."""


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
    """`standalone`, `cluster`, `sentinel` or `unknown`."""
    version: str
    """Version of Redis with which the server is compatible, or `unknown`."""
    software: str
    """Name and version of the server."""
    role: str
    replicas: int
    """Number of connected replicas."""
    persistence: Persistence
    eviction: str
    """`maxmemory-policy`, or `unknown`."""
    max_memory: int | None
    """`maxmemory`, in bytes; 0: the machine's memory. None if it is unknown."""

    @property
    def is_evicting(self) -> bool:
        """True if Redis deletes records when its memory is full."""
        return self.eviction not in {NO_EVICTION, NOT_SHOWN}

    @property
    def losses(self) -> tuple[str, ...]:
        """Return sentences about a configuration with which records are lost in normal operation."""
        found = []
        if self.persistence is Persistence.NONE:
            found.append("Redis stores nothing on disk, so its end loses all records: set appendonly yes")
        if self.is_evicting:
            when = f"when it uses {self.max_memory} bytes" if self.max_memory else "once a maxmemory is set"
            found.append(
                f"Redis deletes records {when} (maxmemory-policy {self.eviction}): set maxmemory-policy {NO_EVICTION}"
            )
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return sentences about a configuration that loses acknowledged writes, or that cannot be read."""
        found = list(self.losses)
        if self.persistence is Persistence.SNAPSHOTS:
            found.append("Redis has no append-only file: set appendonly yes and appendfsync always")
        unknown = {"persistence": self.persistence, "maxmemory-policy": self.eviction}
        names = [name for name, value in unknown.items() if value == NOT_SHOWN]
        if names:
            text = "Redis does not show them, since CONFIG or INFO is forbidden"
            found.append(
                f"unknown {' and '.join(names)}: {text}; check appendonly yes and maxmemory-policy {NO_EVICTION}"
            )
        return tuple(found)


async def read_facts(link: Link) -> list[RedisFacts]:
    """Read the facts of each master; those that it does not show are unknown. Raises: Unavailable without an answer."""
    replies = await _ask_masters(link, "INFO") or [{}]
    policies, saves = [await _ask_masters(link, "CONFIG GET", name) or () for name in ("appendfsync", "save")]
    configs = [{**policy, **save} for policy, save in zip(policies, saves, strict=False)]
    return [_parse_facts(info, configs[number] if number < len(configs) else {}) for number, info in enumerate(replies)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisMemory:
    """Memory of one Redis process, in bytes."""

    used: int
    limit: int | None
    """`maxmemory`, else the memory of its machine; None if unknown."""


async def read_memory(link: Link) -> list[RedisMemory]:
    """Read the memory of each master. Raises: Unavailable when one does not answer."""
    replies = await link.command_on_masters("INFO", "memory")
    return [
        RedisMemory(
            used=int(info["used_memory"]),
            limit=int(info.get("maxmemory", 0)) or int(info.get("total_system_memory", 0)) or None,
        )
        for info in replies
    ]


async def read_redis_time(link: Link) -> float:
    """Return the time of the first master, in seconds since 1970. Raises: Unavailable when one does not answer."""
    seconds, microseconds = (await link.command_on_masters("TIME"))[0]
    return float(seconds) + float(microseconds) / 1e6


async def _ask_masters(link: Link, *parts: str) -> list[Any] | None:
    """Return each master's reply to a command; None where the command is forbidden."""
    try:
        return await link.command_on_masters(*parts)
    except Unavailable as error:
        if isinstance(error.__cause__, ResponseError):
            return None
        raise


def _parse_facts(info: Mapping[str, Any], config: Mapping[str, str]) -> RedisFacts:
    version = str(info.get("redis_version", NOT_SHOWN))
    return RedisFacts(
        mode=parse_mode(info),
        version=version,
        software=f"valkey {info['valkey_version']}" if "valkey_version" in info else f"redis {version}",
        role=str(info.get("role", NOT_SHOWN)),
        replicas=int(info.get("connected_slaves", 0)),
        persistence=_parse_persistence(info, config),
        eviction=str(info.get("maxmemory_policy", NOT_SHOWN)),
        max_memory=int(info["maxmemory"]) if "maxmemory" in info else None,
    )


def _parse_persistence(info: Mapping[str, Any], config: Mapping[str, str]) -> Persistence:
    match info.get("aof_enabled"):
        case 1:
            return Persistence(config["appendfsync"]) if "appendfsync" in config else Persistence.AOF
        case 0 if "save" in config:
            return Persistence.SNAPSHOTS if config["save"] else Persistence.NONE
        case _:
            return Persistence.UNKNOWN

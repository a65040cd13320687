"""Redis connection of all storage adapters: deadlines, and errors of this package.

A failed command may have taken effect. Every script is therefore idempotent: a second run with the same arguments
leaves the same state. This allows the link to reconnect and repeat automatically.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from copy import copy
from functools import partial
from typing import Any, Self, TypeAlias, TypeVar

from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import NoScriptError

from wallet_rpc.adapters.health import ServerHealth
from wallet_rpc.adapters.redis_failures import REPEATED_ERRORS, Deadline, require_repeatable
from wallet_rpc.adapters.redis_master import NOT_SHOWN, ConnectionLimit, ReplicaWait, Script, WriteGuard, is_reading
from wallet_rpc.adapters.redis_topology import Topology, open_topology
from wallet_rpc.errors import Unavailable
from wallet_rpc.time_budget import require_time
from wallet_rpc.tracing import Peer, watch_call

_T = TypeVar("_T")
_Request: TypeAlias = Callable[[], Awaitable[_T]]
StoreObserver: TypeAlias = Callable[[float | None], None]
"""Receives the duration of a request to Redis in seconds, with its repetitions; None for one without a reply."""

KEY_FORM = 1
"""Version of the key layout and of the scripts' fields; part of every key, so that two layouts never share a key."""

_WAIT_SHARE = 0.25
"""Share of the deadline in which replicas must acknowledge a durable write."""

_MASTER = Peer("redis")
_SCAN_COUNT = 1000
"""Number of keys that one step of a scan examines."""

_ADD_ONCE = """
return redis.call('ZADD', KEYS[1], 'NX', redis.call('ZCARD', KEYS[1]), ARGV[1])
"""
"""Add a member to a sorted set once, after all others."""


class Link:
    """Connections to Redis in one of its topologies, with one key prefix."""

    def __init__(
        self, topology: Topology, *, prefix: str, deadline_seconds: float, connections: int, replicas: int = 0
    ) -> None:
        self._topology = topology
        self._free = ConnectionLimit(connections)
        self._observe: StoreObserver | None = None
        self._guards: list[WriteGuard] = []  # one at most; shared with the links that are derived from this one
        self._prefix = f"{prefix}:{KEY_FORM}:"
        self._deadline_seconds = deadline_seconds
        self.health = ServerHealth("store")
        self._wait = ReplicaWait(replicas, int(1000 * _WAIT_SHARE * deadline_seconds))
        self._backoff = ExponentialWithJitterBackoff(base=0.02, cap=0.2)
        self._add_once = self.script(_ADD_ONCE)

    @classmethod
    def open(cls, url: str, *, prefix: str, deadline_seconds: float, connections: int, replicas: int = 0) -> Self:
        """Create a link that connects on first use; `replicas` acknowledge each durable write.

        Raises: ValueError, without the URL, for an invalid Redis URL.
        """
        topology = open_topology(url, deadline_seconds=deadline_seconds, connections=connections)
        return cls(
            topology, prefix=prefix, deadline_seconds=deadline_seconds, connections=connections, replicas=replicas
        )

    def with_prefix(self, name: str) -> Link:
        """Return a link over the same connections whose keys begin with `name`, separate from all other keys."""
        link = copy(self)
        link._prefix = f"{self._prefix}{name}:"
        return link

    def observe(self, observer: StoreObserver) -> None:
        """Report each request to an observer; also those of links that are derived from this one later."""
        self._observe = observer

    def guard_writes(self, guard: WriteGuard) -> None:
        """Have a guard prepare each change of a key, also by links that are or were derived from this one."""
        self._guards.append(guard)

    def without_guard(self) -> Link:
        """Return a link over the same connections for the guard itself."""
        link = copy(self)
        link._guards = []
        return link

    @property
    def is_single(self) -> bool:
        """True if one Redis has all keys, so that a script may use keys of several slots."""
        return self._topology.mode == "standalone"

    @property
    def waiting_commands(self) -> int:
        """The number of commands without a reply on the connections that all requests share."""
        return self._topology.waiting_commands

    @property
    def connections_in_use(self) -> int:
        """The number of other connections that durable writes use now."""
        return self._free.in_use

    async def check_mode(self) -> None:
        """Check that the URL fits the server's mode. Raises: Unavailable otherwise, or without a reply."""
        mode, expected = await self._ask(self._topology.read_mode), self._topology.mode
        if mode not in {expected, NOT_SHOWN}:
            kind = "redis" if mode == "standalone" else f"redis+{mode}"
            raise Unavailable(
                f"the store runs in {mode} mode, expected {expected}: use a {kind}:// URL",
                reason="redis_mode",
                part="store",
            )

    @property
    def prefix(self) -> str:
        """Prefix of every key, without the colon at its end."""
        return self._prefix.removesuffix(":")

    def key(self, tag: str, *rest: str) -> str:
        """Return the key `prefix:form:{tag}:rest`. Keys with the same tag are in the same slot of a Redis Cluster."""
        return ":".join((f"{self._prefix}{{{tag}}}", *rest))

    def script(self, source: str) -> Script:
        """Return a Lua script, which is sent once and then called by its hash."""
        return Script(source)

    async def run(self, script: Script, keys: str | Sequence[str], *arguments: str | int | bytes) -> Any:
        """Run a script atomically on one key, or on several keys of the same tag."""
        key_list = (keys,) if isinstance(keys, str) else keys
        rest = len(key_list), *key_list, *arguments
        execute = self._topology.execute
        request = partial(execute, key_list[0], "EVALSHA", script.sha, *rest)
        unknown = partial(execute, key_list[0], "EVAL", script.source, *rest)
        if script.is_reading:
            return await self._ask(request, unknown)
        return await self._change(key_list, request, unknown)

    async def run_durably(self, script: Script, keys: str | Sequence[str], *arguments: str | int | bytes) -> Any:
        """Run a script, and wait until the configured number of replicas has its writes; with 0 as `run`.

        Raises: Unavailable (not_replicated) when fewer replicas acknowledge in time. The write may then survive or be
        lost in a failover, and repeating the call is safe.
        """
        if self._wait.replicas == 0:
            return await self.run(script, keys, *arguments)
        key_list = [keys] if isinstance(keys, str) else list(keys)

        async def request() -> tuple[Any, int]:
            async with self._free:
                try:
                    return await self._topology.run_and_wait(script, key_list, arguments, self._wait)
                except NoScriptError:
                    for master in await self._topology.masters():
                        await master.execute_command("SCRIPT LOAD", script.source)
                    return await self._topology.run_and_wait(script, key_list, arguments, self._wait)

        with watch_call(_MASTER, "EVALSHA WAIT", script.sha):  # over a connection that redis-py chooses
            result, acknowledged = await self._change(key_list, request)
        if acknowledged < self._wait.replicas:
            raise Unavailable(
                f"{acknowledged} replicas of the store acknowledged a write within {self._wait.milliseconds} ms, "
                f"expected {self._wait.replicas}: repeat the request",
                reason="not_replicated",
                part="store",
            )
        return result

    async def command(self, name: str, key: str, *rest: str | int | bytes) -> Any:
        """Run one command on a key."""
        request = partial(self._topology.execute, key, name, key, *rest)
        return await (self._ask(request) if is_reading(name) else self._change((key,), request))

    async def command_on_masters(self, *parts: str | int) -> list[Any]:
        """Run one command without a key on each master, and return the replies."""

        async def request() -> list[Any]:
            return [await master.execute_command(*parts) for master in await self._topology.masters()]

        return await self._ask(request)

    async def add_once(self, key: str, member: str) -> None:
        """Append a member to the sorted set at `key`, unless the set contains it already."""
        await self.run(self._add_once, key, member)

    async def members(self, key: str) -> list[str]:
        """Return the members of a sorted set in order."""
        return [member.decode() for member in await self.command("ZRANGE", key, 0, -1)]

    async def records(self, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        """Return the hashes at `keys` in one round trip to each master; a missing one is empty."""

        async def request() -> list[dict[bytes, bytes]]:
            return list(await asyncio.gather(*(self._topology.execute(key, "HGETALL", key) for key in keys)))

        return await self._ask(request)

    async def find_keys(self, pattern: str) -> list[str]:
        """Return all keys that match a glob pattern after the prefix; it scans the whole key space in steps."""
        return sorted({name async for names in self.scan_keys(pattern) for name in names})

    async def scan_keys(self, pattern: str) -> AsyncIterator[list[str]]:
        """Yield the keys that match a glob pattern after the prefix, in steps; a key may come twice."""
        escaped = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix)
        options = "MATCH", escaped + pattern, "COUNT", _SCAN_COUNT
        for master in await self._ask(self._topology.masters):
            cursor = None
            while cursor != 0:
                cursor, names = await self._ask(partial(master.execute_command, "SCAN", cursor or 0, *options))
                yield [name.decode() for name in names]

    async def find_keys_by_master(self, tag: str) -> list[str]:
        """Return a key for each master, which that master stores; `tag` begins all of them."""
        return await self._topology.find_keys_by_master(lambda number: self.key(f"{tag}:{number}"))

    async def close(self) -> None:
        """Close the connections."""
        await self._topology.close()

    async def _change(self, keys: Sequence[str], request: _Request[_T], unknown: _Request[_T] | None = None) -> _T:
        """Run a request that changes keys, which the guard prepares first. Raises: as `_ask`."""
        if not self._guards:
            return await self._ask(request, unknown)
        guard = self._guards[-1]
        await guard.begin_write(keys)
        try:
            return await self._ask(request, unknown)
        finally:
            guard.end_write()

    async def _ask(self, request: _Request[_T], unknown: _Request[_T] | None = None) -> _T:
        """Run a Redis request and return its reply; repeat it after a lost connection, until the deadline.

        `unknown` replaces it on a server that does not know the script of the request yet.
        Raises: Unavailable without a reply within the deadline.
        """
        failures = 0
        failure: Exception | None = None
        observe = self._observe
        began = 0.0 if observe is None else time.perf_counter()
        try:
            with self.deadline() as limit:
                while True:
                    try:
                        reply = await request()
                    except NoScriptError:
                        if unknown is None:
                            raise
                        request, unknown = unknown, None
                    except (*REPEATED_ERRORS, RuntimeError) as error:
                        require_repeatable(error)
                        if limit.has_expired:  # redis-py has replaced the cancellation by this error
                            raise
                        failure = error
                        failures += 1
                        await asyncio.sleep(self._backoff.compute(failures))
                    else:
                        self.health.record_answer()
                        if observe is not None:
                            observe(time.perf_counter() - began)
                        return reply
        except Unavailable as error:
            if observe is not None:
                observe(None)
            if isinstance(failure, MasterNotFoundError):
                raise Unavailable("the Sentinels name no master of the store", part="store") from error
            raise

    def deadline(self, share: float = 1.0) -> Deadline:
        """Return one deadline for all requests in a block, at most the rest of the request's time budget.

        Raises: Unavailable at once while Redis is marked down; in the block when the deadline passes or Redis fails
        (store_permission: it rejects the user).
        """
        self.health.require_usable()
        return Deadline(require_time(share * self._deadline_seconds, part=self.health.part))

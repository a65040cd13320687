"""Undo log of the state of embedded chains in a single Redis; its snapshots survive a restart of the server.

A snapshot copies nothing. The first change of a key after a snapshot copies its value, and a revert brings those copies
back in one script. So a snapshot costs the same however much is stored, and a revert costs what was changed since.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from wallet_rpc.adapters import undo_scripts
from wallet_rpc.adapters.redis_events import EventSchedule
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_outbox import RedisOutbox
from wallet_rpc.adapters.redis_state_keys import Extent, find_state_key
from wallet_rpc.adapters.state_rows import StateRow
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.primitives import Hash32
from wallet_rpc.read_write_lock import ReadWriteLock

_STAGED = 0
"""Number of the snapshot that a replacement of the whole state is staged as; those of chains begin at 1."""
_AT_ONCE = 500
"""Number of keys that are read at once."""
_CALL_KEY = re.compile(r"(?:(org_[0-9A-Za-z]+):)?\{call:\d+:([0-9a-f]{64})\}")


class UndoLog:
    """The undo logs of all embedded chains of a server, which with short commands is the only writer of its Redis."""

    def __init__(self, link: Link, chain_ids: Sequence[int]) -> None:
        """Create the logs; `load` must be called before the link writes."""
        self._guarded = link
        self._link = link.without_guard()
        self._outbox = RedisOutbox(self._link)
        self._schedule = EventSchedule(self._link)
        self._is_only = len(chain_ids) == 1
        self._snapshots: dict[int, list[int]] = {chain_id: [] for chain_id in chain_ids}
        """The numbers of each chain's snapshots, oldest first."""
        self._saved: dict[int, set[str]] = {chain_id: set() for chain_id in chain_ids}
        """The keys that are in the log of each chain's newest snapshot."""
        self._writes = ReadWriteLock()
        self._save = link.script(undo_scripts.SAVE)
        self._rows = link.script(undo_scripts.ROWS)
        self._stage = link.script(undo_scripts.STAGE)
        self._restore = link.script(undo_scripts.RESTORE)

    @property
    def is_supported(self) -> bool:
        """False on a Redis Cluster, where no script can change all keys of a chain."""
        return self._link.is_single

    async def load(self, *, keeps_snapshots: bool) -> None:
        """Log the changes of keys from now on, and read the snapshots of an earlier run, or remove them."""
        if not self.is_supported:
            return
        await self._link.command("SET", _chains_key(self._link), ",".join(map(str, self._snapshots)))
        await self._read_snapshots()
        if not keeps_snapshots:
            for chain_id in self._snapshots:
                await self.discard_snapshots(chain_id)
        self._guarded.guard_writes(self)

    @classmethod
    async def join(cls, link: Link) -> None:
        """Log the changes of a command, which writes to the Redis of a server with embedded chains."""
        text = await link.command("GET", _chains_key(link)) if link.is_single else None
        if text is not None:
            log = cls(link, [int(chain_id) for chain_id in text.decode().split(",")])
            await log._read_snapshots()
            link.guard_writes(log)

    async def _read_snapshots(self) -> None:
        for chain_id in self._snapshots:
            names = await self._link.command("ZRANGE", self._base(chain_id) + "snapshots", 0, -1)
            self._snapshots[chain_id] = [int(name) for name in names]

    def has_snapshot(self, chain_id: int, number: int) -> bool:
        """Return True if the snapshot exists."""
        return number in self._snapshots[chain_id]

    async def add_snapshot(self, chain_id: int, number: int) -> None:
        """Begin the log of a snapshot; those with this number or a higher one are of a chain that is gone."""
        async with self._writes.own():
            later = [each for each in self._snapshots[chain_id] if each >= number]
            if later:
                await self._run_restore(chain_id, applied=(), discarded=later)
            self._saved[chain_id].clear()
            await self._link.command("ZADD", self._base(chain_id) + "snapshots", number, number)
            self._snapshots[chain_id].append(number)

    async def revert(self, chain_id: int, number: int) -> None:
        """Restore a snapshot, and remove it and all later ones; nothing for one that does not exist."""
        async with self._writes.own():
            applied = [each for each in reversed(self._snapshots[chain_id]) if each >= number]
            await self._run_restore(chain_id, applied=applied)

    async def replace(self, chain_id: int, rows: Sequence[StateRow]) -> None:
        """Replace the state of a chain by these rows, and remove all snapshots."""
        async with self._writes.own():
            base, discarded = f"{self._base(chain_id)}{_STAGED}:", self._snapshots[chain_id]
            await self._run_restore(chain_id, applied=(), discarded=(_STAGED,), keeps_request=True)
            named = {self._key(row.name): row for row in rows if self._is_of(row.name, chain_id)}
            replaced = [key for key in await self._find_keys(chain_id) if key not in named]
            await self._add_all(f"{base}new", [key for key in replaced if not self._group(key)])
            for start in range(0, len(named), _AT_ONCE):
                part = list(named.items())[start : start + _AT_ONCE]
                await asyncio.gather(*(self._stage_row(f"{base}copy:{key}", row) for key, row in part))
            await self._add_all(f"{base}members", [key for key in [*named, *replaced] if self._group(key)])
            await self._add_all(f"{base}had", [key for key in named if not self._group(key)])
            await self._run_restore(chain_id, applied=(_STAGED,), discarded=discarded)

    async def discard_snapshots(self, chain_id: int) -> None:
        """Remove all snapshots."""
        async with self._writes.own():
            await self._run_restore(chain_id, applied=(), discarded=self._snapshots[chain_id])

    async def read_rows(self, chain_id: int) -> list[StateRow]:
        """Return the state of a chain, with what all chains have in common."""
        async with self._writes.own():
            keys = await self._find_keys(chain_id, with_common=True)
            found = []
            for start in range(0, len(keys), _AT_ONCE):
                part = keys[start : start + _AT_ONCE]
                rows = await self._link.run(self._rows, part)
                found += [self._read_row(key, *row) for key, row in zip(part, rows, strict=True)]
        return [row for row in found if row.kind != "none"]

    async def begin_request(self, chain_id: int, text: str) -> None:
        """Store a request that changes the chain and its state, until its change of the state."""
        await self._link.command("SET", self._base(chain_id) + "request", text)

    async def end_request(self, chain_id: int) -> None:
        """Delete the stored request, which changed nothing."""
        await self._link.command("DEL", self._base(chain_id) + "request")

    async def read_request(self, chain_id: int) -> bytes | None:
        """Return the request whose change of the state is missing."""
        if not self.is_supported:
            return None
        found: bytes | None = await self._link.command("GET", self._base(chain_id) + "request")
        return found

    async def begin_write(self, keys: Sequence[str]) -> None:
        """Save the values of these keys where a snapshot needs them, and hold back snapshots until `end_write`."""
        await self._writes.acquire_shared()
        try:
            for chain_id, numbers in self._snapshots.items():
                if numbers:
                    await self._save_new(chain_id, numbers[-1], keys)
        except BaseException:
            self.end_write()
            raise

    def end_write(self) -> None:
        """End what `begin_write` began."""
        self._writes.release_shared()

    async def _save_new(self, chain_id: int, number: int, keys: Sequence[str]) -> None:
        saved = self._saved[chain_id]
        missing = [key for key in keys if key not in saved and self._is_of(self._name(key), chain_id)]
        if missing:
            groups = [self._group(key) for key in missing]
            await self._link.run(self._save, missing, f"{self._base(chain_id)}{number}:", *groups)
            saved.update(missing)

    async def _run_restore(
        self,
        chain_id: int,
        *,
        applied: Sequence[int],
        discarded: Sequence[int] = (),
        keeps_request: bool = False,
    ) -> None:
        """Apply and discard snapshots; workers look at once at the calls and the announced events that come back."""
        mode = "keep" if keeps_request else ""
        numbers = [*applied, *discarded]
        base = self._base(chain_id)
        keys = [base, self._schedule.times_key, self._schedule.counts_key]
        calls = await self._link.run(self._restore, keys, base, str(chain_id), len(applied), mode, *numbers)
        self._snapshots[chain_id] = [each for each in self._snapshots[chain_id] if each not in numbers]
        self._saved[chain_id].clear()
        for key in calls:
            match = _CALL_KEY.fullmatch(self._name(key.decode()))
            if match is not None:
                organization = OrganizationId(match[1] or OPEN_ORGANIZATION)
                await self._outbox.add(organization, chain_id, Hash32.parse(f"0x{match[2]}"), at=0)

    async def _stage_row(self, key: str, row: StateRow) -> None:
        await self._link.run(self._stage, key, row.kind, row.ends, *row.values)

    async def _add_all(self, key: str, members: Sequence[str]) -> None:
        for start in range(0, len(members), _AT_ONCE):
            await self._link.command("SADD", key, *members[start : start + _AT_ONCE])

    async def _find_keys(self, chain_id: int, *, with_common: bool = False) -> list[str]:
        keys = await self._link.find_keys("*")
        return [key for key in keys if self._is_of(self._name(key), chain_id, with_common=with_common)]

    def _group(self, key: str) -> str:
        """Return `members` for a key of which only some members are state of a chain; empty for any other."""
        place = find_state_key(self._name(key))
        return "members" if place is not None and place.extent is Extent.MEMBERS else ""

    def _is_of(self, name: str, chain_id: int, *, with_common: bool = False) -> bool:
        """Return True if a revert of the chain changes the key: of all chains in common, only with a single one."""
        place = find_state_key(name)
        if place is None:
            return False
        if place.extent is Extent.WHOLE:
            return place.chain_id == chain_id
        return place.extent is Extent.MEMBERS or self._is_only or with_common

    def _read_row(self, key: str, kind: bytes, ends: bytes, values: list[bytes]) -> StateRow:
        return StateRow(name=self._name(key), kind=kind.decode(), ends=ends.decode(), values=tuple(values))

    def _base(self, chain_id: int) -> str:
        """Return the start of the log's keys, which no search for keys of the storage finds."""
        return f"undo:{self._link.prefix}:{chain_id}:"

    def _key(self, name: str) -> str:
        return f"{self._link.prefix}:{name}"

    def _name(self, key: str) -> str:
        return key.removeprefix(f"{self._link.prefix}:")


def _chains_key(link: Link) -> str:
    """Return the key of the ids of the chains whose changes are logged."""
    return f"undo:{link.prefix}:chains"

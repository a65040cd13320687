"""Chain store in an SQLite file.

One block, or one direct change, is one SQLite transaction. The file therefore always has complete blocks and changes,
also after `kill -9`; a power cut may lose the last few (write-ahead log). A chain without a folder has a temporary
file, which SQLite creates without a name and which ends with the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from wallet_rpc.devchain.block_codec import pack_block, unpack_block
from wallet_rpc.devchain.chain_state import Value, is_code
from wallet_rpc.devchain.ledger import Block, encode_integer
from wallet_rpc.devchain.store import Reverted, Snapshot, StoredChain, StoredValue, VersionRecord
from wallet_rpc.devchain.stored_blocks import insert_block, upgrade
from wallet_rpc.devchain.stored_dump import dump_rows, hash_genesis, load_rows

FILE_NAME = "chain.sqlite"
"""The file name in the data folder."""
_FORMAT = 3
_MOST_UNWRITTEN = 255
"""The number of versions that a temporary file may lack: writing many at once takes a third of the time for each."""
_PRIMARY_CODE = 0xFF
"""The bits of an SQLite error code that name its kind. Source: https://sqlite.org/rescode.html"""
_SET_CLOCK_OFFSET = "INSERT OR REPLACE INTO facts VALUES ('clock_offset', ?)"
_SET_NODE = "INSERT OR REPLACE INTO facts VALUES ('node', ?)"
_ADD_SNAPSHOT = "INSERT INTO snapshots (version, block, clock_offset, node) VALUES (?, ?, ?, ?)"
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS learned (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY, root BLOB NOT NULL, block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS changes (version INTEGER, key BLOB, value BLOB NOT NULL, PRIMARY KEY (version, key))
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS changes_by_key ON changes (key, version);
CREATE TABLE IF NOT EXISTS blocks
    (number INTEGER PRIMARY KEY, version INTEGER NOT NULL, bloom BLOB, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS hashes (hash BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshots
    (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER, block INTEGER, clock_offset INTEGER, node TEXT);
"""


class UnusableFolder(Exception):
    """The folder cannot be used for this chain; the message has the reason."""


class SqliteStore:
    """The file `chain.sqlite` in a folder, created if needed, or a temporary file. One process at a time."""

    def __init__(self, folder: Path | None, identity: str) -> None:
        """Open or create the file; `identity` names the chain.

        Raises: UnusableFolder when the file belongs to another chain, is in use, or cannot be written.
        """
        self._clock_offset: int | None = None
        self._unwritten: list[VersionRecord] = []
        self._most_unwritten = 0 if folder is not None else _MOST_UNWRITTEN
        if folder is None:
            # like the chain, it is used by one thread at a time
            self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA journal_mode=MEMORY")
            self._file.executescript(_TABLES)
            return
        with _translate_errors(folder), ExitStack() as opened:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(folder / FILE_NAME, isolation_level=None, timeout=2)
            opened.callback(self._file.close)
            self._file.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            upgrade(self._file, identity, to=_FORMAT)
            self._file.executescript(_TABLES)
            self._claim(f"format {_FORMAT}, {identity}", folder)
            opened.pop_all()

    def load(self) -> StoredChain | None:
        """Read the newest state; None for a new chain."""
        query = self._database.execute
        newest = query("SELECT version, root FROM versions ORDER BY version DESC LIMIT 1").fetchone()
        if newest is None:
            return None
        first, last = query("SELECT min(number), max(number) FROM blocks").fetchone()
        head = self.block(last)
        assert head is not None  # noqa: S101 - a version belongs to a block
        return StoredChain(
            version=newest[0],
            root=newest[1],
            values=self._newest_values(),
            first_number=first,
            head=head,
            clock_offset=int(self._fact("clock_offset") or 0),
        )

    def append(self, entry: VersionRecord) -> None:
        """Add a version atomically. A temporary file gets it later, with others."""
        self._unwritten.append(entry)
        try:
            if len(self._unwritten) > self._most_unwritten:
                self._write()
        except BaseException:
            self._unwritten.pop()  # the chain does not have it either
            raise

    def _write(self) -> None:
        """Write the versions that are not in the file yet, atomically."""
        clock_offset = self._unwritten[-1].clock_offset
        with self._file:
            self._file.execute("BEGIN")
            for entry in self._unwritten:
                self._insert(entry)
            if clock_offset != self._clock_offset:
                self._file.execute(_SET_CLOCK_OFFSET, (clock_offset,))
        self._clock_offset = clock_offset
        self._unwritten.clear()

    def _insert(self, entry: VersionRecord) -> None:
        execute, many = self._file.execute, self._file.executemany
        execute("INSERT INTO versions VALUES (?, ?, ?)", (entry.version, entry.root, entry.number))
        if entry.changes:
            rows = ((entry.version, key, _bytes(value)) for key, value in entry.changes.items())
            many("INSERT INTO changes VALUES (?, ?, ?)", rows)
        if entry.upstream_values:
            many("INSERT OR IGNORE INTO learned VALUES (?, ?)", _rows(entry.upstream_values))
        if entry.block is not None:
            insert_block(self._file, entry.block, entry.version, pack_block(entry.block))

    @property
    def _database(self) -> sqlite3.Connection:
        """The file, with all versions."""
        if self._unwritten:
            self._write()
        return self._file

    def value_at(self, key: bytes, version: int) -> Value | None:
        """Return the value of `key` as of a version; None when none was written or learned."""
        query = "SELECT value FROM changes WHERE key = ? AND version <= ? ORDER BY version DESC LIMIT 1"
        row = self._database.execute(query, (key, version)).fetchone()
        if row is None:
            row = self._database.execute("SELECT value FROM learned WHERE key = ?", (key,)).fetchone()
        return None if row is None else _value(key, row[0])

    def block(self, number: int) -> Block | None:
        """Return the block of that height; None when there is none."""
        row = self._database.execute("SELECT body FROM blocks WHERE number = ?", (number,)).fetchone()
        return None if row is None else unpack_block(row[0])

    def first_version(self, number: int) -> int | None:
        """Return the version that the block of that height was appended with; None when there is none."""
        row = self._database.execute("SELECT version FROM blocks WHERE number = ?", (number,)).fetchone()
        return None if row is None else int(row[0])

    def find_number(self, identity: bytes) -> int | None:
        """Return the height of the block with the hash of itself, its transaction or one of its operations."""
        row = self._database.execute("SELECT number FROM hashes WHERE hash = ?", (bytes(identity),)).fetchone()
        return None if row is None else int(row[0])

    def blooms(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Iterate over (height, bloom) of the blocks with logs, from `first` to `last`."""
        query = "SELECT number, bloom FROM blocks WHERE number BETWEEN ? AND ? AND bloom IS NOT NULL ORDER BY number"
        rows = self._database.execute(query, (first, last))
        return ((number, int.from_bytes(bloom)) for number, bloom in rows)

    def set_clock_offset(self, clock_offset: int) -> None:
        """Write the clock's offset, in seconds."""
        self._database.execute(_SET_CLOCK_OFFSET, (clock_offset,))
        self._clock_offset = clock_offset

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Add a snapshot and return its number, which is never reused."""
        row = (snapshot.version, snapshot.number, snapshot.clock_offset, snapshot.node)
        return int(self._database.execute(_ADD_SNAPSHOT, row).lastrowid or 0)

    def revert_to_snapshot(self, identity: int) -> Reverted | None:
        """Remove a snapshot, all later ones, and every version and block after it; None when it does not exist."""
        query = "SELECT version, block, clock_offset, node FROM snapshots WHERE id = ?"
        row = self._database.execute(query, (identity,)).fetchone()
        return None if row is None else self._revert(Snapshot(*row), identity)

    def reset(self) -> Reverted:
        """Remove all snapshots, and every version and block after the first one."""
        row = self._database.execute("SELECT version, number FROM blocks ORDER BY number LIMIT 1").fetchone()
        return self._revert(Snapshot(version=row[0], number=row[1], clock_offset=0), 0)

    def rewind(self, to: Snapshot) -> Reverted:
        """Remove every version and block after `to`, and the snapshots that were taken later."""
        later = "SELECT coalesce(min(id), 1 << 62) FROM snapshots WHERE version > ?"
        return self._revert(to, self._database.execute(later, (to.version,)).fetchone()[0])

    def _revert(self, snapshot: Snapshot, identity: int) -> Reverted:
        execute = self._database.execute
        version = snapshot.version
        with self._database:
            execute("BEGIN")
            keys = [key for (key,) in execute("SELECT DISTINCT key FROM changes WHERE version > ?", (version,))]
            execute("DELETE FROM snapshots WHERE id >= ?", (identity,))
            execute("DELETE FROM versions WHERE version > ?", (version,))
            execute("DELETE FROM changes WHERE version > ?", (version,))
            execute("DELETE FROM blocks WHERE number > ?", (snapshot.number,))
            execute("DELETE FROM hashes WHERE number > ?", (snapshot.number,))
            execute(_SET_CLOCK_OFFSET, (snapshot.clock_offset,))
            execute(_SET_NODE, (snapshot.node,))
        self._clock_offset = snapshot.clock_offset
        (root,) = execute("SELECT root FROM versions WHERE version = ?", (version,)).fetchone()
        return Reverted(snapshot=snapshot, root=root, values=[self._newest_value(key) for key in keys])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def dump(self, tick: Callable[[], None]) -> Mapping[str, Any]:
        """Return all versions and blocks as JSON values; `tick` is called now and then."""
        return dump_rows(self._database, tick)

    def hash_genesis(self) -> str:
        """Return a hash of the first version's changes, which a dump does not contain."""
        return hash_genesis(self._database)

    def load_dump(self, rows: Mapping[str, Any], clock_offset: int, node: str) -> None:
        """Replace all versions and blocks by those of a dump, atomically, and remove all snapshots."""
        with self._database:
            self._file.execute("BEGIN")
            load_rows(self._file, rows)
            self._file.execute(_SET_CLOCK_OFFSET, (clock_offset,))
            self._file.execute(_SET_NODE, (node,))
        self._clock_offset = clock_offset

    def set_node(self, node: str) -> None:
        """Write the settings and the mempool."""
        self._database.execute(_SET_NODE, (node,))

    def get_node(self) -> str | None:
        """Read the settings and the mempool; None for a new node."""
        return self.get_fact("node")

    def set_fact(self, name: str, value: str) -> None:
        """Write a fact about the chain, such as the pinned block of a fork."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def get_fact(self, name: str) -> str | None:
        """Read a fact; None when it was never written."""
        value = self._fact(name)
        return None if value is None else str(value)

    def _claim(self, identity: str, folder: Path) -> None:
        found = self.get_fact("identity")
        if found is None:
            self.set_fact("identity", identity)
        elif found != identity:
            raise UnusableFolder(f"{folder} contains another chain ({found}), not {identity}")

    def _fact(self, name: str) -> str | int | None:
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _newest_values(self) -> Iterator[StoredValue]:
        query = self._database.execute
        for key, value in query("SELECT key, value FROM learned"):
            yield key, -1, _value(key, value)
        # with max(), the other columns are those of its row: https://sqlite.org/lang_select.html#bareagg
        for key, version, value in query("SELECT key, max(version), value FROM changes GROUP BY key"):
            yield key, version, _value(key, value)

    def _newest_value(self, key: bytes) -> StoredValue:
        query = "SELECT version FROM changes WHERE key = ? ORDER BY version DESC LIMIT 1"
        row = self._database.execute(query, (key,)).fetchone()
        version = -1 if row is None else int(row[0])
        return key, version, self.value_at(key, version)


@contextmanager
def _translate_errors(folder: Path) -> Iterator[None]:
    """Translate errors of the file system and of SQLite to `UnusableFolder`."""
    file = folder / FILE_NAME
    try:
        yield
    except OSError as error:
        raise UnusableFolder(f"cannot make {folder}: {error.strerror}") from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & _PRIMARY_CODE in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise UnusableFolder(f"{folder} is in use by another chain") from error
        raise UnusableFolder(f"cannot use {file}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise UnusableFolder(f"{file} is not the database of a chain") from error


def _rows(values: Mapping[bytes, Value]) -> Iterator[tuple[bytes, bytes]]:
    return ((key, _bytes(value)) for key, value in values.items())


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else encode_integer(value)


def _value(key: bytes, stored: bytes) -> Value:
    return stored if is_code(key) else int.from_bytes(stored)

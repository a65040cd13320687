"""A chain kept in an SQLite file.

The rule: one block, or one direct change, is one SQLite transaction, so the file always holds a whole number of them,
also after `kill -9` (write-ahead log; a power cut may lose the last few).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from wallet_rpc.devchain.chain_state import Value, is_code
from wallet_rpc.devchain.ledger import encode_integer, pack_block, unpack_block
from wallet_rpc.devchain.store import Snapshot, StoredChain, VersionRecord

FILE_NAME = "chain.sqlite"
"""Inside the data folder."""
_FORMAT = 1
_PRIMARY_CODE = 0xFF
"""The part of an SQLite error code that says its kind. Source: https://sqlite.org/rescode.html"""
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS learned (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (version INTEGER PRIMARY KEY, root BLOB NOT NULL, block INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS changes (version INTEGER, key BLOB, value BLOB NOT NULL, PRIMARY KEY (version, key))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS snapshots
    (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER, block INTEGER, clock_offset INTEGER);
"""


class UnusableFolder(Exception):
    """The folder cannot hold this chain; the message says why."""


class SqliteStore:
    """The file `chain.sqlite` in a folder; made when it is not there. One process at a time."""

    def __init__(self, folder: Path, identity: str) -> None:
        """`identity` says which chain this is.

        Raises: UnusableFolder for another one's file, one in use, or one that cannot be written.
        """
        with _translate_errors(folder), ExitStack() as opened:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / FILE_NAME, isolation_level=None, timeout=2)
            opened.callback(self._database.close)
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_TABLES)
            self._claim(f"format {_FORMAT}, {identity}", folder)
            opened.pop_all()

    def load(self) -> StoredChain:
        """Everything in the file."""
        query = self._database.execute
        return StoredChain(
            upstream_values={key: _value(key, value) for key, value in query("SELECT key, value FROM learned")},
            versions=self._versions(),
            blocks=tuple(unpack_block(body) for (body,) in query("SELECT body FROM blocks ORDER BY number")),
            block_versions=tuple(
                version for (version,) in query("SELECT max(version) FROM versions GROUP BY block ORDER BY block")
            ),
            clock_offset=int(self._fact("clock_offset") or 0),
        )

    def append(self, entry: VersionRecord) -> None:
        """Add a version; all or nothing."""
        with self._database:
            execute, many = self._database.execute, self._database.executemany
            execute("BEGIN")
            execute("INSERT INTO versions VALUES (?, ?, ?)", (entry.version, entry.root, entry.number))
            rows = ((entry.version, key, _bytes(value)) for key, value in entry.changes.items())
            many("INSERT INTO changes VALUES (?, ?, ?)", rows)
            many("INSERT OR IGNORE INTO learned VALUES (?, ?)", _rows(entry.upstream_values))
            if entry.block is not None:
                execute("INSERT INTO blocks VALUES (?, ?)", (entry.number, pack_block(entry.block)))
            execute("INSERT OR REPLACE INTO facts VALUES ('clock_offset', ?)", (entry.clock_offset,))

    def set_clock_offset(self, clock_offset: int) -> None:
        """The shift of the clock, in seconds."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES ('clock_offset', ?)", (clock_offset,))

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Its number, never used before."""
        row = (snapshot.version, snapshot.number, snapshot.clock_offset)
        made = self._database.execute("INSERT INTO snapshots (version, block, clock_offset) VALUES (?, ?, ?)", row)
        return int(made.lastrowid or 0)

    def revert_to_snapshot(self, identity: int) -> Snapshot | None:
        """Drop it, all later ones, and every version and block after it."""
        execute = self._database.execute
        row = execute("SELECT version, block, clock_offset FROM snapshots WHERE id = ?", (identity,)).fetchone()
        if row is None:
            return None
        kept = Snapshot(*row)
        with self._database:
            execute("BEGIN")
            execute("DELETE FROM snapshots WHERE id >= ?", (identity,))
            execute("DELETE FROM versions WHERE version > ?", (kept.version,))
            execute("DELETE FROM changes WHERE version > ?", (kept.version,))
            execute("DELETE FROM blocks WHERE number > ?", (kept.number,))
            execute("INSERT OR REPLACE INTO facts VALUES ('clock_offset', ?)", (kept.clock_offset,))
        return kept

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def set_fact(self, name: str, value: str) -> None:
        """Keep a fact about the chain, such as the block a fork is pinned at."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def get_fact(self, name: str) -> str | None:
        """A fact that was kept."""
        value = self._fact(name)
        return None if value is None else str(value)

    def _claim(self, identity: str, folder: Path) -> None:
        found = self.get_fact("identity")
        if found is None:
            self.set_fact("identity", identity)
        elif found != identity:
            raise UnusableFolder(f"{folder} holds another chain ({found}), not {identity}")

    def _fact(self, name: str) -> str | int | None:
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _versions(self) -> Iterator[tuple[bytes, Mapping[bytes, Value]]]:
        changes: dict[int, dict[bytes, Value]] = {}
        for version, key, value in self._database.execute("SELECT version, key, value FROM changes"):
            changes.setdefault(version, {})[key] = _value(key, value)
        for version, root in self._database.execute("SELECT version, root FROM versions ORDER BY version"):
            yield root, changes.get(version, {})


@contextmanager
def _translate_errors(folder: Path) -> Iterator[None]:
    """Tell what the file system and SQLite say of a folder."""
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
        raise UnusableFolder(f"{file} is not a chain's file") from error


def _rows(values: Mapping[bytes, Value]) -> Iterator[tuple[bytes, bytes]]:
    return ((key, _bytes(value)) for key, value in values.items())


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else encode_integer(value)


def _value(key: bytes, stored: bytes) -> Value:
    return stored if is_code(key) else int.from_bytes(stored)

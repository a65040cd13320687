"""Chain store in an SQLite file.

One block, or one direct change, is one SQLite transaction. The file therefore always has complete blocks and changes,
also after `kill -9`; a power cut may lose the last few (write-ahead log).
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
"""The file name in the data folder."""
_FORMAT = 1
_PRIMARY_CODE = 0xFF
"""The bits of an SQLite error code that name its kind. Source: https://sqlite.org/rescode.html"""
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
    """The folder cannot be used for this chain; the message has the reason."""


class SqliteStore:
    """The file `chain.sqlite` in a folder, created if needed. One process at a time."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Open or create the file; `identity` names the chain.

        Raises: UnusableFolder when the file belongs to another chain, is in use, or cannot be written.
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
        """Read everything in the file."""
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
        """Add a version atomically."""
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
        """Write the clock's offset, in seconds."""
        self._database.execute("INSERT OR REPLACE INTO facts VALUES ('clock_offset', ?)", (clock_offset,))

    def add_snapshot(self, snapshot: Snapshot) -> int:
        """Add a snapshot and return its number, which is never reused."""
        row = (snapshot.version, snapshot.number, snapshot.clock_offset)
        made = self._database.execute("INSERT INTO snapshots (version, block, clock_offset) VALUES (?, ?, ?)", row)
        return int(made.lastrowid or 0)

    def revert_to_snapshot(self, identity: int) -> Snapshot | None:
        """Remove a snapshot, all later ones, and every version and block after it; None when it does not exist."""
        execute = self._database.execute
        row = execute("SELECT version, block, clock_offset FROM snapshots WHERE id = ?", (identity,)).fetchone()
        if row is None:
            return None
        snapshot = Snapshot(*row)
        with self._database:
            execute("BEGIN")
            execute("DELETE FROM snapshots WHERE id >= ?", (identity,))
            execute("DELETE FROM versions WHERE version > ?", (snapshot.version,))
            execute("DELETE FROM changes WHERE version > ?", (snapshot.version,))
            execute("DELETE FROM blocks WHERE number > ?", (snapshot.number,))
            execute("INSERT OR REPLACE INTO facts VALUES ('clock_offset', ?)", (snapshot.clock_offset,))
        return snapshot

    def close(self) -> None:
        """Close the file."""
        self._database.close()

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

    def _versions(self) -> Iterator[tuple[bytes, Mapping[bytes, Value]]]:
        changes: dict[int, dict[bytes, Value]] = {}
        for version, key, value in self._database.execute("SELECT version, key, value FROM changes"):
            changes.setdefault(version, {})[key] = _value(key, value)
        for version, root in self._database.execute("SELECT version, root FROM versions ORDER BY version"):
            yield root, changes.get(version, {})


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

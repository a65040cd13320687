"""Rows of a chain's store as JSON values, for a dump, and back.

The changes of version 0 are those of the genesis. They are most of a short chain, so a dump has their hash only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from wallet_rpc.devchain.block_codec import unpack_block
from wallet_rpc.devchain.stored_blocks import insert_block

_TABLES = {
    "versions": ("version", "root", "block"),
    "changes": ("version", "key", "value"),
    "learned": ("key", "value"),
    "blocks": ("version", "body"),
}
_SELECT = {
    "versions": "SELECT version, root, block FROM versions ORDER BY version",
    "changes": "SELECT version, key, value FROM changes WHERE version > 0 ORDER BY version, key",
    "learned": "SELECT key, value FROM learned ORDER BY key",
    "blocks": "SELECT version, body FROM blocks ORDER BY number",
}
_INSERT = {
    "versions": "INSERT INTO versions VALUES (?, ?, ?)",
    "changes": "INSERT INTO changes VALUES (?, ?, ?)",
    "learned": "INSERT INTO learned VALUES (?, ?)",
}
_ROWS = 1_000
"""The rows between two ticks."""


_CLEAR = (
    "DELETE FROM changes WHERE version > 0",
    *(f"DELETE FROM {table}" for table in ("snapshots", "hashes", "versions", "learned", "blocks")),  # noqa: S608  # constants
)


def hash_genesis(database: sqlite3.Connection) -> str:
    """Return a hash of all changes of version 0."""
    digest = sha256()
    for key, value in database.execute("SELECT key, value FROM changes WHERE version = 0 ORDER BY key"):
        digest.update(sha256(key).digest() + sha256(value).digest())
    return digest.hexdigest()


def dump_rows(database: sqlite3.Connection, tick: Callable[[], None]) -> dict[str, list[list[int | str]]]:
    """Return the rows of versions, changes, values of a forked chain and blocks; `tick` is called now and then."""
    rows: dict[str, list[list[int | str]]] = {}
    for table, query in _SELECT.items():
        rows[table] = []
        for number, row in enumerate(database.execute(query)):
            rows[table].append([value.hex() if isinstance(value, bytes) else int(value) for value in row])
            if number % _ROWS == 0:
                tick()
    return rows


def load_rows(database: sqlite3.Connection, rows: Mapping[str, Any]) -> None:
    """Replace all rows but the genesis by a dump's, in the open transaction, without snapshots.

    Raises: ValueError, TypeError, KeyError, sqlite3.Error or the codec's errors for rows that are no dump's.
    """
    for statement in _CLEAR:
        database.execute(statement)
    for table, statement in _INSERT.items():
        database.executemany(statement, _read_rows(rows, table))
    for version, body in _read_rows(rows, "blocks"):
        insert_block(database, unpack_block(body), version, body)
    _check(database)


def _check(database: sqlite3.Connection) -> None:
    """Check that the blocks follow each other, that each has its version, and that both begin at version 0.

    Raises: ValueError.
    """
    first, last, count = database.execute("SELECT min(number), max(number), count(*) FROM blocks").fetchone()
    least, newest, versions = database.execute("SELECT min(version), max(version), count(*) FROM versions").fetchone()
    initial = database.execute("SELECT version FROM blocks ORDER BY number LIMIT 1").fetchone()
    unknown = "SELECT count(*) FROM blocks WHERE version NOT IN (SELECT version FROM versions)"
    if database.execute(unknown).fetchone() != (0,):
        raise ValueError("expected a version for each block")
    if initial != (0,) or last - first + 1 != count or least != 0 or newest + 1 != versions:
        raise ValueError("expected complete blocks and versions")


def _read_rows(rows: Mapping[str, Any], table: str) -> Iterator[list[Any]]:
    for row in rows[table]:
        if len(row) != len(_TABLES[table]):
            raise ValueError("expected a row of its table")
        yield [bytes.fromhex(value) if isinstance(value, str) else int(value) for value in row]

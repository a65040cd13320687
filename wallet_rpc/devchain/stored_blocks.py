"""Rows of blocks in the store, with the hashes that name them, and the upgrade of files of the first format."""

from __future__ import annotations

import sqlite3

from wallet_rpc.devchain.ledger import Block, unpack_block
from wallet_rpc.domain.operation_events import operation_events


def insert_block(database: sqlite3.Connection, block: Block, version: int, body: bytes) -> None:
    """Insert a block with its first version, and its hashes, in the open transaction."""
    inclusion = block.inclusion
    bloom = None if inclusion is None or not inclusion.logs else block.bloom
    database.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", (block.number, version, bloom, body))
    database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?)", (block.hash, block.number))
    if inclusion is not None:
        operations = (event.operation_hash for event in operation_events(inclusion.logs))
        rows = [(identity, block.number) for identity in (inclusion.hash, *operations)]
        database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?)", rows)


def upgrade(database: sqlite3.Connection, identity: str, *, to: int) -> None:
    """Upgrade a file of format 1 atomically; its blocks have no versions, blooms and hashes."""
    has_facts = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone() is not None
    name = database.execute("SELECT value FROM facts WHERE name = 'identity'").fetchone() if has_facts else None
    if name is None or name[0] != f"format 1, {identity}":
        return
    with database:
        database.execute("BEGIN")
        database.execute("ALTER TABLE blocks RENAME TO old_blocks")
        database.execute(
            "CREATE TABLE blocks (number INTEGER PRIMARY KEY, version INTEGER NOT NULL, bloom BLOB, body BLOB NOT NULL)"
        )
        database.execute("CREATE TABLE hashes (hash BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID")
        rows = database.execute(
            "SELECT version, body FROM old_blocks"
            " JOIN (SELECT block, min(version) AS version FROM versions GROUP BY block) ON block = number"
        )
        for version, body in rows:
            insert_block(database, unpack_block(body), version, body)
        database.execute("DROP TABLE old_blocks")
        database.execute("UPDATE facts SET value = ? WHERE name = 'identity'", (f"format {to}, {identity}",))

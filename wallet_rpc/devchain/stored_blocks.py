"""Rows of blocks in the store, with the hashes that name them, and the upgrade of files of earlier formats."""

from __future__ import annotations

import sqlite3

from wallet_rpc.devchain.block_codec import unpack_block
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.domain.operation_events import operation_events


def insert_block(database: sqlite3.Connection, block: Block, version: int, body: bytes) -> None:
    """Insert a block with its first version, and its hashes, in the open transaction."""
    bloom = block.bloom if block.has_logs else None
    database.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", (block.number, version, bloom, body))
    database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?)", (block.hash, block.number))
    for inclusion in block.inclusions:
        operations = (event.operation_hash for event in operation_events(inclusion.logs))
        rows = [(identity, block.number) for identity in (inclusion.hash, *operations)]
        database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?)", rows)


def upgrade(database: sqlite3.Connection, identity: str, *, to: int) -> None:
    """Upgrade a file of an earlier format atomically.

    Blocks of format 1 have no versions, blooms and hashes; snapshots before format 3 have no node record.
    """
    has_facts = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone() is not None
    name = database.execute("SELECT value FROM facts WHERE name = 'identity'").fetchone() if has_facts else None
    formats = {f"format {number}, {identity}": number for number in range(1, to)}
    found = None if name is None else formats.get(name[0])
    if found is None:
        return
    with database:
        database.execute("BEGIN")
        if found == 1:
            _upgrade_blocks(database)
        database.execute("ALTER TABLE snapshots ADD COLUMN node TEXT")
        database.execute("UPDATE facts SET value = ? WHERE name = 'identity'", (f"format {to}, {identity}",))


def _upgrade_blocks(database: sqlite3.Connection) -> None:
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

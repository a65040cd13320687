"""Log entries in the receipts of nodes and bundlers."""

from __future__ import annotations

from collections.abc import Iterable

from wallet_rpc.ports import Log
from wallet_rpc.primitives import Address, Data, Hash32
from wallet_rpc.wire import shape


@shape
class LogEntry:
    """One log entry; its other fields are ignored."""

    address: Address
    topics: tuple[Hash32, ...]
    data: Data


def logs_of(entries: Iterable[LogEntry]) -> tuple[Log, ...]:
    """Convert the entries to `ports.Log`."""
    return tuple(Log(address=entry.address, topics=entry.topics, data=entry.data) for entry in entries)

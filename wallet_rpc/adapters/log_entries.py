"""Log entries as nodes and bundlers write them in receipts."""

from __future__ import annotations

from collections.abc import Iterable

from wallet_rpc.ports import Log
from wallet_rpc.primitives import Address, Data, Hash32
from wallet_rpc.wire import shape


@shape
class LogEntry:
    """One entry; what else stands beside these is ignored."""

    address: Address
    topics: tuple[Hash32, ...]
    data: Data


def logs_of(entries: Iterable[LogEntry]) -> tuple[Log, ...]:
    """The entries as operations see them."""
    return tuple(Log(address=entry.address, topics=entry.topics, data=entry.data) for entry in entries)

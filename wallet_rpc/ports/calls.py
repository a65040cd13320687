"""Storage ports of sent calls: their records, and the outbox of calls that wait for a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.primitives import Address, ChainId, Hash32, UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsPage:
    """A page of a session's calls, newest first."""

    calls: tuple[CallRecord, ...]
    next_page: bytes
    """The place from which the next page continues: time of sending and hash (40 bytes); empty: no further page."""


class Calls(Protocol):
    """Records of one organisation's sent calls. The record decides everything; the outbox only points at it.

    Each write of a record also stores the events of the change, and then appends them to the event log.
    """

    async def claim(self, call: CallRecord, signed: str) -> CallRecord | None:
        """Store a new call with its signed form, atomically, and return None: the caller then delivers it.

        If the call has a record, return that one and write nothing. A record of a server before 0.2.0, which kept no
        signed call, is replaced unless it is of a refused call. The outbox entry, due when the lease of `call` ends,
        is written first.
        """

    async def update(self, old: CallRecord, new: CallRecord) -> CallRecord:
        """Replace the record `old` by `new` if it is still stored, and return the record that is stored then.

        The signed call is deleted when `new` is final.
        """

    async def get(self, chain_id: ChainId, operation_hash: Hash32) -> CallRecord | None:
        """Return the record of a call."""

    async def signed(self, chain_id: ChainId, operation_hash: Hash32) -> str | None:
        """Return the signed call, as it was claimed, while it is not final."""

    async def list_by_nonce(self, chain_id: ChainId, account: Address, nonce: int) -> tuple[CallRecord, ...]:
        """Return the account's records with this nonce, newest first."""

    async def append_events(self, chain_id: ChainId, operation_hash: Hash32) -> None:
        """Append the events of a call that wait to the event log: those of a writer that ended. Raises: Unavailable."""

    async def page_of_session(
        self, reference: SessionReference, *, now: UnixSeconds, after: bytes, limit: int
    ) -> CallsPage:
        """Return up to `limit` calls that a session signed, newest first.

        `after` is the previous page's `next_page`, empty at first. A page may be shorter, also if others follow.
        """

    async def schedule(self, call: CallRecord, *, at: UnixSeconds) -> None:
        """Have a worker look at the call at the time `at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A pointer to a call that is due, as a worker received it."""

    organization: OrganizationId
    chain_id: ChainId
    operation_hash: Hash32
    stream_id: str
    """The id of the stream's entry, which confirms that the work is done."""


class Outbox(Protocol):
    """The calls of all organisations that wait for a worker. An entry is a hint; the call's record is the truth."""

    async def take(self, *, now: UnixSeconds) -> tuple[OutboxEntry, ...]:
        """Return some of the entries that are due, and entries that another worker took but did not finish in time.

        No other worker gets them for `TAKEOVER_SECONDS`.
        """

    async def finish(self, entry: OutboxEntry, *, next_at: UnixSeconds | None) -> None:
        """Confirm that the work is done; the call is due again at `next_at`, or never."""

    async def restore(self, *, now: UnixSeconds) -> int:
        """Find stored signed calls without an entry, make them due now, and return their number."""

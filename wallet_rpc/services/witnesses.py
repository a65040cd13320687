"""Evidence about a sent call: what the node shows of it, and what the deliveries say that they hold.

A call is included only if the node itself shows EntryPoint's event of it; a bundler's receipt is a hint where to look.
A call is replaced only if the node shows the event of another operation with its nonce. A used nonce alone proves
nothing: the account may have used it up, or the node may lag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState, Evidence
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.receipt import CallReceipt, EncodedReceipt
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.ports import NO_LOGS, ChainPorts, NonceUse, OperationReceipt, PendingOperation, TransactionReceipt
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Hash32
from wallet_rpc.services.call_failures import expired_error, nonce_used_error

_T = TypeVar("_T")

SEARCHED_BLOCKS = 20_000
"""Number of blocks that one examination searches; a longer search goes on with the next one."""
HINT_SECONDS = 2.0
"""Maximum time for the answer of a bundler to a question about a call."""
REORG_MARGIN_BLOCKS = 64
"""Number of blocks, at least, that each examination searches again, since a replaced block may have another content."""
NONCE_USED = "nonce_used_without_event"
"""Reason why a call is pending: its nonce is used, but no operation is found that used it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The result of an examination."""

    change: Callable[[CallRecord], CallRecord] = lambda record: record
    """The effect of the evidence on the record, also on one that another process has changed since."""
    pending: PendingOperation | None = None
    """The operation as a bundler has it."""
    is_missing: bool = False
    """True if the call can still be included and no delivery has it, so that it has to be delivered again."""
    reason: str | None = None
    """Why nothing final can be said, where the evidence is incomplete."""


async def examine(chain: ChainPorts, record: CallRecord) -> Examination:
    """Collect the evidence about a user operation that is not final. Raises: Unavailable without the node.

    Bundlers are not asked about a call of which the node shows the used nonce and the event.
    """
    latest, next_nonce = await asyncio.gather(chain.node.block_number(), _read_next_nonce(chain, record))
    search = _Search(chain, record, latest)
    receipt = await search.find_receipt() if next_nonce > record.nonce else None
    pending = None
    if receipt is None:
        pending, hint = await asyncio.gather(_lookup(chain, record.hash), read_hint(chain.bundler.receipt(record.hash)))
        receipt = await search.find_hinted_receipt(hint)
    if receipt is not None:
        return Examination(change=partial(_include, chain, receipt, latest), pending=pending)
    known = record.read_receipt()
    if known is not None and not await _is_replaced(chain, known):
        return Examination(pending=pending)  # the node that answered lags behind the one that showed the block
    if next_nonce > record.nonce:
        return await _examine_nonce_use(chain, record, search, latest, pending)
    if await _is_past_deadline(chain, record, latest):
        return Examination(change=lambda one: one.after(Evidence.DEADLINE_PASSED, error=expired_error(one)))
    reason = NO_LOGS if search.has_no_logs else None
    if pending is None:
        return Examination(change=search.record_absence, is_missing=True, reason=reason)
    return Examination(
        change=lambda one: search.record_absence(one).after(Evidence.IN_MEMPOOL), pending=pending, reason=reason
    )


async def _examine_nonce_use(
    chain: ChainPorts, record: CallRecord, search: _Search, latest: int, pending: PendingOperation | None
) -> Examination:
    """Find the operation that used the call's nonce, if the node does not show the call itself."""
    use = await search.find_nonce_use()
    is_other = use is not None and use.operation_hash != record.hash
    if use is not None and is_other and has_depth(chain, use.block_number, latest):
        return Examination(change=lambda one: one.after(Evidence.NONCE_USED, error=nonce_used_error(one)))
    reason = NO_LOGS if search.has_no_logs else None if is_other else NONCE_USED
    return Examination(change=search.record_absence, pending=pending, reason=reason)


async def _is_replaced(chain: ChainPorts, receipt: CallReceipt) -> bool:
    """Return True if the node has another block of the receipt's height."""
    head = await chain.node.block_head(receipt.block_number)
    return head is not None and head.hash != receipt.block_hash


async def _is_past_deadline(chain: ChainPorts, record: CallRecord, latest: int) -> bool:
    """Return True if a final block is later than the deadline, and the call's nonce is unused at that block."""
    final = latest - chain.confirmations + 1
    if not record.valid_until or final < 0:
        return False
    head = await chain.node.block_head(final)
    if head is None or head.timestamp <= record.valid_until:
        return False
    return await _read_next_nonce(chain, record, block=final) <= record.nonce


async def find_recent_nonce_use(chain: ChainPorts, sender: Address, nonce: int) -> NonceUse | None:
    """Return the operation that used a nonce, in the last `SEARCHED_BLOCKS`; None if it is not found.

    Raises: Unavailable.
    """
    latest = await chain.node.block_number()
    blocks = range(max(latest - SEARCHED_BLOCKS + 1, 0), latest + 1)
    return await chain.node.find_nonce_use(sender, nonce, blocks, to_latest=True)


class _Search:
    """A search of the node's logs for one call, from the first block that may have it, in bounded ranges.

    Replacements of blocks may move the call below the block of its acceptance, by less than a margin.
    """

    def __init__(self, chain: ChainPorts, record: CallRecord, latest: int) -> None:
        self._chain = chain
        self._record = record
        first = record.first_block if record.searched_block is None else record.searched_block
        margin = max(REORG_MARGIN_BLOCKS, chain.confirmations)
        start = latest - SEARCHED_BLOCKS + 1 if first is None else min(first - margin, latest)
        self._blocks = range(max(start, 0), min(max(start, 0) + SEARCHED_BLOCKS, latest + 1))
        self._reaches_latest = self._blocks.stop > latest
        self.has_no_logs = False

    async def find_receipt(self) -> OperationReceipt | None:
        """Return the call's receipt as the node has it: in the known transaction, else by its event."""
        known = self._record.read_receipt()
        receipt = None if known is None else await self._read_receipt(known.transaction_hash)
        return await self._find_event() if receipt is None else receipt

    async def find_hinted_receipt(self, hint: OperationReceipt | None) -> OperationReceipt | None:
        """Return the call's receipt as the node has it: in a bundler's transaction, else as `find_receipt` does."""
        receipt = None if hint is None else await self._read_receipt(hint.transaction_hash)
        return await self.find_receipt() if receipt is None else receipt

    async def _read_receipt(self, transaction: Hash32) -> OperationReceipt | None:
        return await self._chain.node.read_operation(self._record.hash, transaction=transaction)

    async def _find_event(self) -> OperationReceipt | None:
        return await self._with_logs(
            self._chain.node.find_operation(self._record.hash, self._blocks, to_latest=self._reaches_latest)
        )

    async def find_nonce_use(self) -> NonceUse | None:
        """Return the operation that used the call's nonce."""
        record = self._record
        return await self._with_logs(
            self._chain.node.find_nonce_use(record.sender, record.nonce, self._blocks, to_latest=self._reaches_latest)
        )

    def record_absence(self, record: CallRecord) -> CallRecord:
        """Return the record of a call that is in no block, with the progress of the search where that is worth it."""
        absent = record.after(Evidence.NOT_IN_BLOCK, receipt=None, revert_data=Data())
        last = self._blocks.stop - 1
        before = record.first_block if record.searched_block is None else record.searched_block
        if self.has_no_logs or before is None or last - before < SEARCHED_BLOCKS // 20:
            return absent
        return replace(absent, searched_block=last)

    async def _with_logs(self, search: Awaitable[_T | None]) -> _T | None:
        try:
            return await search
        except Unavailable as error:
            if error.reason != NO_LOGS:
                raise
            self.has_no_logs = True
            return None


def _include(chain: ChainPorts, receipt: OperationReceipt, latest: int, record: CallRecord) -> CallRecord:
    revert_data = Data(receipt.revert_reason)
    stored = build_receipt(receipt, succeeded=receipt.success)
    included = record.after(Evidence.IN_BLOCK, receipt=stored, revert_data=revert_data)
    if not has_depth(chain, receipt.block_number, latest):
        return included
    return included.after(Evidence.SUCCESS_CONFIRMED if receipt.success else Evidence.REVERT_CONFIRMED)


def has_depth(chain: ChainPorts, block_number: int, latest: int) -> bool:
    """Return True if the block and the later ones are the chain's number of confirmations."""
    return max(latest - block_number, 0) + 1 >= chain.confirmations


async def _read_next_nonce(chain: ChainPorts, record: CallRecord, *, block: int | None = None) -> int:
    """Return the account's next nonce of the call's key."""
    key, _ = split_nonce(record.nonce)
    return await chain.node.user_operation_nonce(record.sender, key.key, block=block)


async def _lookup(chain: ChainPorts, operation_hash: Hash32) -> PendingOperation | None:
    """Return the operation as the first delivery has it that knows it; None if none knows it or answers."""
    found = await asyncio.gather(*(read_hint(one.lookup(operation_hash)) for one in chain.deliveries))
    return next((one for one in found if one is not None), None)


async def read_hint(answer: Awaitable[_T | None]) -> _T | None:
    """Return a bundler's answer; None without one in `HINT_SECONDS`: only the node is indispensable."""
    try:
        async with asyncio.timeout(HINT_SECONDS):
            return await answer
    except (WalletError, TimeoutError):
        return None


def build_receipt(receipt: OperationReceipt | TransactionReceipt, *, succeeded: bool) -> EncodedReceipt:
    """Encode a receipt as it is stored and reported; written out, since a receipt may have thousands of logs."""
    logs = [
        {
            "address": log.address.hex0x(),
            "data": Data(log.data).hex0x(),
            "topics": [topic.hex0x() for topic in log.topics],
        }
        for log in receipt.logs
    ]
    return {
        "logs": logs,
        "status": "0x1" if succeeded else "0x0",
        "blockHash": receipt.block_hash.hex0x(),
        "blockNumber": hex(receipt.block_number),
        "gasUsed": hex(receipt.gas_used),
        "transactionHash": receipt.transaction_hash.hex0x(),
    }


async def examine_unrecorded(
    chain: ChainPorts, operation_hash: Hash32
) -> tuple[CallRecord | None, PendingOperation | None]:
    """Return a record, which is not stored, of an operation without one, if the node shows it in a block.

    The second value is the operation as the bundler has it. Raises: Unavailable.
    """
    latest, hint, pending = await asyncio.gather(
        chain.node.block_number(), chain.bundler.receipt(operation_hash), chain.bundler.lookup(operation_hash)
    )
    if hint is None:
        return None, pending
    receipt = await chain.node.read_operation(operation_hash, transaction=hint.transaction_hash)
    if receipt is None:
        return None, pending
    record = CallRecord(
        chain_id=chain.chain_id,
        hash=operation_hash,
        sender=ZERO_ADDRESS if pending is None else pending.operation.sender,
        nonce=0,
        max_fee_per_gas=0,
        max_priority_fee_per_gas=0,
        sent_at=0,
        state=CallState.SUBMITTED,
    )
    return _include(chain, receipt, latest, record), pending

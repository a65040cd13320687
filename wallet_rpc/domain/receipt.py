"""The receipt of a mined call on the wire, in `wallet_getCallsStatus` and in a swap's status. Source: EIP-5792."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from wallet_rpc.primitives import Address, BlockNumber, Data, Gas, Hash32
from wallet_rpc.wire import JsonOf, shape


@shape
class CallLog:
    """One log entry of a call."""

    address: Address
    """Contract that emitted the event."""
    data: Data
    """ABI-encoded arguments that are not indexed."""
    topics: tuple[Hash32, ...]
    """Up to four words: the event's signature hash and its indexed arguments."""


@shape
class CallReceipt:
    """A call's part of the transaction that included it; `gasUsed` in gas."""

    logs: tuple[CallLog, ...]
    """Events of this call alone, not those of the whole bundle."""
    status: Literal["0x1", "0x0"]
    """`0x1` if the calls succeeded, `0x0` if they reverted."""
    block_hash: Hash32
    """Hash of the block that includes the transaction."""
    block_number: BlockNumber
    """Number of the block that includes the transaction."""
    gas_used: Gas
    """Gas that the call used, as the entry point charged it."""
    transaction_hash: Hash32
    """Hash of the transaction that carried the call."""


EncodedReceipt: TypeAlias = Annotated[dict[str, Any], JsonOf(CallReceipt)]
"""A receipt in its JSON form, in which it is stored and reported; it may have hundreds of logs."""

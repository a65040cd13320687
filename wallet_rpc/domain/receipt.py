"""The receipt of a mined call on the wire, in `wallet_getCallsStatus` and in a swap's status. Source: EIP-5792."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from wallet_rpc.primitives import Address, BlockNumber, Data, Gas, Hash32
from wallet_rpc.wire import JsonOf, shape


@shape
class CallLog:
    """One log entry of a call."""

    address: Address
    data: Data
    topics: tuple[Hash32, ...]


@shape
class CallReceipt:
    """A call's part of the transaction that included it; `gasUsed` in gas."""

    logs: tuple[CallLog, ...]
    status: Literal["0x1", "0x0"]
    block_hash: Hash32
    block_number: BlockNumber
    gas_used: Gas
    transaction_hash: Hash32


EncodedReceipt: TypeAlias = Annotated[dict[str, Any], JsonOf(CallReceipt)]
"""A receipt in its JSON form, in which it is stored and reported; it may have hundreds of logs."""

"""Calls of user operations that were sent, decoded as `wallet_explainCalls` decodes those that are planned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.decoding.calls import Abis, CallDecoder, DecodedCall
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, ChainId
from wallet_rpc.services.call_explanation import CallDetails, describe_call
from wallet_rpc.services.token_decimals import read_decimals
from wallet_rpc.wire import shape
from wallet_rpc.worker_threads import compute_by_size

MAX_DECODED_CALLS = 1000
"""Maximum number of decoded calls of one operation, those inside of others included."""
MAX_DECODED_BYTES = 1 << 20
"""Maximum size of the call data of the operations of a list that are decoded, the first ones."""

_DecodedCalls: TypeAlias = list[tuple[Call, DecodedCall | None]]


@shape
class OperationCall(Call):
    """One call of a user operation."""

    decoded: tuple[CallDetails, ...] = ()
    """The call and those inside of it, as `wallet_explainCalls` has them; empty if the function is not known."""


async def decode_operations(chain: ChainPorts, records: Sequence[CallRecord]) -> list[tuple[OperationCall, ...] | None]:
    """Return the calls of each operation, with amounts in whole tokens; None for call data that cannot be decoded.

    Calls of operations beyond `MAX_DECODED_BYTES` have an empty `decoded`. The worker thread decodes long call data.
    """
    size = sum(len(record.call_data) for record in records)
    return await _describe_all(chain, partial(_decode, records), size=size)


async def describe_calls(chain: ChainPorts, calls: Sequence[Call]) -> tuple[OperationCall, ...]:
    """Return the calls of one operation, decoded as those of `decode_operations`."""
    work = partial(_decode_calls, calls, limit=MAX_DECODED_CALLS)
    (found,) = await _describe_all(chain, lambda: [work()], size=sum(len(call.data) for call in calls))
    return found or ()


async def _describe_all(
    chain: ChainPorts, decode: Callable[[], list[_DecodedCalls | None]], *, size: int
) -> list[tuple[OperationCall, ...] | None]:
    operations = await compute_by_size(decode, size=size)
    decimals = await read_decimals(chain, _find_tokens(operations))
    return await compute_by_size(partial(_describe, operations, decimals), size=size)


async def decode_of_all_chains(ports: Ports, records: Sequence[CallRecord]) -> list[tuple[OperationCall, ...] | None]:
    """Return the calls of each operation as `decode_operations` does, of any chains.

    Calls on a chain that is not configured any more have an empty `decoded`.
    """
    by_chain: dict[ChainId, list[CallRecord]] = {}
    for record in records:
        by_chain.setdefault(record.chain_id, []).append(record)
    found = await asyncio.gather(*(_decode_of_chain(ports, *each) for each in by_chain.items()))
    left = {chain_id: iter(of_chain) for chain_id, of_chain in zip(by_chain, found, strict=True)}
    return [next(left[record.chain_id]) for record in records]


async def _decode_of_chain(
    ports: Ports, chain_id: ChainId, records: Sequence[CallRecord]
) -> list[tuple[OperationCall, ...] | None]:
    chain = ports.chains.get(chain_id)
    if chain is not None:
        return await decode_operations(chain, records)
    operations = (decode_calls(record.sender, record.call_data) for record in records)
    return [None if calls is None else tuple(_describe_one(call, None, {}) for call in calls) for calls in operations]


def _decode(records: Sequence[CallRecord]) -> list[_DecodedCalls | None]:
    found: list[_DecodedCalls | None] = []
    left = MAX_DECODED_BYTES
    for record in records:
        calls = decode_calls(record.sender, record.call_data)
        left -= len(record.call_data)
        found.append(None if calls is None else _decode_calls(calls, limit=MAX_DECODED_CALLS if left >= 0 else 0))
    return found


def _decode_calls(calls: Iterable[Call], *, limit: int) -> _DecodedCalls:
    decoder = CallDecoder(Abis(), limit=limit)
    return [(call, decoder.decode(call.to, call.data)) for call in calls]


def _find_tokens(operations: Iterable[_DecodedCalls | None]) -> Iterator[Address]:
    for calls in operations:
        for _, decoded in calls or ():
            if decoded is not None:
                yield from decoded.find_tokens()


def _describe(
    operations: Iterable[_DecodedCalls | None], decimals: Mapping[Address, int]
) -> list[tuple[OperationCall, ...] | None]:
    return [
        None if calls is None else tuple(_describe_one(call, decoded, decimals) for call, decoded in calls)
        for calls in operations
    ]


def _describe_one(call: Call, decoded: DecodedCall | None, decimals: Mapping[Address, int]) -> OperationCall:
    return OperationCall(to=call.to, value=call.value, data=call.data, decoded=tuple(describe_call(decoded, decimals)))

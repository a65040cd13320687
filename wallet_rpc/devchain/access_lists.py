"""`eth_createAccessList`: the accounts and storage words that a transaction accesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from eth_typing import Address

from wallet_rpc.devchain.answers import JsonValue, format_data
from wallet_rpc.devchain.block_reference import BlockReference, resolve_height
from wallet_rpc.devchain.call_request import CallRequest, Overrides, call_of, overrides_of
from wallet_rpc.devchain.calls import translate_start_errors
from wallet_rpc.devchain.computation import Computation
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall
from wallet_rpc.devchain.traced_machine import TracingJournal
from wallet_rpc.operations.operation import Operation
from wallet_rpc.wire import shape

_MOST_RUNS = 8
"""The runs after which a list that still grows is returned; each longer list changes the gas that code sees."""

AccessList: TypeAlias = Sequence[tuple[bytes, Sequence[int]]]


@shape
class AccessListRequest:
    """A transaction, its block, and overrides of state."""

    transaction: CallRequest
    block: BlockReference | None = "pending"
    overrides: Overrides | None = None


async def create_access_list(context: DevChain, request: AccessListRequest) -> JsonValue:
    """`eth_createAccessList`: the list, the gas used with it, and the error of a transaction that fails."""
    chain = context.chain
    request.transaction.check(chain.config.chain_id)
    number = resolve_height(chain, request.block)
    call = call_of(chain, request.transaction)
    overrides = overrides_of(request.overrides)

    def run(call: MessageCall) -> tuple[AccessList, ExecutionResult]:
        journal = chain.open_journal(chain.version_at(number), chain.changes_at(number), TracingJournal)
        with translate_start_errors(call):
            result = chain.call_on(journal, call, number=number, overrides=overrides)
        root: Any = result.frame.computation
        return _find_entries(journal.accessed, {bytes(call.sender), bytes(root.msg.storage_address)}), result

    entries, result = run(call)
    for _ in range(_MOST_RUNS):
        before, call = entries, replace(call, access_list=entries)
        entries, result = run(call)
        if _as_sets(entries) == _as_sets(before):
            break
    failure = {} if result.success else {"error": result.error}
    return {"accessList": _format_entries(call.access_list), "gasUsed": hex(result.gas_used), **failure}


def _find_entries(accessed: Mapping[bytes, Mapping[int, None]], warm: set[bytes]) -> AccessList:
    """Return the accessed accounts that are not warm from the start, and those with accessed words."""
    return [
        (address, sorted(slots))
        for address, slots in sorted(accessed.items())
        if slots or (address not in warm and Address(address) not in Computation.get_precompiles())
    ]


def _as_sets(entries: AccessList) -> dict[bytes, frozenset[int]]:
    return {address: frozenset(slots) for address, slots in entries}


def _format_entries(entries: AccessList) -> JsonValue:
    return [
        {"address": format_data(address), "storageKeys": [format_data(slot.to_bytes(32)) for slot in slots]}
        for address, slots in entries
    ]


OPERATIONS = (Operation("eth_createAccessList", AccessListRequest, JsonValue, create_access_list, positional=True),)
"""The method of access lists."""

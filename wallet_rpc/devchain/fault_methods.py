"""Control methods of faults, which the methods `wallet_test_…` of a development server call."""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc import wire
from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.chain import PENDING_BLOCK
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.devchain.signing import GasFees, UnsignedTransaction
from wallet_rpc.devchain.state_reads import NoParams
from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.domain.operation_events import operation_events
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Data, Uint256
from wallet_rpc.wire import shape

_CALL_GAS = 5_000_000
"""The gas limit of a call without a key."""


@shape
class AddedFault:
    """A fault to add."""

    fault: Fault


@shape
class FaultId:
    """The id of a fault; all faults when it is absent."""

    id: Data | None = None


@shape
class Reorganization:
    """The number of blocks to replace, and whether their transactions return to the mempool."""

    depth: Uint256
    keeps_transactions: bool


@shape
class CallAs:
    """A call from an account."""

    sender: Address
    to: Address
    data: Data


async def add_fault(context: DevChain, request: AddedFault) -> JsonValue:
    """`dev_addFault`: for another base fee, a first block with it is mined at once."""
    fault = request.fault
    if fault.kind is FaultKind.RAISE_GAS_PRICE:
        context.chain.faults.add(replace(fault, remaining=fault.remaining + 1))
        context.chain.mine()
    else:
        context.chain.faults.add(fault)


async def list_faults(context: DevChain, request: NoParams) -> JsonValue:
    """`dev_listFaults`."""
    return [wire.encode(Fault, fault) for fault in context.chain.faults.faults]


async def clear_faults(context: DevChain, request: FaultId) -> int:
    """`dev_clearFaults`: returns how many faults were removed, and includes the operations that they kept back."""
    cleared = context.chain.faults.clear(request.id)
    context.bundler.include(context.bundler.held.take_of(request.id))
    return cleared


async def reorganize(context: DevChain, request: Reorganization) -> JsonValue:
    """`dev_reorganize`: returns the hashes of the transactions and the user operations in the replaced blocks.

    Returns only the greatest depth, if the chain has fewer blocks after its first one.
    """
    chain = context.chain
    highest = chain.head.number - chain.first_number
    if not 1 <= request.depth <= highest:
        return {"highest": highest}
    replaced = chain.reorganize(request.depth, keeps_transactions=request.keeps_transactions)
    context.filters.rewind(chain.head.number - request.depth)
    inclusions = [inclusion for block in replaced for inclusion in block.inclusions]
    operations = [event.operation_hash for inclusion in inclusions for event in operation_events(inclusion.logs)]
    return {
        "head": hex(chain.head.number),
        "transactions": [answers.format_data(inclusion.hash) for inclusion in inclusions],
        "operations": [answers.format_data(identity) for identity in operations],
    }


async def call_as(context: DevChain, request: CallAs) -> bool:
    """`dev_callAs`: sends a call from an account without its key, mines it, and returns its success.

    Balance and nonce of the account stay as they are.

    Raises: NodeRejection.
    """
    chain = context.chain
    balance, nonce = chain.balance(request.sender), chain.nonce(request.sender)
    gas = _CALL_GAS + chain.head.number  # so that no two calls are the same transaction
    unsigned = UnsignedTransaction(
        chain_id=chain.config.chain_id,
        nonce=chain.nonce(request.sender, PENDING_BLOCK),
        fees=GasFees(chain.base_fee, 0),
        gas=gas,
        to=request.to,
        data=request.data,
    )
    sent = SentTransaction.impersonate(unsigned.encode_without_signature(), request.sender)
    chain.set_balance(request.sender, balance + gas * chain.base_fee)
    try:
        if chain.submit(sent) is None:
            chain.mine()
    finally:
        chain.set_balance(request.sender, balance)
        chain.set_nonce(request.sender, nonce)  # an account that has sent a transaction could not be deployed
    found = chain.find_transaction(sent.hash)
    return found is not None and found[1].success


OPERATIONS = (
    Operation("dev_addFault", AddedFault, JsonValue, add_fault, positional=True),
    Operation("dev_listFaults", NoParams, JsonValue, list_faults, positional=True),
    Operation("dev_clearFaults", FaultId, JsonValue, clear_faults, positional=True),
    Operation("dev_reorganize", Reorganization, JsonValue, reorganize, positional=True),
    Operation("dev_callAs", CallAs, JsonValue, call_as, positional=True),
)
"""The control methods of faults."""

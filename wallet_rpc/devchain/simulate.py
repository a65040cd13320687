"""`eth_simulateV1`: calls in several blocks, each with its own overrides, without storing anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from wallet_rpc.devchain import answers
from wallet_rpc.devchain.answers import JsonValue, format_data
from wallet_rpc.devchain.block_reference import BlockReference, resolve_height
from wallet_rpc.devchain.call_request import BlockOverrides, CallRequest, Overrides, overrides_of
from wallet_rpc.devchain.chain import PENDING_BLOCK
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.evm import ExecutionResult
from wallet_rpc.devchain.execution import NO_BLOCK_OVERRIDE, BlockOverride
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.devchain.signing import GasFees
from wallet_rpc.devchain.simulation import BLOCK_SECONDS, BlockOutcome, SimulatedBlock, SimulatedCall, Simulation
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import ZERO_ADDRESS
from wallet_rpc.wire import shape, strict_shape

MAX_SIMULATED_BLOCKS = 256
"""The maximum number of simulated blocks, with the empty ones between them. Source: geth."""
_Flag = Annotated[bool, Field(strict=True)]


@strict_shape
class BlockCalls:
    """A block to simulate."""

    block_overrides: BlockOverrides | None = None
    state_overrides: Overrides | None = None
    calls: tuple[CallRequest, ...] | None = None


@strict_shape
class SimulationPlan:
    """The blocks to simulate, and how."""

    block_state_calls: Annotated[tuple[BlockCalls, ...], Field(min_length=1, max_length=MAX_SIMULATED_BLOCKS)]
    trace_transfers: _Flag | None = None
    validation: _Flag | None = None
    return_full_transactions: _Flag | None = None


@shape
class SimulateRequest:
    """The plan, and the block after which it begins."""

    plan: SimulationPlan
    block: BlockReference | None = "latest"


async def simulate(context: DevChain, request: SimulateRequest) -> JsonValue:
    """`eth_simulateV1`: the simulated blocks with the results of their calls. Raises: InvalidParams, NodeRejection."""
    chain, plan = context.chain, request.plan
    number = resolve_height(chain, request.block)
    base = chain.head if number is None or number == PENDING_BLOCK else chain.block(number)
    if base is None:
        raise UnknownBlock
    blocks = [_read_block(block, chain.config.chain_id) for block in plan.block_state_calls]
    _check_order(base, [block.block for block in blocks])
    simulation = Simulation(
        chain=chain,
        base=base,
        version=chain.version_at(number),
        changes=dict(chain.changes_at(number)),
        validates=plan.validation is True,
        traces_transfers=plan.trace_transfers is True,
    )
    for block in blocks:
        simulation.add(block)
    return [_format_outcome(outcome, full=plan.return_full_transactions is True) for outcome in simulation.outcomes]


def _read_block(block: BlockCalls, chain_id: int) -> SimulatedBlock:
    return SimulatedBlock(
        block=NO_BLOCK_OVERRIDE if block.block_overrides is None else block.block_overrides.to_domain(),
        overrides=overrides_of(block.state_overrides),
        calls=[_read_call(call, chain_id) for call in block.calls or ()],
    )


def _read_call(call: CallRequest, chain_id: int) -> SimulatedCall:
    call.check(chain_id)
    if call.authorization_list is not None:
        raise InvalidParams("expected no authorizationList in a simulated call", field="params.plan.blockStateCalls")
    price = call.gas_price or 0
    fees = GasFees(call.max_fee_per_gas or price, call.max_priority_fee_per_gas or price)
    return SimulatedCall(
        sender=bytes(ZERO_ADDRESS if call.sender is None else call.sender),
        to=None if call.to is None else bytes(call.to),
        data=call.call_data,
        value=call.value or 0,
        gas=call.gas,
        nonce=call.nonce,
        fees=fees,
        access_list=call.access_entries or (),
    )


def _check_order(base: Block, overrides: Sequence[BlockOverride]) -> None:
    """Check that numbers and times of the blocks rise, and their count. Raises: InvalidParams."""
    at, number, timestamp = "params.plan.blockStateCalls", base.number, base.timestamp
    for override in overrides:
        following = number + 1 if override.number is None else override.number
        if following <= number:
            raise InvalidParams(f"expected a block number above {number}, got {following}", field=at)
        if following - base.number > MAX_SIMULATED_BLOCKS:
            raise InvalidParams(f"expected at most {MAX_SIMULATED_BLOCKS} blocks up to the last one", field=at)
        timestamp += BLOCK_SECONDS * (following - number - 1)
        later = timestamp + BLOCK_SECONDS if override.timestamp is None else override.timestamp
        if later <= timestamp:
            raise InvalidParams(f"expected a block time above {timestamp}, got {later}", field=at)
        number, timestamp = following, later


def _format_outcome(outcome: BlockOutcome, *, full: bool) -> JsonValue:
    block = outcome.block
    calls = [
        {
            "returnData": format_data(result.output),
            "logs": answers.format_logs(block, inclusion),
            "gasUsed": hex(inclusion.gas_used),
            "status": hex(inclusion.success),
            **_format_error(result),
        }
        for result, inclusion in zip(outcome.results, block.inclusions, strict=True)
    ]
    return {**answers.format_block(block, full=full), "calls": calls}


def _format_error(result: ExecutionResult) -> dict[str, JsonValue]:
    if result.success:
        return {}
    if result.error == "execution reverted":
        return {"error": {"code": 3, "message": result.error, "data": format_data(result.output)}}
    return {"error": {"code": -32015, "message": result.error}}


OPERATIONS = (Operation("eth_simulateV1", SimulateRequest, JsonValue, simulate, positional=True),)
"""The method of simulations."""

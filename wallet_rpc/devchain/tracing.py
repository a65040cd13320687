"""`debug_traceTransaction` and `debug_traceCall`, with geth's tracers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from eth_typing import Address as EvmAddress
from pydantic import Field

from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.block_reference import BlockReference, resolve_height
from wallet_rpc.devchain.call_request import BlockOverrides, CallRequest, Overrides, call_of, overrides_of
from wallet_rpc.devchain.call_tracer import CallTracerOptions, format_calls
from wallet_rpc.devchain.calls import translate_start_errors
from wallet_rpc.devchain.computation import Computation
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.evm import ExecutionResult
from wallet_rpc.devchain.execution import NO_BLOCK_OVERRIDE, apply_override
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.prestate_tracer import find_accessed, format_differences, format_prestate
from wallet_rpc.devchain.replay import open_before, run_again
from wallet_rpc.devchain.step_tracer import StepOptions, StepRecorder, build_step_machine, format_steps
from wallet_rpc.devchain.traced_machine import TracedComputation, TracingJournal
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Hash32
from wallet_rpc.wire import shape

_Flag = Annotated[bool, Field(strict=True)]
TRACERS = ("callTracer", "prestateTracer", "noopTracer")
"""The tracers that can be named; without a name the steps are returned."""


@shape
class TracerSettings:
    """Options of callTracer and prestateTracer."""

    only_top_call: _Flag | None = None
    with_log: _Flag | None = None
    diff_mode: _Flag | None = None
    disable_code: _Flag | None = None
    disable_storage: _Flag | None = None


@shape
class TraceOptions:
    """The tracer and its options; the last fields are options of the default one, and overrides of a call."""

    tracer: str | None = None
    tracer_config: TracerSettings | None = None
    timeout: str | None = None
    disable_stack: _Flag | None = None
    enable_memory: _Flag | None = None
    disable_storage: _Flag | None = None
    enable_return_data: _Flag | None = None
    state_overrides: Overrides | None = None
    block_overrides: BlockOverrides | None = None


@shape
class TraceTransactionRequest:
    """A mined transaction, and how to trace it."""

    hash: Hash32
    options: TraceOptions | None = None


@shape
class TraceCallRequest:
    """A call, its block, and how to trace it."""

    transaction: CallRequest
    block: BlockReference | None = "latest"
    options: TraceOptions | None = None


@dataclass(frozen=True, slots=True)
class _Subject:
    """A run to trace: the state before it, and the run on a journal and a machine."""

    open_journal: Callable[[type[Any]], Any]
    run: Callable[[Journal, type[Computation]], ExecutionResult]
    gas: int
    coinbase: bytes


async def trace_transaction(context: DevChain, request: TraceTransactionRequest) -> JsonValue:
    """`debug_traceTransaction`: runs the transaction again. Raises: NodeRejection, InvalidParams."""
    chain = context.chain
    found = chain.find_transaction(request.hash)
    if found is None:
        raise NodeRejection("transaction not found", reason="unknown_transaction")
    block, inclusion = found
    version, changes = open_before(chain, block, inclusion)
    subject = _Subject(
        open_journal=lambda kind: chain.open_journal(version, changes, kind),
        run=lambda journal, machine: run_again(chain, block, inclusion, journal, machine),
        gas=inclusion.transaction.gas,
        coinbase=block.coinbase,
    )
    return _trace(subject, request.options or TraceOptions())


async def trace_call(context: DevChain, request: TraceCallRequest) -> JsonValue:
    """`debug_traceCall`. Raises: NodeRejection, InvalidParams."""
    chain, options = context.chain, request.options or TraceOptions()
    request.transaction.check(chain.config.chain_id)
    number = resolve_height(chain, request.block)
    block = NO_BLOCK_OVERRIDE if options.block_overrides is None else options.block_overrides.to_domain()
    call = call_of(chain, request.transaction, block=block)
    overrides = overrides_of(options.state_overrides)
    overlay = dict(chain.changes_at(number))
    version = chain.version_at(number)

    def run(journal: Journal, machine: type[Computation]) -> ExecutionResult:
        with translate_start_errors(call):
            return chain.call_on(journal, call, number=number, block=block, machine=machine)

    def open_journal(kind: type[Any]) -> Any:
        journal = chain.open_journal(version, overlay, kind)
        for address, override in overrides.items():
            apply_override(journal, EvmAddress(address), override)
        return journal

    subject = _Subject(
        open_journal=open_journal,
        run=run,
        gas=call.gas,
        coinbase=bytes(chain.context(number, changed=block).coinbase),
    )
    return _trace(subject, options)


def _trace(subject: _Subject, options: TraceOptions) -> JsonValue:
    settings = options.tracer_config or TracerSettings()
    match options.tracer:
        case None | "":
            steps = StepOptions(
                stack=not options.disable_stack,
                memory=options.enable_memory is True,
                storage=not options.disable_storage,
            )
            recorder = StepRecorder(steps)
            return format_steps(subject.run(subject.open_journal(Journal), build_step_machine(recorder)), recorder)
        case "callTracer":
            outcome = subject.run(subject.open_journal(Journal), TracedComputation)
            tracer = CallTracerOptions(settings.only_top_call is True, settings.with_log is True)
            return format_calls(outcome, subject.gas, tracer)
        case "prestateTracer":
            return _trace_state(subject, settings)
        case "noopTracer":
            return {}
        case _:
            expected = f"one of {', '.join(TRACERS)}, or none for the steps"
            raise InvalidParams(field="params.options.tracer", expected=expected, given=options.tracer)


def _trace_state(subject: _Subject, settings: TracerSettings) -> JsonValue:
    after = subject.open_journal(TracingJournal)
    root: Any = subject.run(after, TracedComputation).frame.computation
    accounts = find_accessed(after, root, subject.coinbase)
    before = subject.open_journal(Journal)
    hidden = {"code"} if settings.disable_code else set()
    hidden |= {"storage"} if settings.disable_storage else set()
    if settings.diff_mode:
        differences = format_differences(before, after, accounts)
        return {part: _hide(formatted, hidden) for part, formatted in differences.items()}
    return _hide(format_prestate(before, accounts, root), hidden)


def _hide(accounts: dict[str, Any], names: set[str]) -> JsonValue:
    """Return accounts without the fields of these names."""
    return {
        address: {name: value for name, value in account.items() if name not in names}
        for address, account in accounts.items()
    }


OPERATIONS = (
    Operation("debug_traceTransaction", TraceTransactionRequest, JsonValue, trace_transaction, positional=True),
    Operation("debug_traceCall", TraceCallRequest, JsonValue, trace_call, positional=True),
)
"""The methods of tracers."""

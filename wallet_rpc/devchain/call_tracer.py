"""Output of geth's `callTracer`: the calls of a run as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth.exceptions import Revert

from wallet_rpc.devchain.answers import JsonValue, format_data
from wallet_rpc.devchain.evm import ExecutionResult
from wallet_rpc.devchain.machine_errors import error_text
from wallet_rpc.devchain.traced_machine import Destruction, FailedCall, TracedComputation, TracedLog
from wallet_rpc.domain.revert import Cause, explain
from wallet_rpc.errors import LimitExceeded

MAX_TRACE_DEPTH = 100
"""The maximum depth of calls in the tree."""
MAX_TRACE_BYTES = 32 << 20
"""The maximum size of all input and output in the tree."""


@dataclass(frozen=True, slots=True)
class CallTracerOptions:
    """Options of the tracer."""

    only_top_call: bool = False
    with_log: bool = False


def format_calls(result: ExecutionResult, gas: int, options: CallTracerOptions) -> JsonValue:
    """Format the calls of a run on a `TracedComputation`; `gas` is the transaction's limit."""
    root: Any = result.frame.computation
    frame = _Formatter(options).format_frame(root)
    return {**frame, "gas": hex(gas), "gasUsed": hex(result.gas_used)}


class _Formatter:
    def __init__(self, options: CallTracerOptions) -> None:
        self._options = options
        self._logs = 0
        self._bytes = 0

    def format_frame(self, frame: TracedComputation, *, is_reverted: bool = False) -> dict[str, JsonValue]:
        """Format a frame and those below; the logs of a reverted one do not exist."""
        is_reverted = is_reverted or frame.is_error
        message = frame.msg
        self._bytes += len(message.code if message.is_create else message.data) + len(frame.output)
        if message.depth > MAX_TRACE_DEPTH or self._bytes > MAX_TRACE_BYTES:
            text = f"expected calls at most {MAX_TRACE_DEPTH} deep, with {MAX_TRACE_BYTES} bytes of input and output"
            raise LimitExceeded(f"{text}; use onlyTopCall instead", reason="trace_too_long")
        is_create = message.is_create
        formatted: dict[str, JsonValue] = {
            "from": format_data(frame.caller),
            "gas": hex(message.gas),
            "gasUsed": hex(frame.get_gas_used()),
            "to": format_data(message.storage_address if is_create else frame.callee),
            "input": format_data(bytes(message.code if is_create else message.data)),
            **_format_outcome(frame),
        }
        if is_create and frame.is_error:
            del formatted["to"]
        calls, logs = self._format_events(frame, is_reverted=is_reverted)
        if calls:
            formatted["calls"] = calls
        if logs:
            formatted["logs"] = logs
        if frame.kind != "STATICCALL":
            formatted["value"] = hex(message.value)
        formatted["type"] = frame.kind
        return formatted

    def _format_events(self, frame: TracedComputation, *, is_reverted: bool) -> tuple[list[JsonValue], list[JsonValue]]:
        calls: list[JsonValue] = []
        logs: list[JsonValue] = []
        for event in frame.events:
            match event:
                case TracedLog():
                    if self._options.with_log and not is_reverted:
                        logs.append(self._format_log(event, len(calls)))
                case _ if self._options.only_top_call:
                    pass
                case TracedComputation():
                    calls.append(self.format_frame(event, is_reverted=is_reverted))
                case FailedCall():
                    calls.append(_format_failed(event))
                case Destruction():
                    calls.append(_format_destruction(event))
        return calls, logs

    def _format_log(self, event: TracedLog, position: int) -> JsonValue:
        self._logs += 1
        return {
            "address": format_data(event.address),
            "topics": [format_data(topic.to_bytes(32)) for topic in event.topics],
            "data": format_data(event.data),
            "position": hex(position),
            "index": hex(self._logs - 1),
        }


def _format_outcome(frame: TracedComputation) -> dict[str, JsonValue]:
    output = bytes(frame.output)
    if not frame.is_error:
        return {"output": format_data(output)} if output else {}
    error = frame.error
    outcome: dict[str, JsonValue] = {"error": error_text(error)}
    if isinstance(error, Revert) and output:
        outcome["output"] = format_data(output)
        match explain(output).causes:
            case (Cause("Error", (str() as text,)), *_):
                outcome["revertReason"] = text
            case (Cause("Panic") as panic, *_):
                outcome["revertReason"] = panic.text.partition(": ")[2]
    return outcome


def _format_failed(call: FailedCall) -> JsonValue:
    value = {} if call.kind == "STATICCALL" else {"value": hex(call.value)}
    return {
        "from": format_data(call.sender),
        "gas": hex(call.gas),
        "gasUsed": "0x0",
        "to": format_data(call.to),
        "input": format_data(call.data),
        "error": call.error,
        **value,
        "type": call.kind,
    }


def _format_destruction(event: Destruction) -> JsonValue:
    return {
        "from": format_data(event.address),
        "gas": "0x0",
        "gasUsed": "0x0",
        "to": format_data(event.beneficiary),
        "input": "0x",
        "value": hex(event.value),
        "type": "SELFDESTRUCT",
    }

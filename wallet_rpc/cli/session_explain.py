"""`wallet-rpc session explain`: what the contracts would do with calls of a session, and what would remain."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping

from wallet_rpc.cli.administration import Job, Report
from wallet_rpc.cli.session_stops import open_ports
from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.domain.requested_call import RequestedCall
from wallet_rpc.errors import WalletError
from wallet_rpc.operations import explain_calls
from wallet_rpc.operations.explain_calls import ExplainCalls, ExplainedCalls
from wallet_rpc.primitives import Address, Data, preview
from wallet_rpc.services.call_explanation import CallDetails, CallExplanation, RemainingLimits
from wallet_rpc.wire import encode

_MOST_PARTS = 3
"""The parts of a call: address, value, call data."""
_LARGEST = (1 << 256) - 1
_LONGEST_ARGUMENTS = 300
"""The maximum number of characters of the arguments of a call in its line."""


async def _explain(job: Job) -> Report:
    options = job.options
    request = ExplainCalls(
        session_id=options.session,
        calls=tuple(map(_parse_call, options.call)),
        max_gas_cost=options.gas_cost,
        sponsored=options.sponsored,
    )
    async with open_ports(job) as ports:
        try:
            found = await explain_calls.run(ports, request)
        except WalletError as error:
            raise SettingError(f"session explain: {error.message}") from None
    return Report(value=encode(ExplainedCalls, found), lines=list(_describe(found)))


def _parse_call(parts: list[str]) -> RequestedCall:
    """Parse a call of one to three parts: address, value in wei, call data."""
    if len(parts) > _MOST_PARTS:
        raise SettingError(f"--call: expected ADDRESS [WEI [DATA]], got {len(parts)} values")
    to, value, data = (*parts, *("0", "0x")[len(parts) - 1 :])[:_MOST_PARTS]
    try:
        wei = int(value, 16) if value.startswith("0x") else int(value)
        call = RequestedCall(to=Address.parse(to), value=wei, data=Data.parse(data))
    except ValueError:
        given = preview(" ".join(parts))
        raise SettingError(f"--call: expected ADDRESS [WEI [DATA]], data as 0x and hex digits, got {given}") from None
    if not 0 <= wei <= _LARGEST:
        raise SettingError(f"--call: expected a value of at most 256 bits, got {preview(value)}")
    return call


def _describe(found: ExplainedCalls) -> Iterator[str]:
    yield f"Decision:  {found.decision.value}: {found.text}"
    yield f"Session:   {found.session_id or '-'}, {'installed' if found.installed else 'not installed yet'}"
    yield f"Left now:  {_format_limits(found.limits)}"
    yield f"Left then: {_format_limits(found.remaining)}"
    for rule in found.rules or ():
        yield f"Rule {rule.index}:    {rule.rule.type}: {rule.usage.remaining} left now, {rule.after.remaining} then"
    for index, call in enumerate(found.calls):
        yield from _describe_call(index, call)


def _describe_call(index: int, call: CallExplanation) -> Iterator[str]:
    reason = "" if call.reason is None else f" ({call.reason})"
    yield f"Call {index}:    {call.decision.value}{reason}: {call.text}"
    for one in call.decoded:
        yield f"           {'  ' * one.depth}{format_function(one)}"


def format_function(call: CallDetails) -> str:
    """Format a decoded call in one line, without control characters."""
    arguments = "?" if call.arguments is None else ", ".join(f"{name}={one}" for name, one in call.arguments.items())
    shown = arguments if len(arguments) <= _LONGEST_ARGUMENTS else f"{arguments[:_LONGEST_ARGUMENTS]}…"
    amounts = "".join(f"; {one.argument}: {one.text} of token {one.token}" for one in call.amounts if one.text)
    return repr(f"{call.function.partition('(')[0]}({shown}){amounts}")[1:-1]


def _format_limits(limits: RemainingLimits) -> str:
    texts = [
        f"{format_ether(amount)} {name}"
        for amount, name in ((limits.native, "native"), (limits.gas, "gas"))
        if amount is not None
    ]
    texts += [f"{one.text or one.amount} of token {one.token}" for one in limits.tokens]
    return "; ".join(texts) or "no limits"


EXPLAIN_ACTIONS: Mapping[tuple[str, str], Callable[[Job], Awaitable[Report]]] = {("session", "explain"): _explain}
"""The action that explains calls."""

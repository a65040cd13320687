"""Explanations of calls for callers: decision, permission, reason, what remains, and the decoded call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.decision.contract_rules import Limits
from wallet_rpc.domain.decision.engine import CallDecision, Decision, Factor
from wallet_rpc.domain.decoding.calls import DecodedCall
from wallet_rpc.domain.permission import Permission, to_raw_permission
from wallet_rpc.domain.revert import explain
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address, Selector, Wei
from wallet_rpc.services.session_decision import CallTrial
from wallet_rpc.services.token_decimals import format_units
from wallet_rpc.wire import shape


class Verdict(StrEnum):
    """Decisions on a call, as callers get them."""

    ALLOWED = "allowed"
    DENIED = "denied"
    AT_EXECUTION = "atExecution"


@shape
class NamedPermission:
    """A permission of the session."""

    type: str
    """Kind of permission; `expiry` is the session's end."""
    index: int | None = None
    """Position among the session's permissions; absent if they are not known here, or if the kind alone is."""


@shape
class RemainingToken:
    """Rest of the limit of one token."""

    token: Address
    """Contract of the token."""
    amount: Wei
    """Remaining amount in the token's smallest unit."""
    text: str | None = None
    """The amount in whole tokens; absent if the token's decimals are not known."""


@shape
class RemainingLimits:
    """Rest of the session's limits on chain; a limit that the session does not have is absent."""

    native: Wei | None = None
    """Value that calls may still carry, in wei."""
    gas: Wei | None = None
    """Cost of gas that the account may still pay, in wei."""
    tokens: tuple[RemainingToken, ...] = ()
    """Amounts of tokens that may still be transferred or approved."""


@shape
class AmountArgument:
    """An amount of a token among the arguments of a call."""

    token: Address
    """Contract of the token."""
    argument: str
    """Name of the argument, with its path inside of tuples: `params.amountIn`."""
    amount: Wei
    """Amount in the token's smallest unit."""
    decimals: int | None = None
    """Decimals of the token; absent for a contract that has none."""
    text: str | None = None
    """The amount in whole tokens; absent without decimals."""


@shape
class CallDetails:
    """A decoded call."""

    to: Address
    """Called contract."""
    function: str
    """Signature of the function."""
    source: str
    """Standard that the function belongs to, such as `erc20`, or `request` for an ABI of the request."""
    arguments: dict[str, Any] | None = None
    """Arguments by name or position: integers as decimal text, bytes as hex; absent if they do not decode."""
    amounts: tuple[AmountArgument, ...] = ()
    """Amounts of tokens among the arguments."""
    depth: int = 0
    """0 for the call itself; 1 for a call inside of it, such as one of a multicall, and so on."""


@shape
class CallExplanation:
    """The decision on one call."""

    decision: Verdict
    """`allowed`, `denied`, or `atExecution` where only the execution decides."""
    permission: NamedPermission | None = None
    """Permission that allows or denies the call; absent if none covers it."""
    reason: str | None = None
    """Stable code of the reason for a decision other than `allowed`."""
    text: str
    """One sentence on the decision."""
    decided_by: tuple[Factor, ...] = ()
    """Factors that the execution depends on: `target`, `account`, `balance`."""
    remaining: RemainingLimits
    """Rest of the session's limits after the call and those before it; of tokens only the called one."""
    decoded: tuple[CallDetails, ...] = ()
    """The call by its function, then the calls inside of it in their order; empty if the function is not known."""


@dataclass(frozen=True, slots=True)
class CallFinding:
    """A decision in the making: verdict, reason and sentence."""

    verdict: Verdict
    text: str
    reason: str | None = None


_DECIDED_BY = {
    Factor.TARGET: ("target_decides", "the session allows the call; the code of the called contract decides"),
    Factor.ACCOUNT: ("account_decides", "the session allows the call; the account's own function decides"),
    Factor.BALANCE: ("balance_too_low", "the session allows the call; the account has less than the call carries now"),
    Factor.GAS: (
        "gas_cost_unknown",
        "the session allows the calls; the cost of the gas decides, which counts against the session's gas limit: "
        "give maxGasCost, or sponsored if a paymaster pays",
    ),
    Factor.HOOK: ("hook_decides", "the session allows the calls; a hook of it decides that is not known here"),
}
APPROVAL = CallFinding(
    Verdict.AT_EXECUTION,
    "a rule of the session lets the calls wait for an approval; it decides (wallet_approveCalls)",
    "approval_required",
)
"""The finding of calls that need an approval."""
_EARLIER = ("earlier_call_fails", "the session allows the call; a call before it fails now, so none takes effect")
_FAILS = "execution_reverted"


def deny_by_server(error: WalletError) -> CallFinding:
    """Return the finding of calls that this server rejects: of a stopped session, or by a rule of it."""
    return CallFinding(Verdict.DENIED, error.text, error.reason)


def find_operation_finding(decision: Decision, calls: Sequence[CallFinding], server: CallFinding | None) -> CallFinding:
    """Return the finding about the operation: the first denial, this server's before the contracts', or a doubt."""
    if server is not None and server.verdict is Verdict.DENIED:
        return server
    if decision.denial is not None:
        return CallFinding(Verdict.DENIED, decision.denial.text, decision.denial.reason.value)
    doubt = next((one for one in calls if one.verdict is Verdict.AT_EXECUTION), None)
    if doubt is not None or server is not None:
        return doubt or server  # type: ignore[return-value]  # one of them is a finding
    shared = next((factor for factor in decision.factors if factor in (Factor.GAS, Factor.HOOK)), None)
    if shared is not None:
        reason, text = _DECIDED_BY[shared]
        return CallFinding(Verdict.AT_EXECUTION, text, reason)
    return CallFinding(Verdict.ALLOWED, "allowed by the session, and the calls succeed at the latest block")


def find_call_findings(
    calls: Sequence[CallDecision], trial: CallTrial, server: CallFinding | None
) -> tuple[CallFinding, ...]:
    """Return the finding about each call; `trial` ran the calls that the contracts do not deny.

    A denial by this server is about the operation as a whole, so it is that of each call that nothing else denies.
    """
    findings: list[CallFinding] = []
    position = 0
    for one in calls:
        if one.denial is not None:
            findings.append(CallFinding(Verdict.DENIED, one.denial.text, one.denial.reason.value))
            continue
        is_denied = server is not None and server.verdict is Verdict.DENIED
        findings.append(server if is_denied and server is not None else _judge_accepted(one, trial, position))
        position += 1
    return tuple(findings)


def _judge_accepted(call: CallDecision, trial: CallTrial, position: int) -> CallFinding:
    """Return the finding about a call that the session allows, by what the trial says of it."""
    if not trial.is_known and call.factors:
        reason, text = _DECIDED_BY[call.factors[-1]]
        return CallFinding(Verdict.AT_EXECUTION, text, reason)
    if not trial.is_known or position < trial.succeeded or trial.revert is None:
        return CallFinding(Verdict.ALLOWED, f"allowed by the session's permission {call.permission}")
    if position > trial.succeeded:
        return CallFinding(Verdict.AT_EXECUTION, _EARLIER[1], _EARLIER[0])
    if Factor.BALANCE in call.factors:
        reason, text = _DECIDED_BY[Factor.BALANCE]
        return CallFinding(Verdict.AT_EXECUTION, text, reason)
    why = explain(trial.revert).text or "without a reason"
    text = f"the session allows the call; the execution decides, and it reverts now: {why}"
    return CallFinding(Verdict.AT_EXECUTION, text, _FAILS)


def merge_decisions(decision: Decision) -> CallDecision:
    """Return the decision on a single call that runs as several, such as executeBatch by the account itself."""
    first = next((one for one in decision.calls if one.denial is not None), None)
    if first is not None:
        return replace(first, remaining=decision.remaining)
    factors = tuple(dict.fromkeys(factor for one in decision.calls for factor in one.factors))
    permissions = list(dict.fromkeys(one.permission for one in decision.calls)) or [None]
    return CallDecision(permission=permissions[0], factors=factors, remaining=decision.remaining)


def spend_nothing(decision: Decision, limits: Limits) -> Decision:
    """Return the decision on an operation that this server does not send, so that its limits stay as they are."""
    calls = tuple(replace(one, remaining=limits) for one in decision.calls)
    return replace(decision, calls=calls, remaining=limits)


def name_permission(
    kind: str | None, call: Call | None, permissions: Sequence[Permission] | None
) -> NamedPermission | None:
    """Return the permission of a kind that is about a call, with its position where it is known."""
    if kind is None:
        return None
    for index, permission in enumerate(permissions or ()):
        raw = to_raw_permission(permission)
        is_about = raw.target is None or (call is not None and raw.target == call.to)
        if kind == "account-functions" and call is not None:
            is_about = Selector(call.data[:4].ljust(4, b"\0")) in raw.functions
        if permission.type == kind and is_about:
            return NamedPermission(type=str(kind), index=index)
    return NamedPermission(type=str(kind))


def describe_limits(
    limits: Limits, decimals: Mapping[Address, int], *, token: Address | None = None
) -> RemainingLimits:
    """Describe limits with amounts in whole tokens; with `token`, only that token's."""
    return RemainingLimits(
        native=limits.native,
        gas=limits.gas,
        tokens=tuple(
            RemainingToken(token=one, amount=amount, text=_format(amount, decimals.get(one)))
            for one, amount in limits.tokens.items()
            if token in (None, one)
        ),
    )


def describe_call(
    call: DecodedCall | None, decimals: Mapping[Address, int], *, depth: int = 0
) -> Iterator[CallDetails]:
    """Describe a decoded call and those inside of it, with amounts in whole tokens; nothing for an unknown one."""
    if call is None:
        return
    yield CallDetails(
        to=call.to,
        function=call.function.signature,
        source=call.function.source,
        arguments=call.arguments,
        amounts=tuple(
            AmountArgument(
                token=one.token,
                argument=one.argument,
                amount=one.amount,
                decimals=decimals.get(one.token),
                text=_format(one.amount, decimals.get(one.token)),
            )
            for one in call.amounts
        ),
        depth=depth,
    )
    for inner in call.calls:
        yield from describe_call(inner, decimals, depth=depth + 1)


def _format(amount: int, decimals: int | None) -> str | None:
    return None if decimals is None else format_units(amount, decimals)

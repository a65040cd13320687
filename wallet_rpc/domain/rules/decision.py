"""Decision of a session's rules about an operation: a denial, or the amounts that have to be reserved.

Rules without a sum are decided here; sums are decided where they are stored, in the same step that reserves them.
Deny wins, and so does doubt: an operation whose effects cannot be read is denied by each rule that needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc.domain.abi_reader import AbiDecodeError
from wallet_rpc.domain.function_text import parse_function
from wallet_rpc.domain.rules.arguments import ArgumentValue, PartsLeft, find_type, parse_types, parse_value, read_values
from wallet_rpc.domain.rules.effects import CALL_COUNT, NATIVE, Effect, Effects, name_token
from wallet_rpc.domain.rules.hours import HoursRule
from wallet_rpc.domain.rules.periods import Period, find_window_ends
from wallet_rpc.domain.rules.rule import (
    AmountRule,
    ApprovalRule,
    ArgumentRule,
    CallsRule,
    NotBeforeRule,
    RateRule,
    RecipientsRule,
    SessionRule,
)
from wallet_rpc.errors import RuleDenied
from wallet_rpc.primitives import Address, UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SumLimit:
    """Maximum of one amount in the windows of a period."""

    rule: int
    """Index of the rule."""
    name: str
    """Name of the amount, as in `Effects.amounts`."""
    period: Period
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Maximum number of operations in a span of seconds."""

    rule: int
    """Index of the rule."""
    seconds: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Amounts that an operation needs, and the limits that they count against."""

    amounts: Mapping[str, int]
    window_ends: Mapping[Period, UnixSeconds]
    """The end of the window of each period in which the amounts count."""
    sums: tuple[SumLimit, ...]
    rates: tuple[RateLimit, ...]
    waiting: tuple[int, ...] = ()
    """Indexes of the rules that require an approval of the operation."""
    approval_seconds: int | None = None
    """Time for which the operation may wait for its approval; None if it needs none."""


def measure_demand(rules: Sequence[SessionRule], effects: Effects | None, *, now: UnixSeconds) -> Demand:
    """Return the amounts of an operation as far as they can be read, without a decision about it."""
    return Demand(
        amounts={} if effects is None else effects.amounts,
        window_ends=find_window_ends(now),
        sums=find_sum_limits(rules),
        rates=find_rate_limits(rules),
    )


def find_sum_limits(rules: Sequence[SessionRule]) -> tuple[SumLimit, ...]:
    """Return the limits of all sums."""
    limits = []
    for index, rule in enumerate(rules):
        if isinstance(rule, AmountRule | CallsRule):
            name = CALL_COUNT if isinstance(rule, CallsRule) else name_token(rule.token)
            limits.append(SumLimit(rule=index, name=name, period=rule.period, limit=rule.limit))
    return tuple(limits)


def find_rate_limits(rules: Sequence[SessionRule]) -> tuple[RateLimit, ...]:
    """Return the limits of all rates."""
    return tuple(
        RateLimit(rule=index, seconds=rule.seconds, limit=rule.limit)
        for index, rule in enumerate(rules)
        if isinstance(rule, RateRule)
    )


def decide_rules(rules: Sequence[SessionRule], effects: Effects | None, *, now: UnixSeconds) -> Demand:
    """Decide all rules that have no sum, and return the amounts for those that have one.

    Raises: RuleDenied by the first rule that denies the operation, or for calls that cannot be decoded (None).
    """
    if effects is None:
        raise RuleDenied(
            "the operation's calls cannot be decoded, so the session's rules deny it", reason="rule_undecodable"
        )
    waits: dict[int, int] = {}
    for index, rule in enumerate(rules):
        match rule:
            case AmountRule():
                _require_countable(effects, rule.token, index, rule)
            case RecipientsRule():
                _check_recipients(effects, index, rule)
            case ArgumentRule():
                _check_arguments(effects, index, rule)
            case NotBeforeRule() if now < rule.time:
                raise _deny(index, rule, f"no call before {rule.time}", reason="rule_too_early", resets_at=rule.time)
            case HoursRule() if not rule.is_open(now):
                text = f"calls only {rule.opens} to {rule.closes} {rule.time_zone} on {', '.join(rule.days)}"
                raise _deny(index, rule, text, reason="rule_outside_hours")
            case ApprovalRule() if _needs_approval(effects, index, rule):
                waits[index] = rule.seconds
            case _:
                pass
    demand = measure_demand(rules, effects, now=now)
    return replace(demand, waiting=tuple(waits), approval_seconds=min(waits.values(), default=None))


def _require_countable(effects: Effects, token: Address | None, index: int, rule: SessionRule) -> None:
    """Check that the amount of a token is certain. Raises: RuleDenied otherwise."""
    if not effects.can_count(token):
        of = "a function of the account" if effects.has_account_function else f"a call to {token}"
        raise _deny(index, rule, f"the amount that {of} moves cannot be read", reason="rule_undecodable")


def _needs_approval(effects: Effects, index: int, rule: ApprovalRule) -> bool:
    if rule.above is None:
        return True
    _require_countable(effects, rule.token, index, rule)
    return effects.amounts.get(name_token(rule.token), 0) > rule.above


def _check_recipients(effects: Effects, index: int, rule: RecipientsRule) -> None:
    for effect in effects.effects:
        recipients = effect.recipients
        if recipients is None:
            recipients = _recipients_of_unknown(effect, index, rule)
        for recipient in recipients:
            if recipient == effects.account:
                continue
            if rule.allow is not None and recipient not in rule.allow:
                text = f"{recipient} is not one of the allowed recipients"
                raise _deny(index, rule, text, reason="rule_recipient_denied", recipient=recipient.hex0x())
            if rule.block is not None and recipient in rule.block:
                text = f"{recipient} is a blocked recipient"
                raise _deny(index, rule, text, reason="rule_recipient_denied", recipient=recipient.hex0x())


def _recipients_of_unknown(effect: Effect, index: int, rule: RecipientsRule) -> tuple[Address, ...]:
    """Return the target of a call whose recipients cannot be read, if the target itself is an allowed recipient."""
    if rule.allow is not None and effect.target in rule.allow and not effect.is_of_account:
        return (effect.target,)
    if rule.block is not None and effect.target in rule.block:
        return (effect.target,)
    raise _deny(index, rule, f"the recipients of a call to {effect.target} cannot be read", reason="rule_undecodable")


def _check_arguments(effects: Effects, index: int, rule: ArgumentRule) -> None:
    function = parse_function(rule.function, at="function")
    fits, left = _build_condition(rule), PartsLeft()
    for effect in (*effects.effects, *effects.outer_calls):
        if effect.selector != function or rule.contract not in {None, effect.target}:
            continue
        try:
            values = read_values(parse_types(rule.function), effect.data[4:], rule.steps, left=left)
        except AbiDecodeError:
            text = f"the arguments of {rule.function} cannot be decoded"
            raise _deny(index, rule, text, reason="rule_undecodable") from None
        if not all(map(fits, values)):
            text = f"argument {rule.path} of {rule.function} is not {_describe_condition(rule)}"
            raise _deny(index, rule, text, reason="rule_argument_denied")


def _build_condition(rule: ArgumentRule) -> Callable[[ArgumentValue], bool]:
    """Return the condition of a rule on one value; its own values are parsed once."""
    kind = find_type(parse_types(rule.function), rule.steps)
    if kind is None:
        return lambda _: False
    if rule.at_most is not None:
        most = parse_value(kind, rule.at_most)
        return lambda value: isinstance(value, int) and isinstance(most, int) and value <= most
    texts = rule.one_of if rule.one_of is not None else (rule.equals or "",)
    return frozenset(parse_value(kind, text) for text in texts).__contains__


def _describe_condition(rule: ArgumentRule) -> str:
    if rule.at_most is not None:
        return f"at most {rule.at_most}"
    return f"one of {len(rule.one_of)} allowed values" if rule.one_of is not None else f"{rule.equals}"


def _deny(
    index: int, rule: SessionRule, text: str, *, reason: str, resets_at: int | None = None, **facts: Any
) -> RuleDenied:
    """Build the error of a denial by a rule."""
    return RuleDenied(
        f"denied by the session's rule {index}, {rule.type}: {text}",
        reason=reason,
        rule=rule.type,
        rule_index=index,
        resetsAt=resets_at,
        **facts,
    )


def deny_sum(rules: Sequence[SessionRule], limit: SumLimit, *, remaining: int, resets_at: UnixSeconds) -> RuleDenied:
    """Build the error of an operation that needs more than remains of a sum; `resets_at` is 0 for a total."""
    rule = rules[limit.rule]
    is_amount = limit.name != CALL_COUNT
    span = "in all" if limit.period is Period.TOTAL else f"in each {limit.period}"
    unit = {CALL_COUNT: "calls", NATIVE: "wei"}.get(limit.name, f"units of 0x{limit.name}")
    return RuleDenied(
        f"denied by the session's rule {limit.rule}, {rule.type}: {limit.limit} {unit} are allowed {span}, and "
        f"{remaining} remain",
        reason="rule_amount_exceeded" if is_amount else "rule_calls_exceeded",
        rule=rule.type,
        rule_index=limit.rule,
        limit=hex(limit.limit) if is_amount else limit.limit,
        remaining=hex(remaining) if is_amount else remaining,
        resetsAt=resets_at or None,
    )


def deny_rate(rules: Sequence[SessionRule], limit: RateLimit, *, remaining: int, resets_at: UnixSeconds) -> RuleDenied:
    """Build the error of an operation that exceeds a rate, until `resets_at`."""
    rule = rules[limit.rule]
    return RuleDenied(
        f"denied by the session's rule {limit.rule}, {rule.type}: {limit.limit} operations are allowed in any "
        f"{limit.seconds} seconds, and {remaining} remain",
        reason="rule_rate_exceeded",
        rule=rule.type,
        rule_index=limit.rule,
        limit=limit.limit,
        remaining=remaining,
        resetsAt=resets_at,
    )

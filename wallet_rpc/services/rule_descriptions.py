"""Description of a session's rules for callers: each rule with what is used, reserved and left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from operator import itemgetter

from wallet_rpc.domain.rules.decision import SumLimit, measure_demand
from wallet_rpc.domain.rules.effects import CALL_COUNT, read_effects
from wallet_rpc.domain.rules.periods import NO_END, find_window_end
from wallet_rpc.domain.rules.rule import SessionRule
from wallet_rpc.domain.rules.stored_rules import OWNER_SET, SumUsage, Usage
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import UnixSeconds, Wei
from wallet_rpc.wire import shape
from wallet_rpc.worker_threads import compute_by_size


@shape
class AmountUsage:
    """Use of a rule about an amount, in its current window."""

    used: Wei
    """Amount of calls that succeeded."""
    reserved: Wei
    """Amount of calls that are accepted and not final."""
    remaining: Wei
    """Amount that further calls may have."""
    resets_at: UnixSeconds | None = None
    """Second at which the next window begins with zero; absent for `total`."""


@shape
class CountUsage:
    """Use of a rule about a number of calls or operations."""

    used: int
    """Number that is final; for a rate the number in the span, reserved ones included."""
    reserved: int
    """Number that is accepted and not final."""
    remaining: int
    """Number of further ones that are allowed."""
    resets_at: UnixSeconds | None = None
    """Second at which the next window begins with zero; absent for `total` and for a rate."""


@shape
class RuleState:
    """A rule of a session, and what counts against it."""

    index: int
    """Index of the rule, as `ruleIndex` of a denial."""
    rule: SessionRule
    """Rule as it was set."""
    by_owner: bool
    """True if the account's owner signed the rule; false if the caller's organisation set it."""
    usage: AmountUsage | CountUsage | None = None
    """Use of the rule; absent for rules without a sum."""


@shape
class RulePreview:
    """A rule with a sum or a rate, before an operation and after it."""

    index: int
    """Index of the rule, as `ruleIndex` of a denial."""
    rule: SessionRule
    """Rule as it was set."""
    by_owner: bool
    """True if the account's owner signed the rule; false if the caller's organisation set it."""
    usage: AmountUsage | CountUsage
    """Use of the rule now, as in `wallet_getSession`."""
    after: AmountUsage | CountUsage
    """Use of the rule once the operation is accepted; that of a denied operation is the present one."""


@shape
class RulesDescription:
    """The rules of a session that the caller may see, and the number of others."""

    rules: tuple[RuleState, ...]
    """Rules of the caller's organisation and of the account's owner."""
    other_rules: int
    """Number of rules of other organisations that control the session; they hold too."""


NO_RULES = RulesDescription(rules=(), other_rules=0)
"""The description of a session without rules."""


async def describe_rules(ports: Ports, session: SessionReference) -> RulesDescription:
    """Return the rules of a session with what is used, reserved and left of each, as far as the caller may see them."""
    now = ports.now_on(session.chain_id)
    usage = await ports.store.rules.usage(session, now=now)
    if usage is None:
        return NO_RULES
    stored, counts = usage.rules, dict(_find_counts(usage, now))
    states = tuple(
        RuleState(index=index, rule=rule, by_owner=stored.set_names[index] == OWNER_SET, usage=counts.get(index))
        for index, rule in enumerate(stored.rules)
        if stored.is_visible(index, ports.store.rules.organization)
    )
    return RulesDescription(rules=states, other_rules=len(stored.rules) - len(states))


async def preview_rules(
    ports: Ports, session: SessionReference, call_data: bytes, *, nonce: int, is_denied: bool
) -> tuple[RulePreview, ...] | None:
    """Return the rules that count, as far as the caller may see them, before and after an operation; None without any.

    The amounts of the operation are those that the check of its rules has, `measure_demand`. Of several operations with
    its nonce, the largest amount counts.
    """
    now = ports.now_on(session.chain_id)
    usage = await ports.store.rules.usage(session, now=now, nonce=nonce)
    if usage is None:
        return None
    stored = usage.rules
    effects = await compute_by_size(partial(read_effects, session.account, call_data), size=len(call_data))
    demand = measure_demand(stored.rules, effects, now=now)
    needed = {
        limit.rule: max(demand.amounts.get(limit.name, 0) - found.replaced, 0)
        for limit, found in zip(demand.sums, usage.sums, strict=True)
    }
    needed |= {limit.rule: 1 - replaced for limit, replaced in zip(demand.rates, usage.replaced_rates, strict=True)}
    previews = tuple(
        RulePreview(
            index=index,
            rule=stored.rules[index],
            by_owner=stored.set_names[index] == OWNER_SET,
            usage=found,
            after=found if is_denied else _add_reserved(found, needed[index]),
        )
        for index, found in sorted(_find_counts(usage, now), key=itemgetter(0))
        if stored.is_visible(index, ports.store.rules.organization)
    )
    return previews or None


def _add_reserved(usage: AmountUsage | CountUsage, amount: int) -> AmountUsage | CountUsage:
    return replace(usage, reserved=usage.reserved + amount, remaining=max(usage.remaining - amount, 0))


def _find_counts(usage: Usage, now: UnixSeconds) -> Iterator[tuple[int, AmountUsage | CountUsage]]:
    """Yield the indexes of rules with a sum or a rate, and what counts against them."""
    for limit, found in zip(usage.rules.sums, usage.sums, strict=True):
        yield limit.rule, _describe_sum(limit, found, now)
    for rate, count in zip(usage.rules.rates, usage.rates, strict=True):
        yield rate.rule, CountUsage(used=count, reserved=0, remaining=max(rate.limit - count, 0))


def _describe_sum(limit: SumLimit, found: SumUsage, now: UnixSeconds) -> AmountUsage | CountUsage:
    end = find_window_end(limit.period, now)
    kind = CountUsage if limit.name == CALL_COUNT else AmountUsage
    return kind(
        used=found.used,
        reserved=found.reserved,
        remaining=max(limit.limit - found.used - found.reserved, 0),
        resets_at=None if end == NO_END else end,
    )

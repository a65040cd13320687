"""Enforcement of the rules of sessions: checked when calls are prepared, reserved when they are accepted.

A reservation is made before a call is stored and expires automatically, unless the call's delivery renews it. So a
server that ends in between leaves nothing reserved. Each delivery finds its reservation or makes it, which also holds
calls to rules that were set after they were accepted. A call that a bundler may have is counted, whatever the limits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from wallet_rpc.domain.call_record import CallKind, CallRecord
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.nonce import OWNER_ENTITY, session_entity
from wallet_rpc.domain.rules.decision import Demand, decide_rules, deny_rate, deny_sum, measure_demand
from wallet_rpc.domain.rules.effects import read_effects
from wallet_rpc.domain.rules.stored_rules import ExceededRate, ExceededSum, Outcome, StoredRules
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import RuleDenied, Unavailable
from wallet_rpc.ports import Ports
from wallet_rpc.ports.rules import ReserveMode, RuledOperation, RulesChanged
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, UnixSeconds
from wallet_rpc.worker_threads import compute_by_size

_T = TypeVar("_T")

RESERVATION_SECONDS = 600
"""Time for which a reservation holds until a delivery renews it, beyond that for which the call waits."""
_TRIES = 5
"""Number of times that a decision is repeated because the rules changed during it."""
_OUTCOMES = {
    CallState.CONFIRMED: Outcome.SUCCEEDED,
    CallState.REVERTED: Outcome.REVERTED,
    CallState.REPLACED: Outcome.NEVER,
    CallState.REJECTED: Outcome.NEVER,
    CallState.EXPIRED: Outcome.NEVER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredApproval:
    """The approval that an operation needs."""

    seconds: int
    """Time for which the operation may wait."""


async def read_rules(ports: Ports, account: Address, chain_id: ChainId, entity_id: int) -> StoredRules | None:
    """Return the rules of an entity id; None without any, and for the owner's. Raises: RuleDenied if forgotten."""
    if entity_id == OWNER_ENTITY:
        return None
    session = SessionReference(account=account, chain_id=chain_id, entity_id=EntityId(entity_id))
    rules = await ports.store.rules.read(session)
    if rules is None:
        await refuse_forgotten(ports, session)
    return rules


async def has_rules(ports: Ports, session: SessionReference) -> bool:
    """Return True for a session with rules, also if they were deleted before its owner's signature came."""
    rules = ports.store.rules
    return await rules.read(session) is not None or await rules.is_forgotten(session)


async def refuse_forgotten(ports: Ports, session: SessionReference) -> None:
    """Raise RuleDenied for a session without rules, if they were deleted before its owner's signature came."""
    if await ports.store.rules.is_forgotten(session):
        raise RuleDenied(
            "the session's rules were deleted because its owner's signature was not presented in time; set them again "
            "by wallet_setSessionRules with the owner's signature, or create a new session",
            reason="rules_forgotten",
        )


async def check_rules(ports: Ports, chain_id: ChainId, operation: UserOperation) -> None:
    """Check an unsigned operation against the rules of its session, if it has any. Nothing is reserved.

    Raises: RuleDenied.
    """
    session = _find_session(operation.sender, chain_id, operation.nonce)
    if session is not None:
        await check_calls(ports, session, operation.call_data, nonce=operation.nonce)


async def check_calls(
    ports: Ports, session: SessionReference, call_data: bytes, *, nonce: int
) -> RequiredApproval | None:
    """Check calls against the rules of a session; return the approval that they need. Nothing is reserved.

    Raises: RuleDenied.
    """
    subject = RuledOperation(session=session, nonce=nonce, hash=Hash32(bytes(32)))
    return await _reserve(ports, subject, call_data, mode=ReserveMode.CHECK)


async def reserve_call(ports: Ports, call: CallRecord) -> RequiredApproval | None:
    """Reserve what a new call needs under the rules of its session, if it has any; return the approval it needs.

    Raises: RuleDenied.
    """
    subject = _find_subject(call)
    if subject is None:
        return None
    return await _reserve(ports, subject, call.call_data, mode=ReserveMode.RESERVE, seconds=RESERVATION_SECONDS)


async def hold_call(ports: Ports, call: CallRecord) -> RuleDenied | RequiredApproval | None:
    """Keep the reservation of a leased call until its outcome, or make it.

    Return the denial of a call, or the approval that it needs, if no bundler can have it. Others are counted.
    """
    subject = _find_subject(call)
    rules = None if subject is None else await ports.store.rules.read(subject.session)
    if subject is None or rules is None:
        return None
    if await ports.store.rules.renew(subject, rules, now=ports.now_on(call.chain_id)):
        return None
    is_new = call.state in {CallState.ACCEPTED, CallState.SUBMITTING}
    mode = ReserveMode.RESERVE if is_new else ReserveMode.COUNT
    try:
        wait = await _reserve(ports, subject, call.call_data, mode=mode)
    except RuleDenied as denial:
        return denial
    return wait if is_new and call.approved_by is None else None


async def recheck_call(ports: Ports, call: CallRecord) -> None:
    """Check a call that waits against the rules as they are now; its own reservation counts for it.

    Raises: RuleDenied.
    """
    subject = _find_subject(call)
    if subject is not None:
        await _reserve(ports, subject, call.call_data, mode=ReserveMode.CHECK)


async def count_call(ports: Ports, call: CallRecord) -> None:
    """Count a call that a bundler may have against rules that were set after it was accepted."""
    subject = _find_subject(call)
    if subject is not None:
        await _reserve(ports, subject, call.call_data, mode=ReserveMode.COUNT)


async def settle_call(ports: Ports, call: CallRecord) -> None:
    """Replace the reservation of a call whose state is final by its outcome; a repeat changes nothing."""
    subject = _find_subject(call)
    if subject is None or call.state not in _OUTCOMES:
        return

    async def settle() -> None:
        store, now = ports.store.rules, ports.now_on(call.chain_id)
        rules = await store.read(subject.session)
        if rules is None:
            return
        outcome = _OUTCOMES[call.state]
        if not await store.settle(subject, outcome, rules, now=now) and call.final_at > rules.changed_at:
            demand = await _count_effects(
                rules, call.sender, call.call_data, at=now - (ports.clock.now() - call.sent_at)
            )
            await store.settle(subject, outcome, rules, now=now, unreserved=demand)

    await _until_unchanged(settle)


async def _reserve(
    ports: Ports,
    subject: RuledOperation,
    call_data: bytes,
    *,
    mode: ReserveMode,
    seconds: int | None = None,
) -> RequiredApproval | None:
    """Decide all rules of a session about an operation, and reserve its amounts. Raises: RuleDenied."""
    store = ports.store.rules

    async def reserve() -> RequiredApproval | None:
        now = ports.now_on(subject.session.chain_id)
        rules = await store.read(subject.session)
        if rules is None:
            if mode is not ReserveMode.COUNT:
                await refuse_forgotten(ports, subject.session)
            return None
        if mode is ReserveMode.COUNT:
            demand = await _count_effects(rules, subject.session.account, call_data, at=now)
        else:
            demand = await _decide(ports, rules, subject.session.account, call_data, now=now)
        until = None if seconds is None else now + seconds + (demand.approval_seconds or 0)
        exceeded = await store.reserve(subject, rules, demand, mode=mode, now=now, until=until)
        if exceeded is not None:
            raise _hide_others(ports, rules, _build_denial(rules, exceeded))
        return None if demand.approval_seconds is None else RequiredApproval(seconds=demand.approval_seconds)

    return await _until_unchanged(reserve)


async def _decide(ports: Ports, rules: StoredRules, account: Address, call_data: bytes, *, now: UnixSeconds) -> Demand:
    """Decide the rules that have no sum, which takes long for many rules and calls. Raises: RuleDenied."""

    def decide() -> Demand:
        return decide_rules(rules.rules, read_effects(account, call_data), now=now)

    try:
        demand = await compute_by_size(decide, size=len(call_data))
    except RuleDenied as denial:
        raise _hide_others(ports, rules, denial) from None
    elsewhere = {rules.sets[rules.set_names[rule]].organization for rule in demand.waiting} - {
        ports.store.rules.organization
    }
    if elsewhere:
        raise RuleDenied(
            "the operation needs the approval of another organisation, which can approve only calls that are sent "
            "with its own API keys or session tokens",
            reason="approval_elsewhere",
        )
    return demand


async def _count_effects(rules: StoredRules, account: Address, call_data: bytes, *, at: UnixSeconds) -> Demand:
    """Return the amounts of an operation that can no longer be denied, as far as they can be read."""
    effects = await compute_by_size(partial(read_effects, account, call_data), size=len(call_data))
    return measure_demand(rules.rules, effects, now=at)


def _build_denial(rules: StoredRules, exceeded: ExceededSum | ExceededRate) -> RuleDenied:
    remaining = max(exceeded.limit.limit - exceeded.others, 0)
    match exceeded:
        case ExceededSum(limit=limit):
            return deny_sum(rules.rules, limit, remaining=remaining, resets_at=exceeded.window_end)
        case ExceededRate(limit=limit):
            return deny_rate(rules.rules, limit, remaining=remaining, resets_at=exceeded.free_at)


def _hide_others(ports: Ports, rules: StoredRules, denial: RuleDenied) -> RuleDenied:
    """Return a denial without its facts if the rule is another organisation's; its reason stays."""
    index = denial.rule_index
    if index is None or rules.is_visible(index, ports.store.rules.organization):
        return denial
    return RuleDenied("denied by a rule of another organisation that controls the session", reason=denial.reason)


def _find_subject(call: CallRecord) -> RuledOperation | None:
    """Return the operation of a session; None for the owner's and for an authorization."""
    if call.kind is not CallKind.USER_OPERATION:
        return None
    session = _find_session(call.sender, call.chain_id, call.nonce)
    return None if session is None else RuledOperation(session=session, nonce=call.nonce, hash=call.hash)


def _find_session(account: Address, chain_id: ChainId, nonce: int) -> SessionReference | None:
    entity_id = session_entity(nonce)
    if entity_id is None or entity_id == OWNER_ENTITY:
        return None
    return SessionReference(account=account, chain_id=chain_id, entity_id=entity_id)


async def _until_unchanged(decide_once: Callable[[], Awaitable[_T]]) -> _T:
    """Repeat a decision until the rules do not change during it. Raises: Unavailable if they always do."""
    for _ in range(_TRIES):
        try:
            return await decide_once()
        except RulesChanged:
            continue
    raise Unavailable("the session's rules are being changed; try again", reason="busy", part="store")

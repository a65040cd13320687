"""`wallet_explainCalls`: for each call of a session, if it is allowed, why not, and what would remain of the limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.decision.account_call import read_account_call
from wallet_rpc.domain.decision.contract_rules import rules_of_install
from wallet_rpc.domain.decision.engine import CallDecision, Decision, Factor, decide_operation
from wallet_rpc.domain.decision.operation import Situation
from wallet_rpc.domain.decoding.calls import CallDecoder, DecodedCall
from wallet_rpc.domain.decoding.given import GivenAbi, parse_abis
from wallet_rpc.domain.requested_call import RequestedCall, to_calls
from wallet_rpc.domain.session_reference import NamedSession
from wallet_rpc.errors import (
    BundleTooLarge,
    LimitExceeded,
    NotFound,
    RuleDenied,
    UnreadableAnswer,
    UnsupportedCapability,
    UnsupportedChain,
)
from wallet_rpc.operations import reasons
from wallet_rpc.operations.access_control import is_of_caller
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, ChainId, Data, SessionId, Wei
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.call_explanation import (
    APPROVAL,
    CallExplanation,
    CallFinding,
    RemainingLimits,
    Verdict,
    deny_by_server,
    describe_call,
    describe_limits,
    find_call_findings,
    find_operation_finding,
    merge_decisions,
    name_permission,
    spend_nothing,
)
from wallet_rpc.services.rule_descriptions import RulePreview, preview_rules
from wallet_rpc.services.session_decision import CallTrial, SessionFacts, read_session_facts, try_calls
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.services.session_rules import check_calls
from wallet_rpc.services.session_stops import check_stops, find_grant
from wallet_rpc.services.token_decimals import read_decimals
from wallet_rpc.wire import shape, strict_shape
from wallet_rpc.worker_threads import compute, compute_by_size

_T = TypeVar("_T")

MAX_EXPLAINED_CALLS = 100
"""The maximum number of calls in one request."""
_MAX_SHORT_CALLS = 30
"""The maximum number of calls of an answer that is encoded at once."""


@strict_shape
class ExplainCalls(SessionSelector):
    """A session, and the calls to explain as one operation."""

    calls: tuple[RequestedCall, ...]
    """Calls in the order in which they would run, as in `wallet_prepareCalls`."""
    abis: tuple[GivenAbi, ...] = ()
    """ABIs to decode the calls by, before the bundled ones."""
    max_gas_cost: Wei | None = None
    """Maximum cost of the gas in wei, `feePayment.maxAmount` of prepared calls, to check the session's gas limit."""
    sponsored: bool = False
    """True if a paymaster pays for the gas, which then does not count against the session's gas limit."""


@shape
class ExplainedCalls:
    """The decision on an operation with these calls, and on each call."""

    session_id: SessionId | None = None
    """Id of the session; absent for one that is not stored here."""
    account: Address
    """Account of the session."""
    chain_id: ChainId
    """Chain of the session."""
    entity_id: int
    """Entity id of the session on its account, as a JSON number."""
    installed: bool
    """True if the session is on chain; else the calls are explained by the grant that the first call installs."""
    decision: Verdict
    """`denied` if any call is; `atExecution` if the execution decides about any; else `allowed`."""
    reason: str | None = None
    """Stable code of the reason that the contracts would report first, or of the first doubt."""
    text: str
    """One sentence on the decision."""
    decided_by: tuple[Factor, ...] = ()
    """Factors that the execution depends on: `target`, `account`, `balance`, `gas`, `hook`."""
    limits: RemainingLimits
    """Rest of the session's limits now."""
    remaining: RemainingLimits
    """Rest of the limits after the operation; a denied one spends at most its gas."""
    rules: tuple[RulePreview, ...] | None = None
    """Rules of this server about amounts, numbers of calls and rates, before and after; absent without any."""
    calls: tuple[CallExplanation, ...]
    """The decision on each call, in the order of the request."""


async def run(ports: Ports, request: ExplainCalls) -> ExplainedCalls:
    """Read the session's rules and limits, decide by them, and try the allowed calls at the latest block."""
    _check_number(len(request.calls))
    named = await find_session(ports, request)
    account = named.reference.account
    if not await is_of_caller(ports, account):
        raise NotFound("no such session is stored here", field="params", reason="session_not_found")
    chain = chain_of(ports, named.reference.chain_id)
    calls = to_calls(chain.chain_id, request.calls)
    await _compute(request, partial(_check_inner_calls, account, calls))
    decoded = await _compute(request, partial(_decode, calls, request.abis))
    facts, decimals = await asyncio.gather(
        read_session_facts(ports, chain, named, calls, at="params"), read_decimals(chain, _find_tokens(named, decoded))
    )
    situation = Situation(
        account=account,
        now=ports.now_on(chain.chain_id),
        gas_charge=0 if request.sponsored else request.max_gas_cost,
        balance=facts.balance,
        codeless=facts.codeless,
    )
    decision = await _compute(request, partial(_decide, facts, calls, situation))
    call_data = _encode(facts, calls, account)
    server = await _find_server_finding(ports, chain, named, call_data, nonce=facts.nonce)
    if server is not None and server.verdict is Verdict.DENIED:
        decision = spend_nothing(decision, facts.rules.limits)
    decisions = _split(decision, calls, account)
    findings = await _find_findings(chain, facts, calls, decisions, server)
    whole = find_operation_finding(decision, findings, server)
    is_denied = whole.verdict is Verdict.DENIED
    return ExplainedCalls(
        session_id=named.id,
        account=account,
        chain_id=chain.chain_id,
        entity_id=named.reference.entity_id,
        installed=facts.is_installed,
        decision=whole.verdict,
        reason=whole.reason,
        text=whole.text,
        decided_by=decision.factors if whole.verdict is Verdict.AT_EXECUTION else (),
        limits=describe_limits(facts.rules.limits, decimals),
        remaining=describe_limits(decision.remaining, decimals),
        rules=await preview_rules(ports, named.reference, call_data, nonce=facts.nonce, is_denied=is_denied),
        calls=tuple(
            _explain_call(named, *parts, decimals) for parts in zip(calls, decisions, findings, decoded, strict=True)
        ),
    )


def _explain_call(
    named: NamedSession,
    call: Call,
    decision: CallDecision,
    finding: CallFinding,
    decoded: DecodedCall | None,
    decimals: Mapping[Address, int],
) -> CallExplanation:
    permissions = None if named.session is None else named.session.permissions
    return CallExplanation(
        decision=finding.verdict,
        permission=name_permission(decision.permission, call, permissions),
        reason=finding.reason,
        text=finding.text,
        decided_by=decision.factors if finding.verdict is Verdict.AT_EXECUTION else (),
        remaining=describe_limits(decision.remaining, decimals, token=call.to),
        decoded=tuple(describe_call(decoded, decimals)),
    )


async def _compute(request: ExplainCalls, work: Callable[[], _T]) -> _T:
    """Run work at once if the request is small, else outside of the event loop."""
    if request.abis:
        return await compute(work)
    return await compute_by_size(work, size=sum(len(call.data) for call in request.calls))


def _check_number(count: int) -> None:
    if count > MAX_EXPLAINED_CALLS:
        raise BundleTooLarge(f"expected at most {MAX_EXPLAINED_CALLS} calls, got {count}", field="params.calls")


def _check_inner_calls(account: Address, calls: Sequence[Call]) -> None:
    """Check the number of calls in a batch that the account runs itself. Raises: BundleTooLarge."""
    _check_number(len(read_account_call(execute_call_data(account, calls)).elements or ()))


def _decode(calls: Sequence[Call], abis: Sequence[GivenAbi]) -> tuple[DecodedCall | None, ...]:
    decoder = CallDecoder(parse_abis(abis, at="params.abis"))
    return tuple(decoder.decode(call.to, call.data) for call in calls)


def _find_tokens(named: NamedSession, decoded: Iterable[DecodedCall | None]) -> Iterator[Address]:
    """Yield the tokens of the session's limits, and those of amounts in the calls."""
    if named.install is not None:
        yield from rules_of_install(named.install).limits.tokens
    for call in decoded:
        if call is not None:
            yield from call.find_tokens()


def _decide(facts: SessionFacts, calls: Sequence[Call], situation: Situation) -> Decision:
    return decide_operation(facts.rules, _encode(facts, calls, situation.account), situation)


def _encode(facts: SessionFacts, calls: Sequence[Call], account: Address) -> Data:
    call_data = execute_call_data(account, calls)
    return wrap_execute_user_op(call_data) if facts.rules.has_execution_hooks else call_data


async def _find_server_finding(
    ports: Ports, chain: ChainPorts, named: NamedSession, call_data: Data, *, nonce: int
) -> CallFinding | None:
    """Return what this server itself says: the session is stopped, or a rule of it denies or lets the calls wait."""
    check = await check_stops(ports, chain, named.reference, grant=find_grant(named), session_id=named.id)
    if check.error is not None:
        return deny_by_server(check.error)
    try:
        wait = await check_calls(ports, named.reference, call_data, nonce=nonce)
    except RuleDenied as denial:
        return deny_by_server(denial)
    return None if wait is None else APPROVAL


def _split(decision: Decision, calls: Sequence[Call], account: Address) -> tuple[CallDecision, ...]:
    """Return the decision on each call of the request; a single call to the account itself may run as several."""
    is_own = len(calls) == 1 and calls[0].to == account
    return (merge_decisions(decision),) if is_own else decision.calls[: len(calls)]


async def _find_findings(
    chain: ChainPorts,
    facts: SessionFacts,
    calls: Sequence[Call],
    decisions: Sequence[CallDecision],
    server: CallFinding | None,
) -> tuple[CallFinding, ...]:
    """Run the calls that the session allows, unless nothing can make them fail, and return the findings."""
    accepted = [call for call, one in zip(calls, decisions, strict=True) if one.denial is None]
    is_certain = not any(one.factors for one in decisions)
    trial = CallTrial(len(accepted)) if is_certain else await try_calls(chain, facts.account, accepted)
    return find_call_findings(decisions, trial, server)


def _is_long(answer: ExplainedCalls) -> bool:
    return len(answer.calls) > _MAX_SHORT_CALLS


OPERATION: Operation[Ports, ExplainCalls, ExplainedCalls] = Operation(
    "wallet_explainCalls",
    ExplainCalls,
    ExplainedCalls,
    run,
    "Explain calls of a session before they are sent: allowed or denied, why, and what would remain of each limit.",
    (BundleTooLarge, LimitExceeded, NotFound, UnreadableAnswer, UnsupportedCapability, UnsupportedChain),
    need=RequiredAccess(writes=False, scopes=(Scope.WALLET_READ, Scope.TRANSACTIONS_BUILD)),
    wallets=lambda request: () if request.account is None else (request.account,),
    is_long=_is_long,
    reasons=(
        *reasons.ACCOUNT,
        "abi_malformed",
        "account_not_delegated",
        "call_on_another_chain",
        "context_malformed",
        "deferred_action_malformed",
        "entity_id_out_of_range",
        "session_not_found",
        "session_not_on_chain",
        "session_selector",
        "too_many",
    ),
    description=(
        "Nothing is signed or sent. The decision is that of the account's contracts: functions, targets, limits as "
        "they are on chain, and times. Calls that the session allows are run at the latest block, so that `allowed` "
        "means that they succeed there. Each call is decoded by the given ABIs and by those of common standards. The "
        "reasons are those of the errors of wallet_prepareCalls, wallet_sendPreparedCalls and wallet_getCallsStatus."
    ),
)

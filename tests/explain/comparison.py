"""Comparison of one decision of the engine with what the contracts do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.explain.evm import BALANCE, GAS, NOW, Laboratory, Outcome
from tests.explain.generator import Attempt, Generator, Grant
from wallet_rpc.domain.decision.contract_rules import Limits, rules_of_install
from wallet_rpc.domain.decision.denials import CONTRACT_ERRORS, Denial
from wallet_rpc.domain.decision.diagnosis import observe_error
from wallet_rpc.domain.decision.engine import Decision, Factor, decide_operation
from wallet_rpc.domain.decision.operation import Situation

OPERATIONS_PER_GRANT = 5


@dataclass
class Tally:
    """The number of compared pairs by decision, and the disagreements."""

    pairs: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)


def compare_pairs(laboratory: Laboratory, seed: str, pairs: int, tally: Tally) -> None:
    """Compare generated pairs until `pairs` are compared; grants that cannot be installed do not count."""
    generator = Generator(seed, laboratory.addresses, laboratory.account)
    while tally.pairs < pairs:
        grant = generator.grant()
        mark = laboratory.install(grant.install)
        if mark is None:
            tally.decisions["grants that cannot be installed"] += 1
            continue
        for _ in range(min(OPERATIONS_PER_GRANT, pairs - tally.pairs)):
            attempt = generator.attempt(grant)
            decision, outcome = judge(laboratory, grant, attempt)
            tally.pairs += 1
            tally.decisions[_name(decision)] += 1
            problem = find_disagreement(grant, decision, outcome)
            if problem is not None:
                tally.disagreements.append(f"{problem}\n  {grant}\n  {attempt}\n  {decision}\n  {outcome}")
        laboratory.undo(mark)


def judge(laboratory: Laboratory, grant: Grant, attempt: Attempt) -> tuple[Decision, Outcome]:
    """Decide an operation, and send it."""
    rules = rules_of_install(grant.install)
    codeless = frozenset(one for one in laboratory.addresses.values() if not laboratory.has_code(one))
    charge = 0 if attempt.is_sponsored else GAS * attempt.fee
    situation = Situation(
        account=laboratory.account,
        now=NOW,
        gas_charge=charge,
        balance=BALANCE - charge,
        codeless=codeless,
    )
    outcome = laboratory.operate(
        grant.install,
        attempt.call_data,
        fee=attempt.fee,
        paymaster=laboratory.addresses["PAYMASTER"] if attempt.is_sponsored else None,
        tokens=list(rules.limits.tokens),
    )
    return decide_operation(rules, attempt.call_data, situation), outcome


def _name(decision: Decision) -> str:
    if decision.denial is not None:
        return f"denied: {decision.denial.reason}"
    return f"at execution: {', '.join(sorted(decision.factors))}" if decision.factors else "allowed"


def find_disagreement(grant: Grant, decision: Decision, outcome: Outcome) -> str | None:
    """Return a description of a disagreement; None for agreement."""
    if decision.denial is not None:
        return _check_denial(grant, decision, decision.denial, outcome)
    if not outcome.included:
        return "not denied, but rejected"
    if outcome.success:
        if decision.factors == (Factor.BALANCE,):
            return "success without the balance"
        return _compare_limits(decision.remaining, outcome.remaining)
    return _check_failure(decision, outcome)


def _check_denial(grant: Grant, decision: Decision, denial: Denial, outcome: Outcome) -> str | None:
    found = observe_error(outcome.explanation, grant.install.entity_id)
    if outcome.success or outcome.included is not denial.is_late:
        return "denied, but the contracts allow it, or deny it at another time"
    if found is None or found.hook is not denial.hook or found not in CONTRACT_ERRORS[denial.reason]:
        return f"denied for another reason: {found}"
    return _compare_limits(decision.remaining, outcome.remaining)


def _check_failure(decision: Decision, outcome: Outcome) -> str | None:
    """Check that a failed execution was left to the execution, and that no hook made it fail."""
    if not decision.factors:
        return "allowed, but the execution fails"
    causes = outcome.explanation.causes
    is_hook = bool(causes) and causes[0].name == "PreExecHookReverted"
    return "at execution, but a hook denies it" if is_hook else None


def _compare_limits(expected: Limits, found: Limits) -> str | None:
    return None if expected == found else "another remainder of the limits"

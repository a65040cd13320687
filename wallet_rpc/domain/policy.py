"""Sponsorship policies: the senders, targets, chains, times and amounts for which gas is paid.

This module decides everything that depends on the operation alone. Limits that depend on earlier spending are
`BudgetLimit`s, which the budgets enforce. Each denial has its own stable reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias
from uuid import UUID

from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.primitives import Address

MAX_POLICY_WEI = 10**30 - 1
"""The largest limit, and the largest cost of a sponsored operation, in wei."""
MAX_POLICY_OPERATIONS = 10**15 - 1
"""The largest limit on a count."""


class PolicyDenialReason(StrEnum):
    """Reasons for which an operation is not sponsored; `error.data.reason` on the wire."""

    UNKNOWN = "policy_unknown"
    DISABLED = "policy_disabled"
    CHAIN = "policy_chain"
    NOT_YET = "policy_not_yet_valid"
    EXPIRED = "policy_expired"
    SENDER_BLOCKED = "policy_sender_blocked"
    SENDER_NOT_ALLOWED = "policy_sender_not_allowed"
    TARGET_NOT_ALLOWED = "policy_target_not_allowed"
    OPERATION_WEI = "policy_operation_limit"
    TOTAL_WEI = "policy_total_limit"
    TOTAL_OPERATIONS = "policy_total_count"
    SENDER_WEI = "policy_sender_limit"
    SENDER_OPERATIONS = "policy_sender_count"
    FIRST_TIME = "policy_first_time_limit"
    OWNER_OPEN = "policy_owner_open_limit"
    TOKEN_OPEN = "policy_token_open_limit"  # noqa: S105  # no secret
    KEY_OPEN = "policy_key_open_limit"
    ACCOUNT = "policy_account_unknown"
    WEBHOOK_DENIED = "policy_webhook_denied"
    WEBHOOK_FAILED = "policy_webhook_failed"
    SERVICE_UNFIT = "policy_service_unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLimits:
    """Limits on a policy's spending; None: no limit. Amounts are in wei, up to `MAX_POLICY_WEI`."""

    operation_wei: int | None = None
    """Limit on the maximum cost of one operation."""
    total_wei: int | None = None
    total_operations: int | None = None
    sender_wei: int | None = None
    """Limit for one owner across all their accounts, and for the wallet of the caller's session token."""
    sender_operations: int | None = None
    owner_open: int = 100
    """Maximum number of open reservations of one owner."""
    token_open: int = 100
    """Maximum number of open reservations of one session token."""
    key_open: int = 1000
    """Maximum number of open reservations of one API key, or of one client address on a server without API keys."""
    window_seconds: int | None = None
    """Age after which spending no longer counts against total and sender limits; None: spending counts permanently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A server of the operator that receives a request before each sponsorship."""

    url: str
    timeout_seconds: float = 3.0
    """Time limit for the whole response; no response in time is a denial."""

    def __repr__(self) -> str:
        """Return the representation without the URL, which may hold a secret."""
        return f"Webhook(timeout_seconds={self.timeout_seconds})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymasterServiceOptions:
    """Options for requests to a paymaster service (ERC-7677), on chains where the service pays under the policy."""

    context: Mapping[str, Any] | None = field(default=None, repr=False)
    """The `context` of requests to the service, which may hold a secret; None: the policy's id, as `policyId`."""
    valid_seconds: int | None = None
    """Maximum validity, in seconds, of the data that the service signs; None: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy of the operator. An empty `chains` or an absent list of senders or targets allows all."""

    id: UUID
    name: str = ""
    organization: str | None = None
    """The organisation whose callers may use the policy; None: all callers."""
    enabled: bool = True
    chains: frozenset[int] = frozenset()
    allowed_senders: frozenset[Address] | None = None
    blocked_senders: frozenset[Address] = frozenset()
    allowed_targets: frozenset[Address] | None = None
    """Contracts that the account may call directly; a call to the account itself has the account as its target."""
    valid_from: int | None = None
    """In seconds since 1970."""
    valid_until: int | None = None
    """The first second, since 1970, in which the policy no longer sponsors."""
    limits: PolicyLimits = PolicyLimits()
    sponsorship_seconds: int = 600
    """Validity of one sponsorship, in seconds; from 30 to 3600."""
    webhook: Webhook | None = None
    service: PaymasterServiceOptions = PaymasterServiceOptions()

    @property
    def service_names(self) -> frozenset[str]:
        """Names by which a paymaster service may identify the policy, normalized by `normalize_policy_name`."""
        context = {} if self.service.context is None else self.service.context
        names = (str(self.id), *context.values())
        return frozenset(normalize_policy_name(name) for name in names if isinstance(name, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDenial:
    """The denial of a sponsorship: a stable reason, and a sentence for people."""

    reason: PolicyDenialReason
    message: str


PolicyDecision: TypeAlias = PolicyDenial | None
"""None: the policy sponsors the operation, before the checks of its budget and its webhook."""


def is_available_to(policy: Policy, organization: str | None) -> bool:
    """Return True if a caller of `organization` (None: of no organisation) may use the policy.

    For all other callers the policy does not exist.
    """
    return policy.organization is None or policy.organization == organization


def normalize_policy_name(given: str) -> str:
    """Return the canonical form of a policy's name: case-folded and stripped; a UUID in its standard form."""
    text = given.strip().casefold()
    try:
        return str(UUID(text))
    except ValueError:
        return text


def decide(policy: Policy, op: UserOperation, *, chain_id: int, now: int) -> PolicyDecision:
    """Return the denial of `op` by `policy` on chain `chain_id` at the time `now`; None if the policy sponsors it.

    An operation without gas limits costs nothing.
    """
    return (
        _check_chain_and_time(policy, chain_id=chain_id, now=now)
        or _check_sender_and_targets(policy, op)
        or _check_cost(policy, op)
    )


def _check_chain_and_time(policy: Policy, *, chain_id: int, now: int) -> PolicyDecision:
    if not policy.enabled:
        return _deny(policy, PolicyDenialReason.DISABLED, "is switched off")
    if policy.chains and chain_id not in policy.chains:
        return _deny(policy, PolicyDenialReason.CHAIN, f"does not sponsor on chain {chain_id}")
    if policy.valid_from is not None and now < policy.valid_from:
        return _deny(policy, PolicyDenialReason.NOT_YET, f"sponsors from {policy.valid_from} on, now is {now}")
    if policy.valid_until is not None and now >= policy.valid_until:
        return _deny(policy, PolicyDenialReason.EXPIRED, f"sponsored until {policy.valid_until}, now is {now}")
    return None


def _check_sender_and_targets(policy: Policy, op: UserOperation) -> PolicyDecision:
    if op.sender in policy.blocked_senders:
        return _deny(policy, PolicyDenialReason.SENDER_BLOCKED, f"blocks {op.sender}")
    if policy.allowed_senders is not None and op.sender not in policy.allowed_senders:
        return _deny(policy, PolicyDenialReason.SENDER_NOT_ALLOWED, f"does not list {op.sender} among its senders")
    if policy.allowed_targets is None:
        return None
    calls = decode_calls(op.sender, op.call_data)
    if calls is None:
        return _deny(policy, PolicyDenialReason.TARGET_NOT_ALLOWED, "lists targets, but the call data is not decodable")
    for call in calls:
        if call.to not in policy.allowed_targets:
            return _deny(policy, PolicyDenialReason.TARGET_NOT_ALLOWED, f"does not list {call.to} among its targets")
    return None


def _check_cost(policy: Policy, op: UserOperation) -> PolicyDecision:
    limit = MAX_POLICY_WEI if policy.limits.operation_wei is None else policy.limits.operation_wei
    cost = max_cost(op)
    if cost <= limit:
        return None
    return _deny(
        policy,
        PolicyDenialReason.OPERATION_WEI,
        f"pays at most {limit} wei for one operation, but this one may cost {cost}",
    )


def build_unknown_account_denial(policy: Policy, sender: Address) -> PolicyDenial:
    """Build the denial of a sender whose code does not prove that it is an account."""
    return _deny(
        policy,
        PolicyDenialReason.ACCOUNT,
        f"sponsors accounts only: {sender} is neither the factory's proxy with a known implementation nor delegated "
        "to one",
    )


def _deny(policy: Policy, reason: PolicyDenialReason, predicate: str) -> PolicyDenial:
    return PolicyDenial(reason=reason, message=f"policy {policy.id} {predicate}")

"""Sponsorship policies: whose operations are paid for, where, when, and up to how much.

The rule: what can be told from the operation alone is decided here; what depends on what was spent before is a
`Limit`, kept by the budgets; and every refusal has a word of its own that never changes.
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
"""The largest limit, and the largest cost of one operation that is ever sponsored, in wei."""
MAX_POLICY_OPERATIONS = 10**15 - 1
"""The largest limit on a count."""


class PolicyDenialReason(StrEnum):
    """Why an operation is not sponsored; `error.data.reason` on the wire."""

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
    """How much a policy spends at most; None: no limit. Amounts in wei, up to `MAX_WEI`."""

    operation_wei: int | None = None
    """For one operation's maximum cost."""
    total_wei: int | None = None
    total_operations: int | None = None
    sender_wei: int | None = None
    """For one owner, whichever of their accounts asks, and for the wallet of the session token that asks."""
    sender_operations: int | None = None
    owner_open: int = 100
    """The most reservations of one owner that are open at a time."""
    token_open: int = 100
    """The same of one session token."""
    key_open: int = 1000
    """The same of one API key, or of one address that connects to an open server."""
    window_seconds: int | None = None
    """What was spent longer ago does not count against totals and senders; None: everything counts for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A server of the operator's that is asked before each sponsorship."""

    url: str
    timeout_seconds: float = 3.0
    """For the whole answer; none in time is a no."""

    def __repr__(self) -> str:
        """Without the URL, which may hold a secret."""
        return f"Webhook(timeout_seconds={self.timeout_seconds})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymasterServiceOptions:
    """How a paymaster service (ERC-7677) is asked on chains where it pays for the policy."""

    context: Mapping[str, Any] | None = field(default=None, repr=False)
    """What it is told beside the operation, and may hold a secret; None: the policy's own id, as `policyId`."""
    valid_seconds: int | None = None
    """How long what it signs can be used at most; None: nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy, as the operator wrote it; an empty `chains` or an absent list of senders or targets means all."""

    id: UUID
    name: str = ""
    organization: str | None = None
    """Whose callers may use it; None: everyone's."""
    enabled: bool = True
    chains: frozenset[int] = frozenset()
    allowed_senders: frozenset[Address] | None = None
    blocked_senders: frozenset[Address] = frozenset()
    allowed_targets: frozenset[Address] | None = None
    """What the account may call directly; a call of the account to itself is one to the account's address."""
    valid_from: int | None = None
    """In seconds since 1970."""
    valid_until: int | None = None
    """The first second in which nothing is sponsored any more."""
    limits: PolicyLimits = PolicyLimits()
    sponsorship_seconds: int = 600
    """How long one sponsorship may be used; from 30 to 3600."""
    webhook: Webhook | None = None
    service: PaymasterServiceOptions = PaymasterServiceOptions()

    @property
    def service_names(self) -> frozenset[str]:
        """What a paymaster service may know the policy by, each as `normalize_policy_name` writes it."""
        told = {} if self.service.context is None else self.service.context
        return frozenset(normalize_policy_name(one) for one in (str(self.id), *told.values()) if isinstance(one, str))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDenial:
    """An operation is not sponsored: the stable word, and a sentence."""

    reason: PolicyDenialReason
    message: str


PolicyDecision: TypeAlias = PolicyDenial | None
"""None: the policy sponsors the operation, as far as can be told without its budget and its webhook."""


def is_available_to(policy: Policy, organization: str | None) -> bool:
    """Whether a caller of `organization` (None: of none) may use the policy; to all others it does not exist."""
    return policy.organization is None or policy.organization == organization


def normalize_policy_name(given: str) -> str:
    """A policy's name in the one form that all its spellings share; of a UUID the canonical one."""
    text = given.strip().casefold()
    try:
        return str(UUID(text))
    except ValueError:
        return text


def decide(policy: Policy, op: UserOperation, *, chain_id: int, now: int) -> PolicyDecision:
    """Whether `policy` sponsors `op` on a chain at a time. An operation that has no gas limits yet costs nothing."""
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
        return _deny(policy, PolicyDenialReason.TARGET_NOT_ALLOWED, "lists targets, and the call data cannot be read")
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
        f"pays at most {limit} wei for one operation, this one may cost {cost}",
    )


def build_unknown_account_denial(policy: Policy, sender: Address) -> PolicyDenial:
    """The denial of a sender whose code does not prove that it is an account."""
    return _deny(
        policy,
        PolicyDenialReason.ACCOUNT,
        f"sponsors accounts only: {sender} is neither the factory's proxy with a known implementation nor delegated "
        "to one",
    )


def _deny(policy: Policy, reason: PolicyDenialReason, why: str) -> PolicyDenial:
    return PolicyDenial(reason=reason, message=f"policy {policy.id} {why}")

"""Paymaster that sponsors operations under the configured policies, with the signature of the chain's backing.

No signature leaves the server before its maximum cost is reserved. The order is: prove the account, apply the policy,
request the webhook's approval, sign, reserve the budget, return the signature. A signature without a reservation is
dropped. A policy that is not configured is left to the fallback paymaster, if there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from wallet_rpc.adapters.http_post import PostClient
from wallet_rpc.adapters.sponsorship import webhook
from wallet_rpc.adapters.sponsorship.accounts import owners_of
from wallet_rpc.adapters.sponsorship.backing import Backing, sponsorship_of
from wallet_rpc.adapters.sponsorship.outcomes import OutcomeReader, Settlement, Unsettled
from wallet_rpc.adapters.sponsorship.redis_budgets import (
    Ledger,
    PendingReservation,
    RedisBudgets,
    Reservation,
    reservation_id,
)
from wallet_rpc.domain import abi
from wallet_rpc.domain.access import Caller, WalletNamespace
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.policy import (
    Policy,
    PolicyDecision,
    PolicyDenial,
    PolicyDenialReason,
    build_unknown_account_denial,
    decide,
    is_available_to,
    normalize_policy_name,
)
from wallet_rpc.domain.policy_limits import Parties, build_limit_denial
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import PaymasterRejected, Unavailable
from wallet_rpc.ports import Clock, Node, Paymaster, Sponsorship
from wallet_rpc.primitives import Address, ChainId, Hash32, preview

LEASE_SECONDS = 30
"""Time between two lookups of a reservation that is still open."""
LOOKUP_BATCH = 8
"""Number of older reservations that a sponsorship looks up at a time, before it reserves; it waits for the lookups."""
_MAX_LOOKUP_ROUNDS = 25
"""Maximum number of further lookups when the budget is used up."""


def _local_caller() -> Caller:
    """Return the caller outside of requests."""
    return Caller(name="local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsor:
    """Data shared by all chains: the policies and their budgets, the signer's key, and the HTTP client for webhooks."""

    policies: Mapping[UUID, Policy]
    budgets: RedisBudgets
    key: bytes | None = field(default=None, repr=False)
    """Private key of the signer of this server's paymasters, 32 bytes; None if only paymaster services sign."""
    clock: Clock
    http: PostClient
    outcomes: dict[ChainId, OutcomeReader] = field(default_factory=dict)
    """Outcome reader of each chain with a paymaster: a policy may have reservations on all of them."""
    caller: Callable[[], Caller] = _local_caller
    """Function that returns the current request's caller."""

    def policy_of(self, context: Mapping[str, Any]) -> Policy | None:
        """Return the configured policy that the context names, if it is available to the caller."""
        given = context.get("policyId")
        try:
            policy = self.policies.get(UUID(given)) if isinstance(given, str) else None
        except ValueError:
            policy = None
        return policy if policy is not None and is_available_to(policy, self.caller().organization) else None

    def parties(self, owners: tuple[Address, ...]) -> Parties:
        """Return the parties that a sponsorship counts against: the account's `owners` and the caller."""
        caller = self.caller()
        if caller.token is None:
            return Parties(owners=owners, key=caller.holder)
        wallet = caller.token.wallet
        token_owner = (Address.parse(wallet.address),) if wallet.namespace is WalletNamespace.EVM else ()
        return Parties(owners=tuple(dict.fromkeys((*owners, *token_owner))), key=caller.holder, token=caller.token.id)

    def hide_policy_names(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the context for the fallback paymaster, which may have a policy with the same id as a configured one.

        The id of a configured policy is replaced, so that callers without access to it cannot bypass its limits through
        the fallback. No service knows the replacement, so the response is the same as for any unknown policy.
        """
        given = context.get("policyId")
        name = normalize_policy_name(given) if isinstance(given, str) else None
        if not any(name in policy.service_names for policy in self.policies.values()):
            return context
        return {**context, "policyId": str(UUID(bytes=abi.keccak(str(name).encode())[:16], version=4))}


class PolicyPaymaster:
    """`ports.Paymaster` of one chain for the configured policies; requests with any other policy go to `fallback`."""

    def __init__(
        self,
        sponsor: Sponsor,
        outcomes: OutcomeReader,
        *,
        chain: Node,
        chain_id: ChainId,
        backing: Backing,
        fallback: Paymaster | None = None,
    ) -> None:
        self._sponsor = sponsor
        self._outcomes = outcomes
        sponsor.outcomes[chain_id] = outcomes
        self._chain = chain
        self._chain_id = chain_id
        self._backing = backing
        self._fallback = fallback

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return stub paymaster data for gas estimation; nothing is reserved. Raises: PaymasterRejected."""
        policy = self._sponsor.policy_of(context)
        if policy is None:
            return await self._require_fallback(context).stub(operation, self._sponsor.hide_policy_names(context))
        _check(decide(policy, operation, chain_id=self._chain_id, now=await self._outcomes.now()))
        return await self._backing.stub(policy, operation, context)

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return signed paymaster data, reserved in the policy's budget.

        Raises: PaymasterRejected, whose reason is a `PolicyDenialReason` unless a service rejected the operation;
        Unavailable when the budget, the chain or the service does not respond.
        """
        policy = self._sponsor.policy_of(context)
        if policy is None:
            return await self._require_fallback(context).sponsor(operation, self._sponsor.hide_policy_names(context))
        now, owners = await asyncio.gather(self._outcomes.now(), owners_of(self._chain, operation))
        _check(decide(policy, operation, chain_id=self._chain_id, now=now))
        _check(None if owners else build_unknown_account_denial(policy, operation.sender))
        _check(
            await webhook.request_approval(
                self._sponsor.http, policy, operation, chain_id=self._chain_id, context=context
            )
        )
        signed = await self._backing.sign(policy, operation, context, now=now)
        sponsored = replace(operation, paymaster=signed.part)
        _check(decide(policy, sponsored, chain_id=self._chain_id, now=now))  # signing may change the gas limits
        reservation = Reservation(
            chain_id=self._chain_id,
            sender=sponsored.sender,
            nonce=sponsored.nonce,
            operation_hash=user_operation_hash(sponsored, self._chain_id, ENTRY_POINT),
            cost=max_cost(sponsored),
            valid_until=signed.valid_until,
            parties=self._sponsor.parties(owners),
            is_open_ended=signed.is_open_ended,
        )
        await self._reserve(policy, reservation, now=now)
        return sponsorship_of(signed.part)

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Expedite the reservation's lookup, so that its unused part is released soon. Raises: Unavailable."""
        policy_id = await self._sponsor.budgets.find_policy(self._chain_id, operation_hash)
        policy = None if policy_id is None else self._sponsor.policies.get(policy_id)
        if policy is not None:
            identity = reservation_id(self._chain_id, operation.sender, operation.nonce)
            await self._sponsor.budgets.expedite(_ledger_of(policy), identity, now=self._outcomes.clock.now())

    def _require_fallback(self, context: Mapping[str, Any]) -> Paymaster:
        if self._fallback is None:
            text = f"policy {preview(context.get('policyId'))} is not configured on this server"
            raise PaymasterRejected(text, reason=PolicyDenialReason.UNKNOWN)
        return self._fallback

    async def _reserve(self, policy: Policy, reservation: Reservation, *, now: int) -> None:
        """Reserve the budget.

        Raises: PaymasterRejected when a limit would be exceeded, even after older reservations are settled.
        """
        await self._look_up(policy, now=now)
        budgets = self._sponsor.budgets
        rounds = 0
        while (exceeded := await budgets.reserve(_ledger_of(policy), reservation, policy.limits, now=now)) is not None:
            rounds += 1
            if rounds > _MAX_LOOKUP_ROUNDS or not await self._look_up(policy, now=now):
                raise _denial_error(build_limit_denial(policy, exceeded, cost=reservation.cost))

    async def _look_up(self, policy: Policy, *, now: int) -> int:
        """Look up pending reservations and settle those with a known outcome; return the number of lookups."""
        ledger = _ledger_of(policy)
        pending = await self._sponsor.budgets.lease_pending(
            ledger, now=now, lease_seconds=LEASE_SECONDS, most=LOOKUP_BATCH
        )
        await asyncio.gather(*(self._settle(ledger, each, now=now) for each in pending))
        return len(pending)

    async def _settle(self, ledger: Ledger, pending: PendingReservation, *, now: int) -> None:
        outcomes = self._sponsor.outcomes.get(pending.chain_id)
        if outcomes is None:
            return  # the chain is no longer configured
        try:
            outcome = await outcomes.read(pending)
        except Unavailable:
            return  # it stays reserved and is looked up again after its lease
        match outcome:
            case Settlement(cost):
                await self._sponsor.budgets.settle(ledger, pending, cost=cost, now=now)
            case Unsettled.VOID:
                await self._sponsor.budgets.release(ledger, pending, now=now)
            case Unsettled.OPEN:
                pass


def _ledger_of(policy: Policy) -> Ledger:
    return Ledger(policy.id, policy.limits.window_seconds or 0)


def _check(decision: PolicyDecision) -> None:
    """Check a decision. Raises: PaymasterRejected for a denial."""
    if decision is not None:
        raise _denial_error(decision)


def _denial_error(denial: PolicyDenial) -> PaymasterRejected:
    return PaymasterRejected(denial.message, reason=denial.reason)

"""The server's own paymaster: sponsors what a configured policy allows, by the signature of the chain's backing.

The rule: nothing is given away that is not counted. The account is proven, the policy decides, its webhook agrees, the
backing signs, the budget is reserved, and only then does the signature leave; a signature whose budget is refused is
dropped. A policy that is not configured is left to another paymaster, if there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx2

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
"""How long a promise rests that was looked up and is still open."""
LOOKUP_BATCH = 8
"""How many promises one sponsorship looks up on its way; it waits for them."""
_MAX_LOOKUP_ROUNDS = 25
"""How often more are looked up when the budget is used up."""


def _local_caller() -> Caller:
    """Outside of any request."""
    return Caller(name="local")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsor:
    """What all chains share: the policies and their budgets, the signer's key, and the way to webhooks."""

    policies: Mapping[UUID, Policy]
    budgets: RedisBudgets
    key: bytes | None = field(default=None, repr=False)
    """The private key of our paymasters' signer, 32 bytes; None where paymaster services sign alone."""
    clock: Clock
    http: httpx2.AsyncClient
    outcomes: dict[ChainId, OutcomeReader] = field(default_factory=dict)
    """Of each chain that has a paymaster here: a policy's promises may be on all of them."""
    caller: Callable[[], Caller] = _local_caller
    """The caller that is being served."""

    def policy_of(self, context: Mapping[str, Any]) -> Policy | None:
        """The configured policy that the context names, if the caller may know it."""
        given = context.get("policyId")
        try:
            policy = self.policies.get(UUID(given)) if isinstance(given, str) else None
        except ValueError:
            policy = None
        return policy if policy is not None and is_available_to(policy, self.caller().organization) else None

    def parties(self, owners: tuple[Address, ...]) -> Parties:
        """Those that a sponsorship for an account of `owners` counts against, with the caller that asks for it."""
        asking = self.caller()
        if asking.token is None:
            return Parties(owners=owners, key=asking.holder)
        wallet = asking.token.wallet
        bound = (Address.parse(wallet.address),) if wallet.namespace is WalletNamespace.EVM else ()
        return Parties(owners=tuple(dict.fromkeys((*owners, *bound))), key=asking.holder, token=asking.token.id)

    def hide_policy_names(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """A context that names no configured policy, for another paymaster, which may know one by the same name.

        Otherwise who may not use a policy, or names it as the service does, would get past its limits. What is named
        instead is known to nobody, so the answer is the one of every unknown policy.
        """
        given = context.get("policyId")
        name = normalize_policy_name(given) if isinstance(given, str) else None
        if not any(name in policy.service_names for policy in self.policies.values()):
            return context
        return {**context, "policyId": str(UUID(bytes=abi.keccak(str(name).encode())[:16], version=4))}


class PolicyPaymaster:
    """`ports.Paymaster` of one chain; `otherwise` sponsors under the policies that are not configured."""

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
        """A sponsorship of the right size for estimation; nothing is counted. Raises: PaymasterRejected."""
        policy = self._sponsor.policy_of(context)
        if policy is None:
            return await self._require_fallback(context).stub(operation, self._sponsor.hide_policy_names(context))
        _check(decide(policy, operation, chain_id=self._chain_id, now=await self._outcomes.now()))
        return await self._backing.stub(policy, operation, context)

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return the real paymaster data, counted against the policy's budget.

        Raises: PaymasterRejected, whose reason is a `Refusal` unless a service refused; Unavailable when the budget,
        the chain or the service does not answer.
        """
        policy = self._sponsor.policy_of(context)
        if policy is None:
            return await self._require_fallback(context).sponsor(operation, self._sponsor.hide_policy_names(context))
        now, owners = await asyncio.gather(self._outcomes.now(), owners_of(self._chain, operation))
        _check(decide(policy, operation, chain_id=self._chain_id, now=now))
        _check(None if owners else build_unknown_account_denial(policy, operation.sender))
        asked = webhook.request_approval(
            self._sponsor.http, policy, operation, chain_id=self._chain_id, context=context
        )
        _check(await asked)
        signed = await self._backing.sign(policy, operation, context, now=now)
        whole = replace(operation, paymaster=signed.part)
        _check(decide(policy, whole, chain_id=self._chain_id, now=now))  # its limits may be other ones than before
        promise = Reservation(
            chain_id=self._chain_id,
            sender=whole.sender,
            nonce=whole.nonce,
            operation_hash=user_operation_hash(whole, self._chain_id, ENTRY_POINT),
            cost=max_cost(whole),
            valid_until=signed.valid_until,
            parties=self._sponsor.parties(owners),
            is_open_ended=signed.is_open_ended,
        )
        await self._reserve(policy, promise, now=now)
        return sponsorship_of(signed.part)

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Look soon for what it cost, so that the rest of what was reserved is free again. Raises: Unavailable."""
        policy_id = await self._sponsor.budgets.find_policy(self._chain_id, operation_hash)
        policy = None if policy_id is None else self._sponsor.policies.get(policy_id)
        if policy is not None:
            identity = reservation_id(self._chain_id, operation.sender, operation.nonce)
            await self._sponsor.budgets.expedite(_ledger_of(policy), identity, now=self._sponsor.clock.now())

    def _require_fallback(self, context: Mapping[str, Any]) -> Paymaster:
        if self._fallback is None:
            text = f"policy {preview(context.get('policyId'))} is not configured here"
            raise PaymasterRejected(text, reason=PolicyDenialReason.UNKNOWN)
        return self._fallback

    async def _reserve(self, policy: Policy, reservation: Reservation, *, now: int) -> None:
        """Raises: PaymasterRejected when a limit would be exceeded, also after older reservations were settled."""
        await self._look_up(policy, now=now)
        budgets, rounds = self._sponsor.budgets, 0
        while (exceeded := await budgets.reserve(_ledger_of(policy), reservation, policy.limits, now=now)) is not None:
            rounds += 1
            if rounds > _MAX_LOOKUP_ROUNDS or not await self._look_up(policy, now=now):
                raise _refusal_error(build_limit_denial(policy, exceeded, cost=reservation.cost))

    async def _look_up(self, policy: Policy, *, now: int) -> int:
        """Settle promises whose outcome is known by now; how many were looked at."""
        budgets, book = self._sponsor.budgets, _ledger_of(policy)
        found = await budgets.lease_pending(book, now=now, lease_seconds=LEASE_SECONDS, most=LOOKUP_BATCH)
        await asyncio.gather(*(self._settle(book, due, now=now) for due in found))
        return len(found)

    async def _settle(self, ledger: Ledger, pending: PendingReservation, *, now: int) -> None:
        outcomes = self._sponsor.outcomes.get(pending.chain_id)
        if outcomes is None:
            return  # of a chain that is not served any more
        try:
            outcome = await outcomes.read(pending)
        except Unavailable:
            return  # it stays counted, and is looked up again after its lease
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
    """Raises: PaymasterRejected unless approved."""
    if decision is not None:
        raise _refusal_error(decision)


def _refusal_error(denied: PolicyDenial) -> PaymasterRejected:
    return PaymasterRejected(denied.message, reason=denied.reason)

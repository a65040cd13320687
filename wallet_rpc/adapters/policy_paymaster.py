"""The server's own paymaster: sponsors what a configured policy allows, by the signature of a key of ours.

The rule: nothing is signed away that is not counted. The policy decides, its webhook agrees, the budget is reserved,
and only then does the signature leave. A policy that is not configured is left to another paymaster, if there is one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx2

from wallet_rpc.adapters import policy_webhook
from wallet_rpc.adapters.redis_budgets import Book, Due, Promise, RedisBudgets
from wallet_rpc.adapters.sponsored_outcomes import Fate, Landed, Outcomes
from wallet_rpc.domain import sponsorship
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.policy import Denied, Policy, PolicyDecision, Refusal, decide, over_limit
from wallet_rpc.domain.sponsorship import Window
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import PaymasterRefused, Unavailable
from wallet_rpc.ports import Clock, Paymaster, Sponsorship
from wallet_rpc.primitives import Address, ChainId, Hash32, shown

LEASE_SECONDS = 30
"""How long a promise rests that was looked up and is still open."""
AT_ONCE = 8
"""How many promises one sponsorship looks up on its way; it waits for them."""
_ALWAYS = Window(valid_until=2**48 - 1)
"""The window of a stub, so that an estimate never fails by time; it is signed by nobody."""
_ROUNDS = 25
"""How often more are looked up when the budget is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsor:
    """What all chains share: the policies and their budgets, the signer's key, and the way to webhooks."""

    policies: Mapping[UUID, Policy]
    budgets: RedisBudgets
    key: bytes = field(repr=False)
    """The private key of the paymasters' signer, 32 bytes."""
    clock: Clock
    http: httpx2.AsyncClient
    outcomes: dict[ChainId, Outcomes] = field(default_factory=dict)
    """Of each chain that has a paymaster here: a policy's promises may be on all of them."""


class PolicyPaymaster:
    """`ports.Paymaster` of one chain; `otherwise` sponsors under the policies that are not configured."""

    def __init__(
        self,
        sponsor: Sponsor,
        outcomes: Outcomes,
        *,
        chain_id: ChainId,
        address: Address,
        otherwise: Paymaster | None = None,
    ) -> None:
        self._sponsor = sponsor
        self._outcomes = outcomes
        sponsor.outcomes[chain_id] = outcomes
        self._chain_id = chain_id
        self._address = address
        self._otherwise = otherwise

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """A sponsorship of the right size for estimation; nothing is counted. Raises: PaymasterRefused."""
        policy = self._policy(context)
        if policy is None:
            return await self._other(context).stub(operation, context)
        now = await self._outcomes.now()
        _check(decide(policy, operation, chain_id=self._chain_id, now=now))
        part = sponsorship.stub(self._address, window=_ALWAYS)
        return Sponsorship(
            paymaster=part.address,
            data=part.data,
            verification_gas_limit=part.verification_gas_limit,
            post_op_gas_limit=part.post_op_gas_limit,
        )

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """The real one, counted against the policy's budget.

        Raises: PaymasterRefused, whose reason is a `Refusal`; Unavailable when the budget or the chain does not answer.
        """
        policy = self._policy(context)
        if policy is None:
            return await self._other(context).sponsor(operation, context)
        now = await self._outcomes.now()
        _check(decide(policy, operation, chain_id=self._chain_id, now=now))
        asked = policy_webhook.ask(self._sponsor.http, policy, operation, chain_id=self._chain_id, context=context)
        _check(await asked)
        window = Window(valid_until=now + policy.sponsorship_seconds)
        part = sponsorship.signed(
            operation, self._address, chain_id=self._chain_id, window=window, key=self._sponsor.key
        )
        await self._reserve(policy, replace(operation, paymaster=part), window=window, now=now)
        return Sponsorship(
            paymaster=part.address,
            data=part.data,
            verification_gas_limit=part.verification_gas_limit,
            post_op_gas_limit=part.post_op_gas_limit,
        )

    async def sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Look soon for what it cost, so that the rest of what was reserved is free again. Raises: Unavailable."""
        part = operation.paymaster
        if part is None or part.address != self._address:
            return
        policy_id = await self._sponsor.budgets.of_operation(self._chain_id, operation_hash)
        policy = None if policy_id is None else self._sponsor.policies.get(policy_id)
        if policy is not None:
            promise = self._promise(operation, operation_hash, ends=0)
            await self._sponsor.budgets.hurry(_book(policy), promise.identity, now=self._sponsor.clock.now())

    def _policy(self, context: Mapping[str, Any]) -> Policy | None:
        """The configured policy that the context names; None when another paymaster may know it."""
        given = context.get("policyId")
        try:
            found = UUID(given) if isinstance(given, str) else None
        except ValueError:
            found = None
        return None if found is None else self._sponsor.policies.get(found)

    def _other(self, context: Mapping[str, Any]) -> Paymaster:
        if self._otherwise is None:
            text = f"policy {shown(context.get('policyId'))} is not configured here"
            raise PaymasterRefused(text, reason=Refusal.UNKNOWN)
        return self._otherwise

    async def _reserve(self, policy: Policy, signed: UserOperation, *, window: Window, now: int) -> None:
        """Raises: PaymasterRefused when a limit would be exceeded, also after looking what became of older promises."""
        operation_hash = user_operation_hash(signed, self._chain_id, ENTRY_POINT)
        promise = self._promise(signed, operation_hash, ends=window.valid_until)
        await self._look_up(policy, now=now)
        budgets, rounds = self._sponsor.budgets, 0
        while (exceeded := await budgets.reserve(_book(policy), promise, policy.limits, now=now)) is not None:
            rounds += 1
            if rounds > _ROUNDS or not await self._look_up(policy, now=now):
                raise _refused(over_limit(policy, exceeded, cost=promise.cost))

    def _promise(self, operation: UserOperation, operation_hash: Hash32, *, ends: int) -> Promise:
        return Promise(
            chain_id=self._chain_id,
            sender=operation.sender,
            nonce=operation.nonce,
            operation_hash=operation_hash,
            cost=max_cost(operation),
            ends=ends,
        )

    async def _look_up(self, policy: Policy, *, now: int) -> int:
        """Settle promises whose outcome is known by now; how many were looked at."""
        budgets, book = self._sponsor.budgets, _book(policy)
        found = await budgets.due(book, now=now, lease_seconds=LEASE_SECONDS, most=AT_ONCE)
        await asyncio.gather(*(self._settle(book, due, now=now) for due in found))
        return len(found)

    async def _settle(self, book: Book, due: Due, *, now: int) -> None:
        outcomes = self._sponsor.outcomes.get(due.chain_id)
        if outcomes is None:
            return  # of a chain that is not served any more
        try:
            outcome = await outcomes.of(due)
        except Unavailable:
            return  # it stays counted, and is looked up again after its lease
        match outcome:
            case Landed(cost):
                await self._sponsor.budgets.spent(book, due, cost=cost, now=now)
            case Fate.VOID:
                await self._sponsor.budgets.released(book, due, now=now)
            case Fate.OPEN:
                pass


def _book(policy: Policy) -> Book:
    return Book(policy.id, policy.limits.window_seconds or 0)


def _check(decision: PolicyDecision) -> None:
    """Raises: PaymasterRefused unless approved."""
    if decision is not None:
        raise _refused(decision)


def _refused(denied: Denied) -> PaymasterRefused:
    return PaymasterRefused(denied.message, reason=denied.refusal)

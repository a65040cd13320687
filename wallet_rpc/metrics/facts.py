"""Shared facts: states of calls, depths of queues, budgets, balances and the memory of Redis.

They are the same for all replicas on one Redis. The holder of a lease reads them. What cannot be read is left out, so
that its metric vanishes instead of keeping an old value.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from wallet_rpc.adapters.redis_facts import RedisMemory
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer import KeyRelayer
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger
from wallet_rpc.chain_clients import ChainClients
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.permit import encode_balance_of
from wallet_rpc.errors import WalletError
from wallet_rpc.metrics import catalogue
from wallet_rpc.metrics.catalogue import Definition
from wallet_rpc.payer_opening import Payers
from wallet_rpc.ports import ChainPorts, Clock

Fact: TypeAlias = tuple[Definition, tuple[str, ...], float]
"""A metric, the values of its labels, and its value."""
SCAN_PAUSE_SECONDS = 0.05
"""Pause between two steps of the scan of calls, which then takes a few percent of the event loop's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSources:
    """The parts of a server from which facts are read."""

    store: RedisStore
    chain_clients: Sequence[ChainClients]
    clock: Clock
    payers: Payers


async def read_shared_facts(sources: FactSources) -> list[Fact]:
    """Read all facts."""
    began = sources.clock.now()
    groups = await asyncio.gather(
        _collect(_read_calls(sources)),
        _collect(_read_queues(sources)),
        _collect(_read_policies(sources)),
        _collect(_read_relayer(sources)),
        _collect(_read_balances(sources)),
        _collect(_read_memory(sources)),
    )
    return [(catalogue.FACTS_TIME, (), began), *(fact for group in groups for fact in group)]


async def _collect(facts: AsyncIterator[Fact]) -> list[Fact]:
    """Return the facts up to the first failure of a dependency."""
    found: list[Fact] = []
    with suppress(WalletError):
        async for fact in facts:
            found.append(fact)
    return found


async def _read_calls(sources: FactSources) -> AsyncIterator[Fact]:
    """Examine every call of the outbox, each once."""
    now = sources.clock.now()
    ages: dict[tuple[int, CallState], list[int]] = {
        (chain.ports.chain_id, state): [] for chain in sources.chain_clients for state in CallState
    }
    examined = set()
    async for group in sources.store.outbox.scan():
        fresh = [call for call in dict.fromkeys(group) if call not in examined]
        examined.update(fresh)
        states = await asyncio.gather(
            *(
                sources.store.for_organization(organization).calls.read_state(chain_id, operation_hash)
                for organization, chain_id, operation_hash in fresh
            )
        )
        for (_, chain_id, _), found in zip(fresh, states, strict=True):
            if found is not None:
                state, accepted_at = found
                ages.setdefault((chain_id, state), []).append(now - accepted_at)
        await asyncio.sleep(SCAN_PAUSE_SECONDS if fresh else 0)
    for (chain_id, state), of_state in ages.items():
        yield catalogue.CALLS, (str(chain_id), state.value), len(of_state)
        yield catalogue.OLDEST_CALL, (str(chain_id), state.value), max(of_state, default=0)


async def _read_queues(sources: FactSources) -> AsyncIterator[Fact]:
    depths = await sources.store.outbox.read_depths(now=sources.clock.now())
    for shard, depth in enumerate(depths):
        yield catalogue.SCHEDULED, (str(shard),), depth.scheduled
        yield catalogue.READY_CALLS, (str(shard),), depth.ready
        yield catalogue.IN_STREAM, (str(shard),), depth.in_stream


async def _read_policies(sources: FactSources) -> AsyncIterator[Fact]:
    sponsor = sources.payers.sponsor
    for policy in () if sponsor is None else sponsor.policies.values():
        limits, label = policy.limits, (str(policy.id),)
        ledger = Ledger(policy.id, limits.window_seconds or 0)
        wei, operations = await sources.store.budgets.read_used(ledger, now=sources.clock.now())
        ratios = []
        for definition, limit, used in (
            (catalogue.POLICY_WEI, limits.total_wei, wei),
            (catalogue.POLICY_OPERATIONS, limits.total_operations, operations),
        ):
            if limit is not None:
                left = max(limit - used, 0)
                yield definition, label, left
                ratios.append(left / limit if limit else 0.0)
        if ratios:
            yield catalogue.POLICY_RATIO, label, min(ratios)


async def _read_relayer(sources: FactSources) -> AsyncIterator[Fact]:
    if sources.payers.relayer is None:
        return
    budget = sources.payers.relayer.budget
    for chain in sources.chain_clients:
        left = await budget.read_left(chain.ports.chain_id)
        label = (str(chain.ports.chain_id),)
        yield catalogue.RELAYER_WEI, label, left
        yield catalogue.RELAYER_RATIO, label, left / budget.limits.total if budget.limits.total else 0.0


async def _read_balances(sources: FactSources) -> AsyncIterator[Fact]:
    """Read the balances on all chains at once: a chain whose node is down does not hold up the others."""
    found = await asyncio.gather(*(_collect(_read_balances_of(chain.ports)) for chain in sources.chain_clients))
    for facts in found:
        for fact in facts:
            yield fact


async def _read_balances_of(chain: ChainPorts) -> AsyncIterator[Fact]:
    label = (str(chain.chain_id),)
    if isinstance(chain.relayer, KeyRelayer):
        yield catalogue.RELAYER_BALANCE, label, await chain.node.balance(chain.relayer.address)
    if chain.verifying_paymaster is not None:
        word = await chain.node.call(ENTRY_POINT, encode_balance_of(chain.verifying_paymaster))
        yield catalogue.PAYMASTER_DEPOSIT, label, int.from_bytes(word, "big")


async def _read_memory(sources: FactSources) -> AsyncIterator[Fact]:
    for number, memory in enumerate(await sources.store.read_memory(), 1):
        for fact in _memory_facts(str(number), memory):
            yield fact


def _memory_facts(master: str, memory: RedisMemory) -> Iterator[Fact]:
    yield catalogue.REDIS_MEMORY, (master,), memory.used
    if memory.limit is not None:
        yield catalogue.REDIS_MEMORY_LIMIT, (master,), memory.limit

"""State machine of reservations: concurrent schedules over a real Redis, compared with a plain model.

Each step starts several changes at once, through the services and over the connections of several replicas: calls that
are accepted, repeated, replaced, lost between reservation and storage, delivered and settled, and rules that change.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.rules.model import Model
from tests.support.clocks import FixedClock
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemEntropy
from wallet_rpc.domain import abi
from wallet_rpc.domain.access import Caller
from wallet_rpc.domain.account import Call, execute_batch_call_data
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.rules.decision import measure_demand
from wallet_rpc.domain.rules.effects import read_effects
from wallet_rpc.domain.rules.periods import Period
from wallet_rpc.domain.rules.rule import AmountRule, CallsRule, RateRule, SessionRule
from wallet_rpc.domain.rules.stored_rules import RuleSet
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.errors import RuleDenied
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, Data, EntityId, Hash32
from wallet_rpc.services.session_rules import RESERVATION_SECONDS, hold_call, reserve_call, settle_call

ACCOUNT, TOKEN, FRIEND = (Address(bytes([number]) * 20) for number in (1, 2, 3))
ENTITY = EntityId(7)
START = 1_764_547_190
"""Ten seconds before a minute, an hour, a day and a month begin."""
REPLICAS = 3
_LARGE = (1 << 255) + 12345
"""A limit beyond any exact number of Lua."""

amounts = st.sampled_from([0, 1, 2, 3, 5, 8, 10**15, 10**18 + 1, 1 << 254])
periods = st.sampled_from([Period.MINUTE, Period.DAY, Period.TOTAL])
rules = st.lists(
    st.one_of(
        st.builds(
            AmountRule,
            type=st.just("amount"),
            token=st.sampled_from([None, TOKEN]),
            limit=st.sampled_from([0, 5, 8, 12, 10**18 + 7, _LARGE]),
            period=periods,
        ),
        st.builds(CallsRule, type=st.just("calls"), limit=st.integers(0, 8), period=periods),
        st.builds(RateRule, type=st.just("rate"), limit=st.integers(1, 4), seconds=st.sampled_from([5, 70])),
    ),
    max_size=4,
)
new_calls = st.lists(
    st.tuples(amounts, amounts, st.sampled_from(["stored", "lost", "repeated", "replaced"])), min_size=1, max_size=5
)
settlements = st.lists(st.tuples(st.integers(0, 99), st.sampled_from(list(CallState))), max_size=4)


class Replicas:
    """Stores over connections of their own to one Redis, on one event loop."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        prefix = f"machine-{uuid.uuid4().hex}"
        self.stores = [RedisStore.open(url, prefix=prefix, deadline_seconds=60) for _ in range(REPLICAS)]

    def run(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run work at once, and return the results; a denial is a result."""
        return self.loop.run_until_complete(self._gather(*work))

    async def _gather(self, *work: Coroutine[Any, Any, Any]) -> list[Any]:
        results = await asyncio.gather(*work, return_exceptions=True)
        for each in results:
            if isinstance(each, BaseException) and not isinstance(each, RuleDenied):
                raise each
        return results

    def close(self) -> None:
        self.run(*(store.close() for store in self.stores))
        self.loop.close()


class RulesMachine(RuleBasedStateMachine):
    """Concurrent changes of one session's reservations."""

    replicas: Replicas
    schedules = 0
    """Number of schedules that ran."""
    steps = 0
    """Number of steps in which several changes ran at once."""

    def __init__(self) -> None:
        super().__init__()
        type(self).schedules += 1
        self.clock = FixedClock(START)
        # each schedule has a session of its own, in the same Redis
        self.session = SessionReference(account=ACCOUNT, chain_id=self.schedules, entity_id=ENTITY)
        self.model = Model()
        self.calls: list[CallRecord] = []
        self.sequence = 0
        self.excess: dict[Any, int] = {}
        self.ports = [
            Ports(chains={}, store=store, clock=self.clock, entropy=SystemEntropy(), caller=Caller(name="machine"))
            for store in self.replicas.stores
        ]

    def _ports(self, number: int) -> Ports:
        return self.ports[number % REPLICAS]

    def _call(self, native: int, token: int, *, nonce: int | None = None) -> CallRecord:
        """Return a new call that moves amounts."""
        if nonce is None:
            self.sequence += 1
            nonce = NonceKey(entity_id=ENTITY).nonce(self.sequence)
        transfer = Data(abi.ERC20_TRANSFER + abi.address(FRIEND) + abi.uint(token))
        calls = [Call(to=FRIEND, value=native), Call(to=TOKEN, data=transfer)]
        return CallRecord(
            chain_id=self.session.chain_id,
            hash=Hash32(uuid.uuid4().bytes * 2),
            sender=ACCOUNT,
            nonce=nonce,
            max_fee_per_gas=1,
            max_priority_fee_per_gas=1,
            sent_at=self.clock.now(),
            call_data=execute_batch_call_data(calls),
            state=CallState.SUBMITTING,
            first_block=1,
        )

    def _demand(self, call: CallRecord) -> Any:
        return measure_demand(self.model.rules, read_effects(ACCOUNT, call.call_data), now=self.clock.now())

    async def _send(self, ports: Ports, call: CallRecord, kind: str) -> None:
        await reserve_call(ports, call)
        if kind != "lost":
            await hold_call(ports, call)

    @initialize(new=rules)
    def begin_with_rules(self, new: list[SessionRule]) -> None:
        self.change_rules(new)

    @rule(new=rules)
    def change_rules(self, new: list[SessionRule]) -> None:
        rule_set = RuleSet(rules=tuple(new), organization="org_open", changed_at=self.clock.now(), by="machine")
        self.replicas.run(self._ports(0).store.rules.write(self.session, "org_open", rule_set))
        self.model.change_rules(tuple(new))
        self.excess = {key: self.model.total(key) for _, key in self.model.keys(self.clock.now())}

    @rule(seconds=st.sampled_from([1, 4, 10, RESERVATION_SECONDS, 86_400]))
    def wait(self, seconds: int) -> None:
        self.clock.seconds += seconds
        self.model.expire(self.clock.now())

    @rule(new=new_calls, ended=settlements)
    def act_at_once(self, new: list[tuple[int, int, str]], ended: list[tuple[int, CallState]]) -> None:
        sends: list[tuple[CallRecord, str]] = []
        for native, token, kind in new:
            open_calls = [call for call in self.calls if call.nonce in self.model.open]
            nonce = open_calls[-1].nonce if kind == "replaced" and open_calls else None
            call = self._call(native, token, nonce=nonce)
            sends += [(call, kind)] * (2 if kind == "repeated" else 1)
        settled = self._choose_ends(ended, {call.nonce for call, _ in sends})
        before = {key: self.model.total(key) for _, key in self.model.keys(self.clock.now())}
        rates = [self.model.rate_count(each, self.clock.now()) for each in self.model.rates]
        type(self).steps += 1
        results = self.replicas.run(
            *(self._send(self._ports(number), call, kind) for number, (call, kind) in enumerate(sends)),
            *(settle_call(self._ports(number), call) for number, call in enumerate(settled)),
            *(settle_call(self._ports(number + 1), call) for number, call in enumerate(settled)),
        )
        for call in settled:
            self.model.settle(call)
        denied = [call for (call, _), result in zip(sends, results, strict=False) if isinstance(result, RuleDenied)]
        for (call, kind), result in zip(sends, results, strict=False):
            if not isinstance(result, RuleDenied):
                self._accept(call, kind)
        for call in denied:
            self._check_denial(call, before, rates, [call for call, _ in sends])

    def _choose_ends(self, ended: list[tuple[int, CallState]], sent: set[int]) -> list[CallRecord]:
        """Return calls with their final states: at most one of a nonce is included."""
        chosen: dict[bytes, CallRecord] = {}
        included: set[int] = set()
        for number, state in ended:
            if not state.is_final or not self.calls:
                continue
            call = self.calls[number % len(self.calls)]
            in_block = state in {CallState.CONFIRMED, CallState.REVERTED}
            if bytes(call.hash) in chosen or call.nonce in sent or (in_block and call.nonce in included):
                continue
            if call.hash not in self.model.open.get(call.nonce, {}):
                continue
            if in_block:
                included.add(call.nonce)
            chosen[bytes(call.hash)] = replace(call, state=state)
        by_nonce = [call.nonce for call in chosen.values()]
        return [call for call in chosen.values() if by_nonce.count(call.nonce) == 1]

    def _accept(self, call: CallRecord, kind: str) -> None:
        until = self.clock.now() + RESERVATION_SECONDS if kind == "lost" and self.model.rules else None
        if self.model.rules:
            self.model.accept(call, self._demand(call), until=until, now=self.clock.now())
            self.calls.append(call)

    def _check_denial(self, call: CallRecord, before: dict[Any, int], rates: list[int], sent: list[CallRecord]) -> None:
        """Check that a denied call could not fit: with all that counted before, and all that were sent with it."""
        others = {bytes(other.hash): other for other in sent if other.hash != call.hash}.values()
        for limit, key in self.model.keys(self.clock.now()):
            mine = self._demand(call).amounts.get(limit.name, 0)
            together = sum(self._demand(other).amounts.get(limit.name, 0) for other in others)
            if mine and mine + before[key] + together > limit.limit:
                return
        for rate, count in zip(self.model.rates, rates, strict=True):
            if count + len(others) + 1 > rate.limit:
                return
        raise AssertionError("a call was denied that fits")

    @invariant()
    def counts_are_those_of_the_model(self) -> None:
        now = self.clock.now()
        usage = self.replicas.run(self._ports(1).store.rules.usage(self.session, now=now))[0]
        if not self.model.rules:
            assert usage is None
            return
        for (limit, key), found in zip(self.model.keys(now), usage.sums, strict=True):
            assert (found.used, found.reserved) == (self.model.used.get(key, 0), self.model.reserved(key))
            assert found.used + found.reserved <= max(limit.limit, self.excess.get(key, 0))
        assert list(usage.rates) == [self.model.rate_count(each, now) for each in self.model.rates]

    def teardown(self) -> None:
        """End every call; nothing may stay reserved."""
        for call in self.calls:
            self.replicas.run(settle_call(self._ports(0), replace(call, state=CallState.EXPIRED)))
            self.model.settle(replace(call, state=CallState.EXPIRED))
        store = self.replicas.stores[0]
        self.clock.seconds += RESERVATION_SECONDS
        self.replicas.run(store.rules.usage(self.session, now=self.clock.now()))
        if self.model.rules:
            left = self.replicas.run(store.rules._link.command("HLEN", store.rules.keys(self.session)[2]))
            assert left == [0]

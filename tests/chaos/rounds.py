"""The run of one row: rounds of payments during which the row's failure happens."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2

from tests.chaos.client import Limit, ReplicaClient, Tally
from tests.chaos.outages import NOTICED_SECONDS, Probe
from tests.chaos.payments import Payment
from tests.chaos.rows import Row
from tests.chaos.stacks import CHAIN, Stack
from tests.chaos.switch import Action
from tests.chaos.verdict import Verdict, judge
from tests.chaos.witness import Witness
from tests.support.wallet import AsyncWallet

SETTLE_SECONDS = 60.0
"""Time after the end of a failure in which each call must become final."""
_ROUND_SECONDS = 6.0
"""Time after which the next round begins although calls of this one are not final."""
_REACH_SECONDS = 2.0
"""Time after which a failure begins although its step was not reached."""
_WATCH_SECONDS = 2.0
"""Interval of reading final statuses again."""
_LATE_PAYMENTS = 2
_LATEST_SECONDS = 1.0
"""Latest begin of a failure without a step."""
FUNDS = hex(10**20)


@dataclass
class RowResult:
    """A row's counts."""

    row: Row
    rounds: int
    kills: int
    reached: int
    """Failures that began at their step; the others began after a wait."""
    failures: int
    tally: Tally
    verdict: Verdict
    seconds: float


@dataclass
class RowRun:
    """A row in progress."""

    stack: Stack
    row: Row
    random: random.Random
    http: httpx2.AsyncClient
    report: Callable[[str], None]
    settle_seconds: float = SETTLE_SECONDS
    tally: Tally = field(default_factory=Tally)
    payments: list[Payment] = field(default_factory=list)
    _free: deque[AsyncWallet] = field(default_factory=deque)
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _late: list[Payment] = field(default_factory=list)
    """Payments that begin when the outage has to be known: they must fail at once."""
    _failures: int = 0
    _reached: int = 0

    async def run(self, rounds: int, seconds: float) -> RowResult:
        """Run rounds until their number or the time is reached, wait for all calls, and judge them."""
        started_at, kills = time.monotonic(), self.stack.kills
        witness = Witness(self.stack)
        await witness.start()
        done = 0
        while done < rounds and time.monotonic() - started_at < seconds:
            await self._round()
            done += 1
        await asyncio.gather(*self._open)
        await self._recheck()
        verdict = await judge(self.payments, witness)
        took = time.monotonic() - started_at
        return RowResult(
            row=self.row,
            rounds=done,
            kills=self.stack.kills - kills,
            reached=self._reached,
            failures=self._failures,
            tally=self.tally,
            verdict=verdict,
            seconds=took,
        )

    async def _recheck(self) -> None:
        """Read every status again, once or for the row's time: final ones must not change."""
        ends_at = time.monotonic() + self.row.watch_seconds
        while True:
            deadline = time.monotonic() + self.settle_seconds
            await asyncio.gather(*(payment.recheck(deadline) for payment in self.payments))
            if time.monotonic() >= ends_at:
                return
            await asyncio.sleep(_WATCH_SECONDS)

    async def _round(self) -> None:
        limit = Limit(time.monotonic() + 10 * self.settle_seconds)
        load = self.row.load
        payments = [await self._payment(limit, load.owner_copies, by_session=False) for _ in range(load.by_owners)]
        payments += [await self._payment(limit, load.session_copies, by_session=True) for _ in range(load.by_sessions)]
        self.payments += payments
        if self.row.is_outage:
            self._late = [await self._payment(limit, 1, by_session=False) for _ in range(_LATE_PAYMENTS)]
        tasks = {asyncio.create_task(self._pay(payment)) for payment in payments}
        self._open |= tasks
        watching: list[asyncio.Task[None]] = []
        if self.row.is_after_calls:
            await asyncio.wait(tasks)
            watching = [asyncio.create_task(payment.watch_final(limit)) for payment in payments]
        for _ in range(self.row.times):
            await self._fail()
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        limit.at = time.monotonic() + self.settle_seconds
        await asyncio.wait(tasks, timeout=_ROUND_SECONDS)
        for task in {task for task in self._open if task.done()}:
            self._open.discard(task)
            task.result()

    async def _payment(self, limit: Limit, copies: int, *, by_session: bool) -> Payment:
        client = ReplicaClient(self.stack.urls, self.http, self.tally, self.random)
        wallet = self._free.popleft() if self._free else await self._new_wallet(client)
        return Payment(client, wallet, limit, copies, by_session)

    async def _new_wallet(self, client: ReplicaClient) -> AsyncWallet:
        wallet = AsyncWallet(client, chain_id=hex(CHAIN))
        limit = Limit(time.monotonic() + self.settle_seconds)
        account = await client.persist(limit, "wallet_requestAccount", {"signerAddress": wallet.owner.address})
        wallet.account, wallet.account_id = account["accountAddress"], account["id"]
        await self.stack.ask("anvil_setBalance", wallet.account, FUNDS)
        await self.stack.ask("anvil_mine", "0x2")  # a reorganization of one block would take the funds back
        return wallet

    async def _pay(self, payment: Payment) -> None:
        """Make a payment; its account is used again unless a call of it may still be pending."""
        try:
            await payment.run()
        except (KeyError, TypeError, ValueError) as error:
            payment.malformed = repr(error)
            return
        finals = [payload.final for payload in payment.payloads]
        if finals and all(final is not None and final.status == 200 for final in finals):
            self._free.append(payment.wallet)

    async def _fail(self) -> None:
        """Begin the failure at the next step, and end it."""
        begin, end = self.row.failure(self.stack, self.random)
        begun = asyncio.Event()

        async def begin_once() -> None:
            begun.set()
            await begin()

        step = None
        self._failures += 1
        if self.row.steps:
            step = self.row.steps[(self._failures - 1) % len(self.row.steps)]
            self.stack.switches[step.part].arm(step, begin_once)
        try:
            async with asyncio.timeout(_REACH_SECONDS if step else self.random.uniform(0, _LATEST_SECONDS)):
                await begun.wait()
            self._reached += 1
        except TimeoutError:
            await begin_once()
        finally:
            if step is not None:
                self.stack.switches[step.part].disarm()
        if not self.row.is_outage:
            await asyncio.sleep(self.random.uniform(*self.row.seconds))
            return await end()
        return await self._measure_outage(end)

    async def _measure_outage(self, end: Action) -> None:
        """Hold the failure, end it, and probe the replicas all the time."""
        times = self.tally.outage
        times.begin()
        probes = [Probe(url, times, self.http) for url in self.stack.urls]
        tasks = [asyncio.create_task(probe.run()) for probe in probes]
        await asyncio.sleep(NOTICED_SECONDS)
        self.payments += self._late
        self._open |= {asyncio.create_task(self._pay(payment)) for payment in self._late}
        await asyncio.sleep(self.random.uniform(*self.row.seconds) - NOTICED_SECONDS)
        await end()
        times.end()
        for probe in probes:
            probe.end()
        await asyncio.gather(*tasks)

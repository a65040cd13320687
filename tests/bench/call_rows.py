"""Rows with calls: their status, preparation, acceptance and inclusion, compared with Alto on anvil."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.bench.holders import Holder, Inclusion, SignedOperation, sign_operations
from tests.bench.light_rows import repeat
from tests.bench.load import Connection, Rate, measure, send_all
from tests.bench.parts import Parts
from tests.bench.processes import Served
from tests.bench.requests import encode_request
from tests.bench.rows import Measure, Row, Subject

_EACH = 8
"""Operations of one account in a round: Alto keeps ten of one sender."""
_SENT = 240
_BURST = 300
_CLIENT_OPERATIONS = 40


async def _calls_status(parts: Parts) -> list[Subject]:
    ours = await parts.dev()
    connection = await Connection.open(ours.url)
    call_id = await (await parts.embedded_holders(1))[0].act(connection)
    connection.close()
    body = encode_request("wallet_getCallsStatus", call_id)
    return [
        repeat("wallet-rpc", ours, [body], 3_000, expected=b'"status":200'),
        repeat("echo", await parts.echo(), [body], 30_000, expected=body),
    ]


def _prepare(served: Served, holders: Sequence[Holder], count: int, connections: int) -> Subject:
    bodies = [encode_request("wallet_prepareCalls", holder.preparation()) for holder in holders]
    return repeat("wallet-rpc", served, bodies, count, connections=connections)


async def _estimate(parts: Parts, count: int, connections: int) -> Subject:
    bodies = [holder.estimation() for holder in await parts.anvil_holders(10)]
    return repeat("Alto estimate", parts.alto(), bodies, count, connections=connections)


async def _prepare_embedded(parts: Parts) -> list[Subject]:
    ours = _prepare(await parts.dev(), await parts.embedded_holders(10), 300, 10)
    return [ours, await _estimate(parts, 300, 10)]


async def _prepare_alone(parts: Parts) -> list[Subject]:
    ours = _prepare(await parts.serve(), await parts.anvil_holders(10), 100, 1)
    return [ours, await _estimate(parts, 200, 1)]


async def _prepare_at_once(parts: Parts) -> list[Subject]:
    ours = _prepare(await parts.serve(), await parts.anvil_holders(10), 300, 8)
    return [ours, await _estimate(parts, 600, 8)]


@dataclass(frozen=True, slots=True)
class _Sending:
    """Operations that are sent to a server, and wait for their inclusion on its chain."""

    served: Served
    node_url: str
    holders: Sequence[Holder]
    connections: int
    through_wallet: bool

    async def send(self, operations: Sequence[SignedOperation]) -> Rate:
        bodies = [each.for_wallet if self.through_wallet else each.for_bundler for each in operations]
        return await send_all(self.served.url, bodies, connections=self.connections)

    def accepted(self, name: str, count: int) -> Subject:
        """Build a subject that measures the responses; all operations are included before the round ends."""

        async def run(part: float) -> Rate:
            operations = sign_operations(self.holders, max(self.connections, int(count * part)))
            inclusion = await Inclusion.begin(self.node_url)
            rate = await self.send(operations)
            await inclusion.wait_for(operations)
            return rate

        return Subject(name, self.served, run)

    def included(self, name: str, count: int) -> Subject:
        """Build a subject that measures the time from the first request to the last inclusion."""

        async def run(part: float) -> Rate:
            operations = sign_operations(self.holders, max(self.connections, int(count * part)))

            async def include() -> None:
                inclusion = await Inclusion.begin(self.node_url)
                await self.send(operations)
                await inclusion.wait_for(operations)

            return replace(await measure([include], at_once=1), count=len(operations))

        return Subject(name, self.served, run)


def _accounts(parts: Parts, count: int) -> int:
    return math.ceil(count * parts.part / _EACH) + 1


async def _to_embedded(parts: Parts, count: int, connections: int) -> _Sending:
    ours = await parts.dev()
    holders = await parts.embedded_holders(_accounts(parts, count))
    return _Sending(ours, ours.url, holders, connections, through_wallet=True)


async def _to_serve(parts: Parts, count: int, connections: int) -> _Sending:
    holders = await parts.anvil_holders(_accounts(parts, count))
    return _Sending(await parts.serve(), parts.anvil().url, holders, connections, through_wallet=True)


async def _to_alto(parts: Parts, count: int, connections: int) -> _Sending:
    holders = await parts.anvil_holders(_accounts(parts, count))
    return _Sending(parts.alto(), parts.anvil().url, holders, connections, through_wallet=False)


async def _send(parts: Parts) -> list[Subject]:
    ours, alto = await _to_embedded(parts, _SENT, 8), await _to_alto(parts, _SENT, 8)
    return [ours.accepted("wallet-rpc", _SENT), alto.accepted("Alto", _SENT)]


async def _send_on_serve(parts: Parts) -> list[Subject]:
    ours, alto = await _to_serve(parts, _SENT, 8), await _to_alto(parts, _SENT, 8)
    return [ours.accepted("wallet-rpc", _SENT), alto.accepted("Alto", _SENT)]


async def _burst(parts: Parts) -> list[Subject]:
    ours, alto = await _to_embedded(parts, _BURST, 30), await _to_alto(parts, _BURST, 30)
    return [ours.included("wallet-rpc", _BURST), alto.included("Alto", _BURST)]


async def _whole_operation(parts: Parts) -> list[Subject]:
    ours, alto = await parts.dev(), parts.alto()
    holder, other = (await parts.embedded_holders(1))[0], (await parts.anvil_holders(1))[0]

    async def act(part: float) -> Rate:
        connection = await Connection.open(ours.url)
        rate = await measure([lambda: holder.act(connection)] * max(2, int(_CLIENT_OPERATIONS * part)), at_once=1)
        connection.close()
        return rate

    async def act_at_bundler(part: float) -> Rate:
        connection = await Connection.open(alto.url)
        jobs = [lambda: other.act_at_bundler(connection)] * max(2, int(_CLIENT_OPERATIONS * part))
        rate = await measure(jobs, at_once=1)
        connection.close()
        return rate

    return [Subject("wallet-rpc", ours, act), Subject("Alto", alto, act_at_bundler)]


CALL_ROWS = (
    Row(
        key="calls-status",
        work="`wallet_getCallsStatus` of an included call",
        subjects=_calls_status,
        target=0.3,
        quick=True,
    ),
    Row(
        key="prepare",
        work="`wallet_prepareCalls`, installed session, embedded chain, 10 connections; Alto's estimate of the same",
        subjects=_prepare_embedded,
        target=1.2,
        quick=True,
    ),
    Row(
        key="prepare-serve",
        work="`wallet_prepareCalls` on `serve`, account pays, 1 connection; Alto's estimate alone",
        subjects=_prepare_alone,
        measure=Measure.LATENCY,
        target=1.5,
        quick=True,
    ),
    Row(
        key="prepare-serve-8",
        work="the same with 8 connections",
        subjects=_prepare_at_once,
        measure=Measure.LATENCY,
        target=1.5,
    ),
    Row(
        key="send",
        work="`wallet_sendPreparedCalls` accepted and on disk, 8 connections; Alto accepts in its memory",
        subjects=_send,
        target=1.5,
        quick=True,
    ),
    Row(
        key="send-serve",
        work="`wallet_sendPreparedCalls` on `serve`, 8 connections, in front of the same Alto",
        subjects=_send_on_serve,
    ),
    Row(
        key="burst",
        work="300 operations at once until the last is in a block",
        subjects=_burst,
        target=2.0,
    ),
    Row(
        key="operation",
        work="whole operation, one client: prepare, sign, send, status 200; Alto: estimate, sign, send, receipt",
        subjects=_whole_operation,
        measure=Measure.LATENCY,
        most_milliseconds=25.0,
        quick=True,
    ),
)

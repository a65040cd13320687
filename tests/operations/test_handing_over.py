"""Who learns what when an operation is handed to the bundler: its paymaster, and a caller who is refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.clocks import FixedClock
from tests.operations.conftest import CHAIN, WalletFixture
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.domain.records import CallRecord, CallState
from wallet_rpc.errors import StaleNonce, Unavailable
from wallet_rpc.ports import Node, Paymaster
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.services.submission import find_root_cause, find_sent, is_abandoned, wait_for_sent

CALL = {"to": "0x00000000000000000000000000000000f00dcafe"}
OTHER = {"to": "0x00000000000000000000000000000000f00dcafe", "data": "0x1234"}


@dataclass
class RecordingPaymaster:
    """`ports.Paymaster` in front of a real one, which keeps the hashes of operations that it is told of."""

    inner: Paymaster
    hashes: list[Hash32] = field(default_factory=list)
    fails: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def report_sent(self, operation: Any, operation_hash: Hash32) -> None:
        self.hashes.append(operation_hash)
        if self.fails:
            raise Unavailable("the paymaster does not answer", part="paymaster")
        await self.inner.report_sent(operation, operation_hash)


@dataclass
class SilentChain:
    """`ports.Chain` in front of a real one, which answers no question about nonces."""

    inner: Node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def user_operation_nonce(self, account: Address, key: int) -> int:
        raise Unavailable("the node does not answer", part="node")


def install_recorder(bench: WalletFixture) -> RecordingPaymaster:
    made = RecordingPaymaster(bench.paymaster)
    bench.change_chain(paymaster=made)
    return made


@pytest.mark.parametrize("fails", [False, True])
async def test_a_paymaster_is_told_once_which_operation_it_pays_for(bench: WalletFixture, fails: bool) -> None:
    paymaster = install_recorder(bench)
    paymaster.fails = fails
    prepared = await bench.prepare(CALL)
    for _ in range(2):
        await bench.send(prepared, bench.owner)
    assert paymaster.hashes == [prepared.details.data.hash]


async def test_a_paymaster_is_not_told_of_what_it_does_not_pay_for(bench: WalletFixture) -> None:
    paymaster, chain = install_recorder(bench), bench.ports.chains[CHAIN].node
    assert isinstance(chain, NodeChain)
    await chain._client.write("anvil_setBalance", [bench.account.hex0x(), hex(10**18)])
    await bench.send(await bench.prepare(CALL, paymasterService=None), bench.owner)
    assert (bench.mempool.sent, paymaster.hashes) == (1, [])


async def test_an_operation_with_a_paymaster_is_sent_where_the_server_has_none(bench: WalletFixture) -> None:
    prepared = await bench.prepare(CALL)
    bench.change_chain(paymaster=None)
    await bench.send(prepared, bench.owner)
    assert bench.mempool.sent == 1


class CountingClock(FixedClock):
    """A clock at which nobody waits: it adds up how long they wanted to."""

    slept = 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds


def claim(bench: WalletFixture, *, sent_at: int) -> CallRecord:
    """What a sender writes down before it hands an operation over."""
    return CallRecord(
        chain_id=CHAIN,
        hash=Hash32(b"\7" * 32),
        sender=bench.account,
        nonce=0,
        max_fee_per_gas=1,
        max_priority_fee_per_gas=1,
        sent_at=sent_at,
        state=CallState.SENDING,
    )


async def test_a_repeat_waits_eight_seconds_for_a_sender_and_takes_it_for_gone_after_thirty(
    bench: WalletFixture,
) -> None:
    clock = CountingClock(1_800_000_000)
    record = claim(bench, sent_at=clock.now() - 29)
    ports = replace(bench.ports, clock=clock)
    assert await ports.store.calls.claim(record) is None

    with pytest.raises(Unavailable, match="this call is being sent"):
        await find_sent(ports, ports.chains[CHAIN], record.hash)

    assert clock.slept == pytest.approx(8, abs=0.06)
    assert not is_abandoned(ports, record)
    assert is_abandoned(ports, replace(record, sent_at=clock.now() - 30))


async def test_a_repeat_hears_that_the_sender_it_waited_for_was_refused(bench: WalletFixture) -> None:
    record, calls = claim(bench, sent_at=bench.clock.now()), bench.ports.store.calls
    assert await calls.claim(record) is None
    await calls.settle(replace(record, state=CallState.REFUSED))
    with pytest.raises(Unavailable, match="was refused; ask again") as refused:
        await wait_for_sent(bench.ports, bench.ports.chains[CHAIN], record.hash)
    assert refused.value.reason == "sending"


async def test_a_bundler_that_does_not_answer_is_what_the_caller_hears_of(bench: WalletFixture) -> None:
    prepared, chain = await bench.prepare(CALL), bench.ports.chains[CHAIN]
    error = Unavailable("the bundler does not answer", part="bundler")
    asked = replace(chain, node=SilentChain(chain.node))
    assert await find_root_cause(asked, prepared.data.to_domain(""), error) is error


async def test_a_nonce_that_another_call_used_is_named_with_the_reason(bench: WalletFixture) -> None:
    first, second = [await bench.prepare(call) for call in (CALL, OTHER)]
    await bench.send(first, bench.owner)
    await bench.mempool.mine()
    bench.mempool.refuses_used_nonces = True
    with pytest.raises(StaleNonce, match="another call used it first"):
        await bench.send(second, bench.owner)


async def test_a_grant_that_another_call_carried_is_named_with_the_reason(bench: WalletFixture) -> None:
    permissions, key = await bench.grant()
    first, second = [await bench.prepare(call, permissions=permissions) for call in (CALL, OTHER)]
    await bench.send(first, key, permissions)
    await bench.mempool.mine()
    with pytest.raises(StaleNonce, match="the session was installed by another call meanwhile"):
        await bench.send(second, key, permissions)

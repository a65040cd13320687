"""The removal of a delegation, and its status, while the relayer is slow, unresponsive, failing or missing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.clocks import StoppedClock
from tests.support.keys import new_key, sign_digest
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer import KeyRelayer
from wallet_rpc.adapters.relayer_budget import DailyWei, Expense
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.domain.authorization import Authorization, SignedAuthorization
from wallet_rpc.errors import InvalidParams, OutcomeUnknown, Rejected, Unavailable, UnsupportedCapability
from wallet_rpc.ports import TransactionReceipt
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Hash32
from wallet_rpc.services.delegation_removal import LAG_SECONDS

BUDGET = DailyWei(total=10**17, account=10**16)
REMOVAL = {"eip7702Auth": {"delegation": ZERO_ADDRESS.hex0x()}}


@dataclass
class SlowRelayer:
    """A `ports.Relayer` in front of a real one that holds authorizations until the test calls `mine`."""

    inner: KeyRelayer
    waiting: dict[int, SignedAuthorization] = field(default_factory=dict)
    sent: int = 0
    fails: list[Exception] = field(default_factory=list)
    takes: bool = True
    """True: an authorization is accepted even if its send fails."""
    mined: dict[Hash32, Hash32] = field(default_factory=dict)

    async def check(self, authorization: SignedAuthorization) -> None:
        await self.inner.check(authorization)

    async def has_transaction(self, transaction_hash: Hash32) -> bool:
        return transaction_hash in self.mined or int.from_bytes(transaction_hash) in self.waiting

    async def send(self, authorization: SignedAuthorization) -> Hash32:
        self.sent += 1
        await asyncio.sleep(0.01)
        if not self.fails or self.takes:
            self.waiting[self.sent] = authorization
        if self.fails:
            raise self.fails.pop()
        return Hash32(self.sent.to_bytes(32, "big"))

    async def receipt(self, transaction_hash: Hash32) -> TransactionReceipt | None:
        real = self.mined.get(transaction_hash)
        return None if real is None else await self.inner.receipt(real)

    async def mine(self) -> None:
        for number, authorization in self.waiting.items():
            self.mined[Hash32(number.to_bytes(32, "big"))] = await self.inner.send(authorization)
        self.waiting.clear()


@dataclass
class RemovedDelegation:
    """A delegated account, and the signed request that removes its delegation."""

    wallet: WalletFixture
    relayer: SlowRelayer
    request: dict[str, Any]

    async def send(self) -> str:
        return await send(self.wallet, self.request)

    async def status(self, call_id: str) -> dict[str, Any]:
        return await status_of(self.wallet, call_id)

    @property
    def clock(self) -> StoppedClock:
        return self.wallet.clock

    @property
    def authority(self) -> Address:
        return Address.parse(self.wallet.owner.address)

    def with_chain(self, **parts: Any) -> WalletFixture:
        """Return the wallet on a chain with other clients."""
        ports = self.wallet.ports
        return self.wallet.with_ports(replace(ports, chains={CHAIN: replace(ports.chains[CHAIN], **parts)}))


async def send(wallet: WalletFixture, request: dict[str, Any]) -> str:
    return str((await wallet.client.rpc("wallet_sendPreparedCalls", request))["id"])


async def status_of(wallet: WalletFixture, call_id: str) -> dict[str, Any]:
    status: dict[str, Any] = await wallet.client.rpc("wallet_getCallsStatus", call_id)
    return status


async def delegate(external: WalletFixture) -> None:
    prepared = await external.prepare()
    assert prepared["type"] == "array"
    await send(external, external.sign_array(prepared))
    await external.mempool.mine()


@pytest.fixture
async def removal(wallet: WalletFixture, store: RedisStore) -> RemovedDelegation:
    chain = wallet.ports.chains[CHAIN]
    assert isinstance(chain.node, NodeChain)
    client = chain.node._client
    assert isinstance(client, JsonRpcClient)
    budget = store.relayer_budget(BUDGET, wallet.clock)
    turn = store.relayer_turn()
    relayer = SlowRelayer(KeyRelayer(client, chain.node, CHAIN, ACCOUNTS[-2].key, budget=budget, turn=turn))
    ports = replace(wallet.ports, chains={CHAIN: replace(chain, relayer=relayer)})
    external = wallet.with_ports(ports, account=wallet.owner.address)
    await delegate(external)
    prepared = await external.prepare(sponsored=False, **REMOVAL)
    assert prepared["type"] == "authorization"
    return RemovedDelegation(external, relayer, external.sign_authorization(prepared))


async def test_a_removal_is_pending_until_it_is_mined(removal: RemovedDelegation) -> None:
    call_id = await removal.send()
    pending = await removal.status(call_id)
    assert (pending["status"], pending.get("receipts")) == (100, None)
    await removal.relayer.mine()
    done = await removal.status(call_id)
    assert done["status"] == 200
    assert "receipts" in done


async def test_many_senders_of_one_removal_send_it_once(removal: RemovedDelegation) -> None:
    ids = await asyncio.gather(*(removal.send() for _ in range(5)))
    assert len(set(ids)) == 1
    assert removal.relayer.sent == 1


async def test_a_removal_that_the_node_did_not_receive_is_sent_again(removal: RemovedDelegation) -> None:
    removal.relayer.fails = [Unavailable("the node is away")]
    removal.relayer.takes = False
    call_id = await removal.send()
    assert (await removal.status(call_id))["status"] == 100
    await removal.wallet.work(after=2)
    await removal.relayer.mine()
    assert (await removal.status(call_id))["status"] == 200
    assert removal.relayer.sent == 2


async def test_a_removal_that_the_node_lost_is_sent_again(removal: RemovedDelegation) -> None:
    call_id = await removal.send()
    await removal.wallet.work(after=15)
    assert removal.relayer.sent == 1, "the node still has the transaction"
    removal.relayer.waiting.clear()
    await removal.wallet.work(after=30)
    assert removal.relayer.sent == 2
    await removal.relayer.mine()
    assert (await removal.status(call_id))["status"] == 200


async def test_the_relayer_does_not_pay_for_the_removal_of_no_delegation(removal: RemovedDelegation) -> None:
    call_id = await removal.send()
    await removal.relayer.mine()
    owner = new_key()
    authorization = Authorization(CHAIN, ZERO_ADDRESS, 0)
    request = {
        "type": "authorization",
        "data": {"address": ZERO_ADDRESS.hex0x(), "nonce": "0x0"},
        "chainId": hex(CHAIN),
        "signature": {"data": sign_digest(owner, authorization.digest)},
    }
    with pytest.raises(InvalidParams) as error_info:
        await send(removal.wallet, request)
    assert error_info.value.reason == "nothing_to_remove"
    assert removal.relayer.sent == 1
    assert await removal.send() == call_id, "a repeated send returns the same id"


@pytest.mark.parametrize("takes", [True, False])
async def test_a_removal_with_an_unknown_outcome_is_looked_up_on_the_chain(
    removal: RemovedDelegation, takes: bool
) -> None:
    removal.relayer.fails = [OutcomeUnknown("no answer")]
    removal.relayer.takes = takes
    call_id = await removal.send()
    await removal.relayer.mine()
    assert await removal.send() == call_id
    await removal.wallet.work(after=2)
    assert removal.relayer.sent == (1 if takes else 2)
    await removal.relayer.mine()
    assert (await removal.status(call_id))["status"] == (100 if takes else 200)
    removal.clock.ahead_seconds += LAG_SECONDS
    status = await removal.status(call_id)
    assert status["status"] == 200
    assert ("receipts" not in status) == takes, "without the transaction's hash there is no receipt"


async def test_a_removal_over_the_daily_budget_is_rejected_until_the_next_day(
    removal: RemovedDelegation, store: RedisStore
) -> None:
    earlier = Expense(chain_id=CHAIN, account=removal.authority, transaction=Hash32(bytes(32)), cost=BUDGET.account)
    await store.relayer_budget(BUDGET, removal.clock).take(earlier)
    wallet = removal.with_chain(relayer=removal.relayer.inner)
    with pytest.raises(Rejected, match=f"at most {BUDGET.account} wei a day for {removal.authority}") as error_info:
        await send(wallet, removal.request)
    assert error_info.value.reason == "relayer_budget_used_up"
    removal.clock.ahead_seconds = 86_400
    assert await wallet.status(await send(wallet, removal.request)) == 200


async def test_a_removal_that_came_too_late_has_failed(removal: RemovedDelegation) -> None:
    call_id = await removal.send()
    client: Any = removal.relayer.inner._client
    await client.write("anvil_setNonce", [removal.authority.hex0x(), "0x2"])
    removal.clock.ahead_seconds = LAG_SECONDS + 1
    assert (await removal.status(call_id))["status"] == 100, "the receipt may still follow"
    removal.clock.ahead_seconds += LAG_SECONDS
    for _ in range(2):
        status = await removal.status(call_id)
        assert status["status"] == 400, "the nonce is used, and the account is still delegated"
        await removal.relayer.mine()


async def test_a_removal_is_not_confirmed_while_the_account_is_delegated(removal: RemovedDelegation) -> None:
    """The relayer's transaction is lost, and the account uses two nonces itself."""
    call_id = await removal.send()
    removal.relayer.waiting.clear()
    client: Any = removal.relayer.inner._client
    await client.write("anvil_setNonce", [removal.authority.hex0x(), "0x3"])
    await removal.status(call_id)
    removal.clock.ahead_seconds += LAG_SECONDS
    assert (await removal.status(call_id))["status"] == 100


async def test_a_removal_counts_as_applied_after_later_transactions_of_the_account(removal: RemovedDelegation) -> None:
    call_id = await removal.send()
    await removal.relayer.mine()
    await delegate(removal.wallet)
    assert (await removal.status(call_id))["status"] == 200


async def test_without_a_relayer_no_delegation_is_removed(removal: RemovedDelegation) -> None:
    wallet = removal.with_chain(relayer=None)
    with pytest.raises(UnsupportedCapability, match="no relayer"):
        await wallet.prepare(sponsored=False, **REMOVAL)
    with pytest.raises(UnsupportedCapability, match="no relayer"):
        await send(wallet, removal.request)
    call_id = await removal.send()
    await removal.relayer.mine()
    await status_of(wallet, call_id)
    wallet.clock.ahead_seconds += LAG_SECONDS
    status = await status_of(wallet, call_id)
    assert (status["status"], status.get("receipts")) == (200, None)


async def test_a_delegation_on_a_chain_without_the_implementation_is_rejected(removal: RemovedDelegation) -> None:
    class Bare(NodeChain):
        async def code(self, address: Address, *, block: int | None = None) -> bytes:
            return b""

    inner: Any = removal.relayer.inner._client
    owner = new_key()
    wallet = replace(removal.with_chain(node=Bare(inner)), owner=owner, account=owner.address)
    with pytest.raises(
        Exception, match=r"^EIP-7702 is not enabled on chain 0x7a69\. You must call wallet_requestAccount"
    ):
        await wallet.prepare(sponsored=False)


async def test_the_bundlers_error_about_a_second_pending_delegation_is_passed_on(
    removal: RemovedDelegation,
) -> None:
    too_many = Rejected("EIP-7702 auth sender has too many pending transactions: 2. Max allowed: 1")
    removal.wallet.mempool.fails = [too_many]
    await removal.send()
    await removal.relayer.mine()
    with pytest.raises(Rejected, match="too many pending transactions: 2"):
        await delegate(removal.wallet)


async def test_a_pending_operation_names_the_transaction_that_carries_it(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare({"to": ZERO_ADDRESS.hex0x()})
    call_id = await wallet.send(prepared, wallet.owner)
    assert (await status_of(wallet, call_id))["details"]["type"] == "user-operation"
    inner = wallet.mempool.lookup

    async def lookup(operation_hash: Hash32) -> Any:
        pending = await inner(operation_hash)
        return None if pending is None else replace(pending, transaction_hash=Hash32(b"\x77" * 32), block_number=9)

    wallet.mempool.lookup = lookup  # type: ignore[method-assign]  # of the mempool of this test
    assert (await status_of(wallet, call_id))["details"]["data"]["pendingBundle"] == {
        "txHash": "0x" + "77" * 32,
        "sentAtBlock": "0x9",
    }

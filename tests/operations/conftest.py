"""A wallet fixture that runs operations in this process, over real Redis and the embedded chain behind HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.operations.mempool import HeldMempool
from tests.support.calls import call_data
from tests.support.clocks import StoppedClock
from tests.support.constants import CHAINS, ROOT, TOKEN
from tests.support.in_process import InProcessClient
from tests.support.wallet import AsyncWallet, Grant
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemEntropy
from wallet_rpc.chain_clients import build_chain_clients
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.domain.access import Caller
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.ports import Paymaster, Ports
from wallet_rpc.primitives import Address, Hash32
from wallet_rpc.services.delivery_workers import DeliveryWorkers

CHAIN = CHAINS[0]


@dataclass
class Reports:
    """A `delivery_workers.Reporter` that keeps the reports."""

    reorganized: list[CallRecord] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def deep_reorganization(self, record: CallRecord) -> None:
        self.reorganized.append(record)

    def worker_failed(self, raised: Exception) -> None:
        self.failures.append(raised)

    def resume(self, record: CallRecord) -> AbstractContextManager[object]:
        return nullcontext()


@dataclass
class WalletFixture(AsyncWallet):
    """Owner with their account, over ports with a slow bundler."""

    client: InProcessClient
    mempool: HeldMempool = field(kw_only=True)
    clock: StoppedClock = field(kw_only=True)
    store: RedisStore = field(kw_only=True)
    reports: Reports = field(default_factory=Reports)

    @property
    def ports(self) -> Ports:
        return self.client.ports

    @ports.setter
    def ports(self, ports: Ports) -> None:
        self.client.ports = ports

    @property
    def address(self) -> Address:
        """The account's address."""
        return Address.parse(self.account)

    @property
    def paymaster(self) -> Paymaster:
        """The paymaster of the chain."""
        paymaster = self.ports.chains[CHAIN].paymaster
        assert paymaster is not None
        return paymaster

    def change_chain(self, **parts: Any) -> None:
        """Replace clients of the chain: `paymaster=...`, `bundler=...`."""
        self.ports = replace(self.ports, chains={CHAIN: replace(self.ports.chains[CHAIN], **parts)})

    async def control(self, method: str, *params: Any) -> Any:
        """Call a method of the embedded chain."""
        client = self.mempool.inner._client
        return await client.write(method, list(params))

    async def work(self, *, after: int = 0) -> int:
        """Let `after` seconds pass, have a worker do what is due, and return the number of calls it looked at."""
        self.clock.ahead_seconds += after
        return await self.workers.run_once()

    async def state(self, call_id: str) -> str:
        """Return the state of a sent call, as its status reports it."""
        return str((await self.details(call_id))["state"])

    async def details(self, call_id: str) -> dict[str, Any]:
        """Return the details of a user operation's status."""
        status = await self.client.rpc("wallet_getCallsStatus", call_id)
        data: dict[str, Any] = status["details"]["data"]
        return data

    @property
    def workers(self) -> DeliveryWorkers:
        """Workers over the ports as they are now, without a caller."""
        anonymous = replace(self.ports, caller=Caller(name="worker"))
        return DeliveryWorkers(self.store.outbox, lambda _: anonymous, self.clock, self.reports)

    def with_ports(self, ports: Ports, **fields: Any) -> WalletFixture:
        """Return the same wallet over other ports."""
        return replace(self, client=InProcessClient(ports), **fields)

    async def grant_root(self) -> Grant:
        """Grant a root session without expiry."""
        return await self.grant(ROOT, expirySec=0)


def quantity(prepared: dict[str, Any], name: str) -> int:
    """Return a number of a prepared user operation."""
    return int(prepared["data"][name], 16)


def call_id_of(prepared: dict[str, Any]) -> str:
    """Return the id that a prepared user operation will have as a call."""
    return format_call_id(CHAIN, Hash32.parse(prepared["details"]["data"]["hash"])).hex0x()


@pytest.fixture
async def wallet(url: str, store: RedisStore) -> AsyncIterator[WalletFixture]:
    at = f"{url}/chain/{CHAIN}"
    async with HttpClient() as http:
        clients = build_chain_clients(
            ChainSetting(chain_id=CHAIN, node_urls=(at,), bundler_urls=(at,), paymaster_url=at), http
        )
        mempool = HeldMempool(HttpBundler(JsonRpcClient(http, at, part="bundler")), CHAIN)
        clock = StoppedClock()
        ports = Ports(
            chains={CHAIN: replace(clients.ports, bundler=mempool)},
            store=store,
            clock=clock,
            entropy=SystemEntropy(),
            caller=Caller(name="tests"),
        )
        fixture = WalletFixture(InProcessClient(ports), mempool=mempool, clock=clock, store=store)
        await fixture.request_account()
        yield fixture


@pytest.fixture
async def rich(wallet: WalletFixture) -> WalletFixture:
    """Give the wallet 1000 units of the token, and one ether."""
    funder = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    mint = {"from": funder, "to": TOKEN, "data": call_data("mint(address,uint256)", wallet.account, 1000)}
    await wallet.control("eth_sendTransaction", mint)
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    return wallet


@pytest.fixture
async def snapshot(wallet: WalletFixture) -> AsyncIterator[str]:
    """Take a snapshot of the chain, which the test may restore; else it is restored at the end, with its clock."""
    taken = str(await wallet.control("evm_snapshot"))
    yield taken
    await wallet.control("evm_revert", taken)

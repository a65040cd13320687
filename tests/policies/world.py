"""Test environment of policies: an in-process chain, a policy paymaster on it, and accounts to sponsor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from tests.devchain.sample import SINK, Actor, Node, key_of, transfer
from tests.support.clocks import FixedClock
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.http_post import HttpClient, PostFailed, PostResponse
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.paymaster import HttpPaymaster
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.backing import Backing, KeyBacking, ServiceBacking
from wallet_rpc.adapters.sponsorship.outcomes import OutcomeReader
from wallet_rpc.adapters.sponsorship.paymaster import PolicyPaymaster, Sponsor
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.policy import Policy
from wallet_rpc.domain.policy import PolicyLimits as Budget
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import PaymasterRejected
from wallet_rpc.ports import Sponsorship
from wallet_rpc.primitives import Data

CHAIN = 31337
POLICY = Policy(id=UUID("3061cc5f-1f96-48a9-ab45-41faad2dd23b"), limits=Budget(total_operations=1))
CONTEXT = {"policyId": str(POLICY.id)}
FAST, ONCE = ClientLimits(deadline_seconds=2.0, attempts=1), ClientLimits(attempts=1)
OURS = KeyBacking(chain_id=CHAIN, address=dev_constants.PAYMASTER, key=dev_constants.PAYMASTER_KEY)


class Wire:
    """`PostClient` of an in-process chain, with failures that a test can configure."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.is_cut = False
        self.loses: str | None = None
        """Method whose requests are lost."""
        self.refuses: str | None = None
        """Method that fails with an error response."""

    async def post(self, url: str, content: bytes, *, connect_seconds: float, max_bytes: int) -> PostResponse:
        body = content
        if self.is_cut or (self.loses is not None and self.loses.encode() in body):
            raise PostFailed(sent=False)
        if self.refuses is not None:
            body = body.replace(self.refuses.encode(), b"refused")
        return PostResponse(200, self.node.dispatcher.answer(body))


@dataclass
class World:
    """In-process chain with its policy paymaster, and accounts to sponsor."""

    node: Node
    wire: Wire
    bundler_wire: Wire
    clock: FixedClock
    store: RedisStore
    policies: dict[UUID, Policy]
    sponsor: Sponsor
    paymaster: PolicyPaymaster
    chain: NodeChain

    def actor(self, number: int) -> Actor:
        return Actor(self.node, key_of(number))

    async def sponsor_operation(self, actor: Actor, *, tokens: int = 0) -> UserOperation:
        """Build, estimate, sponsor and sign an operation, as `wallet_prepareCalls` does."""
        op = actor.operation([transfer(dev_constants.TEST_TOKEN, SINK, tokens)])
        op = actor.estimate(with_part(op, await self.paymaster.stub(op, CONTEXT)))
        return actor.sign(with_part(op, await self.paymaster.sponsor(op, CONTEXT)))

    async def is_rejected(self, actor: Actor) -> bool:
        try:
            await self.sponsor_operation(actor)
        except PaymasterRejected:
            return True
        return False

    def pass_time(self, seconds: int, *, mine: bool = True) -> None:
        """Advance the chain's time; without `mine` no block has the new time."""
        self.node.rpc("evm_increaseTime", seconds)
        if mine:
            self.node.rpc("evm_mine")

    async def totals(self) -> tuple[int, int]:
        return await self.store.budgets.read_totals(Ledger(POLICY.id))


def with_part(op: UserOperation, given: Sponsorship) -> UserOperation:
    assert given.verification_gas_limit is not None
    assert given.post_op_gas_limit is not None
    part = PaymasterPart(given.paymaster, given.verification_gas_limit, given.post_op_gas_limit, Data(given.data))
    return replace(op, paymaster=part)


@asynccontextmanager
async def open_world(
    store: RedisStore, *, service_url: str | None = None, confirmations: int = 1
) -> AsyncIterator[World]:
    """Open a test environment whose policies are backed by VerifyingPaymaster, or by a service."""
    node = Node()
    wire = Wire(node)
    bundler_wire = Wire(node)
    clock = FixedClock(0)
    async with HttpClient() as http:
        node_rpc = JsonRpcClient(wire, "http://chain", part="node", limits=FAST)
        bundler_rpc = JsonRpcClient(bundler_wire, "http://chain", part="bundler", limits=FAST)
        chain = NodeChain(node_rpc)
        policies = {POLICY.id: POLICY}
        sponsor = Sponsor(
            policies=policies, budgets=store.budgets, key=dev_constants.PAYMASTER_KEY, clock=clock, http=http
        )
        outcomes = OutcomeReader(chain, node=node_rpc, bundler=bundler_rpc, clock=clock, confirmations=confirmations)
        backing: Backing = OURS
        if service_url is not None:
            client = JsonRpcClient(http, service_url, part="paymaster", limits=ONCE)
            backing = ServiceBacking(service=HttpPaymaster(client, CHAIN), outcomes=outcomes)
        paymaster = PolicyPaymaster(sponsor, outcomes, chain=chain, chain_id=CHAIN, backing=backing)
        yield World(node, wire, bundler_wire, clock, store, policies, sponsor, paymaster, chain)

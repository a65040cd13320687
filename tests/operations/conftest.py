"""A wallet fixture that runs operations in this process, over real Redis and the embedded chain behind HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
from eth_account.signers.local import LocalAccount

from tests.operations.mempool import HeldMempool
from tests.support.clocks import StoppedClock
from tests.support.keys import new_key, sign_digest
from wallet_rpc import wire
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemEntropy
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.domain.access import Caller
from wallet_rpc.domain.prepared import PreparedUserOperation
from wallet_rpc.operations import create_session, get_calls_status, prepare_calls, request_account, send_prepared_calls
from wallet_rpc.ports import Paymaster, Ports
from wallet_rpc.primitives import Address, Data
from wallet_rpc.server import build_chain_clients
from wallet_rpc.services.signed_calls import SendOperation

CHAIN = 31337
POLICY = {"policyId": "11111111-2222-4333-8444-555555555555"}


@dataclass
class WalletFixture:
    """Ports with a slow bundler, and an account with its owner's key."""

    ports: Ports
    mempool: HeldMempool
    clock: StoppedClock
    owner: LocalAccount
    account: Address

    @property
    def paymaster(self) -> Paymaster:
        """The paymaster of the chain."""
        paymaster = self.ports.chains[CHAIN].paymaster
        assert paymaster is not None
        return paymaster

    def change_chain(self, **parts: Any) -> None:
        """Replace clients of the chain: `paymaster=...`, `bundler=...`."""
        self.ports = replace(self.ports, chains={CHAIN: replace(self.ports.chains[CHAIN], **parts)})

    async def prepare(self, *calls: dict[str, Any], **capabilities: Any) -> PreparedUserOperation:
        capabilities = {"paymasterService": POLICY, **capabilities}
        request = {
            "from": self.account.hex0x(),
            "chainId": hex(CHAIN),
            "calls": list(calls),
            "capabilities": capabilities,
        }
        prepared = await prepare_calls.run(self.ports, wire.decode(prepare_calls.PrepareCalls, request))
        assert isinstance(prepared, PreparedUserOperation)
        return prepared

    async def send(
        self, prepared: PreparedUserOperation, by: LocalAccount, permissions: dict[str, str] | None = None
    ) -> Data:
        assert prepared.signature_request is not None
        request: dict[str, Any] = {
            **wire.encode(PreparedUserOperation, prepared),
            "signature": {"type": "secp256k1", "data": sign_digest(by, prepared.signature_request.raw_payload)},
        }
        if permissions is not None:
            request["capabilities"] = {"permissions": permissions}
        decoded = wire.decode(SendOperation, request)
        return (await send_prepared_calls.run(self.ports, decoded)).id

    async def status(self, call_id: Data) -> int:
        request = get_calls_status.GetCallsStatus(call_id=call_id)
        return (await get_calls_status.run(self.ports, request)).status

    async def grant(self) -> tuple[dict[str, str], LocalAccount]:
        """Create a root session, have the owner sign it, and return its permissions and its key."""
        key = new_key()
        request = {
            "account": self.account.hex0x(),
            "chainId": hex(CHAIN),
            "key": {"type": "secp256k1", "publicKey": key.address},
            "permissions": [{"type": "root"}],
        }
        created = await create_session.run(self.ports, wire.decode(create_session.CreateSession, request))
        signature = sign_digest(self.owner, created.signature_request.raw_payload)
        return {"sessionId": created.session_id.hex0x(), "signature": signature}, key


@pytest.fixture
async def wallet(url: str, store: RedisStore) -> AsyncIterator[WalletFixture]:
    at = f"{url}/chain/{CHAIN}"
    async with httpx2.AsyncClient() as http:
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
        owner = new_key()
        request = request_account.RequestAccount(signer_address=Address.parse(owner.address))
        account = (await request_account.run(ports, request)).account_address
        yield WalletFixture(ports, mempool, clock, owner, account)

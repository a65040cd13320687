"""Accounts with an installed session; operations are prepared once, then signed for any number of nonces."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tests.bench.load import Connection, UnexpectedResponse
from tests.bench.requests import CHAIN, encode_request
from tests.support.constants import ENTRY_POINT, FRIEND, ROOT
from tests.support.keys import sign_digest
from tests.support.wallet import AsyncWallet, Grant
from wallet_rpc.domain.contracts import ENTRY_POINT as ENTRY_POINT_ADDRESS
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.signature import dummy_user_operation_signature, personal_sign_digest, user_operation_signature
from wallet_rpc.domain.user_operation import USER_OPERATION_EVENT, UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.primitives import Data
from wallet_rpc.wire import decode, encode

PATIENCE_SECONDS = 60.0
"""Timeout for a call to be included."""
_AT_ONCE = 8
_POLL_SECONDS = 0.002
_INCLUSION_POLL_SECONDS = 0.02
_EVENT = "0x" + USER_OPERATION_EVENT.hex()
_NONCE_MARGIN = 2_000
"""Gas for a nonce with more non-zero bytes than the prepared one's."""


@dataclass(frozen=True, slots=True)
class SignedOperation:
    """An operation to send: through wallet-rpc, and straight to a bundler."""

    hash: str
    for_wallet: bytes
    for_bundler: bytes


@dataclass
class Holder:
    """An account that pays for its own gas, with an installed session."""

    wallet: AsyncWallet
    grant: Grant
    template: UserOperation | None = None
    """A prepared operation of the session, under a nonce key that is not used yet."""
    nonce_keys: count[int] = field(default_factory=lambda: count(2))

    @classmethod
    async def make(cls, url: str, node: str) -> Holder:
        """Create the account, give it coins, and install a session by its first operation."""
        connection = await Connection.open(url)
        wallet = AsyncWallet(connection)
        await wallet.request_account()
        chain = await Connection.open(node)
        await chain.rpc("anvil_setBalance", wallet.account, hex(10**21))
        chain.close()
        holder = cls(wallet, await wallet.grant(ROOT))
        await holder.act(connection)
        prepared = await connection.rpc("wallet_prepareCalls", holder.preparation(nonce_key=1))
        holder.template = decode(UserOperationJson, prepared["data"]).to_domain()
        connection.close()
        return holder

    def preparation(self, nonce_key: int | None = None) -> dict[str, Any]:
        """Return a wallet_prepareCalls request of the session."""
        override = {} if nonce_key is None else {"nonceOverride": {"nonceKey": hex(nonce_key)}}
        return self.wallet.build_calls({"to": FRIEND}, sponsored=False, permissions=self.grant.permissions, **override)

    def estimation(self) -> bytes:
        """Return the request with which wallet-rpc has the bundler estimate the gas of the same operation."""
        assert self.template is not None
        signature = dummy_user_operation_signature()
        draft = replace(
            self.template, signature=signature, call_gas_limit=0, verification_gas_limit=0, pre_verification_gas=0
        )
        return encode_request("eth_estimateUserOperationGas", _to_json(draft), ENTRY_POINT)

    async def act(self, connection: Connection) -> str:
        """Prepare, sign and send a call, wait until it is confirmed, and return its id."""
        prepared = await connection.rpc("wallet_prepareCalls", self.preparation())
        signature = sign_digest(self.grant.key, prepared["signatureRequest"]["rawPayload"])
        request = {
            **{name: prepared[name] for name in ("type", "data", "chainId")},
            "signature": {"type": "secp256k1", "data": signature},
            "capabilities": {"permissions": self.grant.permissions},
        }
        call_id: str = (await connection.rpc("wallet_sendPreparedCalls", request))["id"]
        await wait_until_confirmed(connection, call_id)
        return call_id

    async def act_at_bundler(self, connection: Connection) -> None:
        """Estimate, sign and send a call at the bundler itself, and wait for its receipt."""
        estimate = json.loads(await connection.post(self.estimation()))
        operation = self.sign_next()
        sent = json.loads(await connection.post(operation.for_bundler))
        if "result" not in estimate or "result" not in sent:
            raise UnexpectedResponse(f"{estimate} {sent}")
        await wait_for_receipt(connection, operation.hash)

    def sign_next(self) -> SignedOperation:
        """Sign the prepared operation under the next nonce key, which is independent of all others."""
        assert self.template is not None
        key, _ = split_nonce(self.template.nonce)
        operation = replace(
            self.template,
            nonce=replace(key, parallel_key=next(self.nonce_keys)).nonce(0),
            pre_verification_gas=self.template.pre_verification_gas + _NONCE_MARGIN,
        )
        operation_hash = user_operation_hash(operation, CHAIN, ENTRY_POINT_ADDRESS)
        signature = sign_digest(self.grant.key, personal_sign_digest(operation_hash))
        data = _to_json(operation)
        request = {
            "type": "user-operation-v070",
            "data": {name: value for name, value in data.items() if name != "signature"},
            "chainId": hex(CHAIN),
            "signature": {"type": "secp256k1", "data": signature},
            "capabilities": {"permissions": self.grant.permissions},
        }
        final = replace(operation, signature=user_operation_signature(Data.parse(signature)))
        return SignedOperation(
            hash=operation_hash.hex0x(),
            for_wallet=encode_request("wallet_sendPreparedCalls", request),
            for_bundler=encode_request("eth_sendUserOperation", _to_json(final), ENTRY_POINT),
        )


def _to_json(operation: UserOperation) -> dict[str, Any]:
    encoded: dict[str, Any] = encode(UserOperationJson, UserOperationJson.from_domain(operation))
    return encoded


async def make_holders(url: str, node: str, number: int) -> list[Holder]:
    """Create accounts with sessions, several at a time."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def make() -> Holder:
        async with limit:
            return await Holder.make(url, node)

    return list(await asyncio.gather(*(make() for _ in range(number))))


def sign_operations(holders: Sequence[Holder], number: int) -> list[SignedOperation]:
    """Sign operations of all accounts in turn."""
    return [holders[index % len(holders)].sign_next() for index in range(number)]


async def wait_until_confirmed(connection: Connection, call_id: str) -> None:
    """Wait until wallet-rpc reports status 200. Raises: RuntimeError for another final status."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while (status := (await connection.rpc("wallet_getCallsStatus", call_id))["status"]) < 200:
        if time.monotonic() > ends:
            raise TimeoutError(f"{call_id} has status {status}")
        await asyncio.sleep(_POLL_SECONDS)
    if status != 200:
        raise RuntimeError(f"{call_id} has status {status}")


async def wait_for_receipt(connection: Connection, operation_hash: str) -> None:
    """Wait until the bundler has the operation's receipt."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while await connection.rpc("eth_getUserOperationReceipt", operation_hash) is None:
        if time.monotonic() > ends:
            raise TimeoutError(f"{operation_hash} has no receipt")
        await asyncio.sleep(_POLL_SECONDS)


@dataclass
class Inclusion:
    """Inclusions of user operations on a chain, read by the entry point's events from a block on."""

    node: Connection
    block: int

    @classmethod
    async def begin(cls, node_url: str) -> Inclusion:
        node = await Connection.open(node_url)
        return cls(node, int(await node.rpc("eth_blockNumber"), 16))

    async def wait_for(self, operations: Sequence[SignedOperation]) -> None:
        """Wait until all operations are in blocks. Raises: RuntimeError for one that failed."""
        missing = {operation.hash for operation in operations}
        ends = time.monotonic() + PATIENCE_SECONDS
        while missing:
            if time.monotonic() > ends:
                raise TimeoutError(f"{len(missing)} of {len(operations)} operations are in no block")
            query = {"fromBlock": hex(self.block), "address": ENTRY_POINT, "topics": [_EVENT]}
            for log in await self.node.rpc("eth_getLogs", query):
                self.block = int(log["blockNumber"], 16)
                if int(log["data"][66:130], 16) != 1:
                    raise RuntimeError(f"operation {log['topics'][1]} failed")
                missing.discard(log["topics"][1])
            await asyncio.sleep(_INCLUSION_POLL_SECONDS)
        self.node.close()

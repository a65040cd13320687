"""A wallet's owner as a client: requests the account, grants sessions, prepares, signs and sends calls.

`WalletRequests` builds the requests and signs. `Wallet` sends them by HTTP, and `AsyncWallet` by any transport.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from eth_account.signers.local import LocalAccount

from tests.support.constants import CHAINS, HOUR, LONGEST_SECONDS, SPONSORSHIP
from tests.support.keys import new_key, sign_digest, sign_request
from tests.support.rpc_client import Client, RpcError

Json = dict[str, Any]
CHAIN_ID = hex(CHAINS[0])


@dataclass
class Grant:
    """Session with its key and the owner's signature."""

    created: Json
    """The response of `wallet_createSession`."""
    signature: str
    key: LocalAccount

    @property
    def session_id(self) -> str:
        return str(self.created["sessionId"])

    @property
    def chain(self) -> int:
        return int(self.created["signatureRequest"]["data"]["domain"]["chainId"])

    @property
    def message(self) -> Json:
        """The message of the typed data that the owner signed."""
        message: Json = self.created["signatureRequest"]["data"]["message"]
        return message

    @property
    def permissions(self) -> dict[str, str]:
        return {"sessionId": self.session_id, "signature": self.signature}

    @property
    def serialized(self) -> str:
        """The permissions context of type 00, which an organisation registers too."""
        return "0x00" + self.session_id[2:] + self.signature[2:]

    @property
    def context(self) -> dict[str, str]:
        return {"context": self.serialized}


class WalletRequests:
    """Requests of an owner with an account, on the chain that a request does not name itself."""

    owner: LocalAccount
    account: str
    chain_id: str

    def build_session(self, permissions: Sequence[Json], signer: LocalAccount | str, **fields: Any) -> Json:
        """Return a `wallet_createSession` request for a key, or for a contract at an address."""
        key = (
            {"type": "contract", "publicKey": signer}
            if isinstance(signer, str)
            else {"type": "secp256k1", "publicKey": signer.address}
        )
        return {
            "account": self.account,
            "chainId": self.chain_id,
            "expirySec": int(time.time()) + HOUR,
            "key": key,
            "permissions": list(permissions),
            **fields,
        }

    def sign_grant(self, created: Json, key: LocalAccount) -> Grant:
        """Sign the typed data of a created session with the owner's key."""
        return Grant(created, sign_request(self.owner, created["signatureRequest"]), key)

    def build_calls(self, *calls: Json, sponsored: bool = True, **capabilities: Any) -> Json:
        """Return a `wallet_prepareCalls` request."""
        if sponsored:
            capabilities.setdefault("paymasterService", SPONSORSHIP)
        return {"from": self.account, "chainId": self.chain_id, "calls": list(calls), "capabilities": capabilities}

    def sign(self, prepared: Json, by: LocalAccount, permissions: dict[str, str] | None = None) -> Json:
        """Return the request for `wallet_sendPreparedCalls`: the prepared call and the signature of its raw message."""
        request = {
            "type": prepared["type"],
            "data": prepared["data"],
            "chainId": prepared["chainId"],
            "signature": {"type": "secp256k1", "data": sign_request(by, prepared["signatureRequest"])},
        }
        return request if permissions is None else {**request, "capabilities": {"permissions": permissions}}

    def sign_authorization(self, prepared: Json, by: LocalAccount | None = None) -> Json:
        """Return the request to send a delegation: the authorization and the raw signature of its digest."""
        signature = sign_digest(by or self.owner, prepared["signatureRequest"]["rawPayload"])
        return {
            "type": "authorization",
            "data": prepared["data"],
            "chainId": prepared["chainId"],
            "signature": {"type": "secp256k1", "data": signature},
        }

    def sign_array(self, prepared: Json) -> Json:
        """Return the request to send a delegation with the first call, both signed by the owner."""
        authorization, operation = prepared["data"]
        return {"type": "array", "data": [self.sign_authorization(authorization), self.sign(operation, self.owner)]}


@dataclass
class Wallet(WalletRequests):
    """Owner with their account, over HTTP."""

    client: Client
    owner: LocalAccount = field(default_factory=new_key)
    chain_id: str = CHAIN_ID

    def __post_init__(self) -> None:
        requested = self.client.rpc("wallet_requestAccount", {"signerAddress": self.owner.address})
        self.account: str = requested["accountAddress"]
        self.account_id: str = requested["id"]

    def fund(self, *, wei: int = 10**18, tokens: int = 1000) -> Self:
        self.client.chain("anvil_setBalance", self.account, hex(wei))
        if tokens:
            self.client.mint(self.account, tokens)
        return self

    def create_session(
        self, *permissions: Json, key: LocalAccount | None = None, contract: str | None = None, **fields: Any
    ) -> tuple[Json, LocalAccount]:
        """Create a session for a key, by default a new one, or for a contract; return the response and the key."""
        signer = key or new_key()
        request = self.build_session(permissions, contract or signer, **fields)
        return self.client.rpc("wallet_createSession", request), signer

    def grant(self, *permissions: Json, **fields: Any) -> Grant:
        """Create a session, and sign its typed data with the owner's key."""
        return self.sign_grant(*self.create_session(*permissions, **fields))

    def prepare(self, *calls: Json, sponsored: bool = True, **capabilities: Any) -> Json:
        request = self.build_calls(*calls, sponsored=sponsored, **capabilities)
        prepared: Json = self.client.rpc("wallet_prepareCalls", request)
        return prepared

    def send(self, prepared: Json, by: LocalAccount, permissions: dict[str, str] | None = None) -> str:
        """Sign and send prepared calls, and return the call's id."""
        return str(self.client.rpc("wallet_sendPreparedCalls", self.sign(prepared, by, permissions))["id"])

    def status(self, call_id: str) -> Json:
        found: Json = self.client.rpc("wallet_getCallsStatus", call_id)
        return found

    def wait_until_final(self, call_id: str) -> Json:
        """Wait until the call is final, and return its status. A node that was too busy to answer is asked again."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while True:
            try:
                status = self.status(call_id)
            except RpcError as error:
                if error.data.get("retryable") is not True or time.monotonic() > deadline:
                    raise
            else:
                if status["status"] >= 200:
                    return status
                assert time.monotonic() < deadline, status
            time.sleep(0.05)

    def act(self, grant: Grant | None, *calls: Json, **capabilities: Any) -> Json:
        """Prepare, sign and send calls with the session key, or the owner's (None); return the final status."""
        permissions = None if grant is None else grant.permissions
        if permissions is not None:
            capabilities["permissions"] = permissions
        prepared = self.prepare(*calls, **capabilities)
        return self.wait_until_final(self.send(prepared, self.owner if grant is None else grant.key, permissions))


class AsyncTransport(Protocol):
    """Transport of requests to a server or to operations in this process."""

    async def rpc(self, method: str, *params: Any) -> Any:
        """Call a JSON-RPC method, and return its result."""


@dataclass
class AsyncWallet(WalletRequests):
    """Owner with their account, over an asynchronous transport; `request_account` comes first."""

    client: AsyncTransport
    owner: LocalAccount = field(default_factory=new_key)
    chain_id: str = CHAIN_ID
    account: str = ""
    account_id: str = ""

    async def request_account(self, **fields: Any) -> None:
        """Request the owner's account; `fields` replace or add to those of the request."""
        requested = await self.client.rpc("wallet_requestAccount", {"signerAddress": self.owner.address, **fields})
        self.account = requested["accountAddress"]
        self.account_id = requested["id"]

    async def create_session(
        self, *permissions: Json, key: LocalAccount | None = None, **fields: Any
    ) -> tuple[Json, LocalAccount]:
        """Create a session for a key, by default a new one; return the response and the key."""
        signer = key or new_key()
        return await self.client.rpc("wallet_createSession", self.build_session(permissions, signer, **fields)), signer

    async def grant(self, *permissions: Json, **fields: Any) -> Grant:
        """Create a session, and sign its typed data with the owner's key."""
        return self.sign_grant(*await self.create_session(*permissions, **fields))

    async def prepare(self, *calls: Json, sponsored: bool = True, **capabilities: Any) -> Json:
        request = self.build_calls(*calls, sponsored=sponsored, **capabilities)
        prepared: Json = await self.client.rpc("wallet_prepareCalls", request)
        return prepared

    async def send(self, prepared: Json, by: LocalAccount, permissions: dict[str, str] | None = None) -> str:
        """Sign and send prepared calls, and return the call's id."""
        return str((await self.client.rpc("wallet_sendPreparedCalls", self.sign(prepared, by, permissions)))["id"])

    async def status(self, call_id: str) -> int:
        return int((await self.client.rpc("wallet_getCallsStatus", call_id))["status"])

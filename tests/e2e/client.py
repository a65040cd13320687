"""Plain client of the wallet: JSON-RPC over HTTP, local keys, and no code of the server."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx2
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from tests.e2e import schema
from tests.support.keys import new_key, sign_request

POLICY = "11111111-2222-4333-8444-555555555555"
TOKEN = "0x7e57000000000000000000000000000000000001"
ENTRY_POINT = "0x0000000071727De22E5E9d8BAf0edAc6f37da032"
FRIEND = "0x00000000000000000000000000000000f00DcAfE"
HOUR = 3600
PATIENCE_SECONDS = 30.0
"""Timeout for a call to become final."""


class RpcError(Exception):
    """JSON-RPC error that the server returned."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error.get("data", {})

    @property
    def reason(self) -> str | None:
        return self.data.get("reason")


def call_data(signature: str, *values: Any) -> str:
    """Return the call data of `signature`, written as `name(types)`, with these values."""
    types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
    return "0x" + (keccak(text=signature)[:4] + encode(types, values)).hex()


def transfer(amount: int, *, to: str = FRIEND) -> dict[str, str]:
    return {"to": TOKEN, "data": call_data("transfer(address,uint256)", to, amount)}


@dataclass
class Client:
    """Client of one server."""

    url: str
    node: str = ""
    """URL of the chain's node, which also serves the methods that the wallet does not forward."""
    holds_operations: bool = False
    """True if the bundler keeps operations in its mempool until the next block."""
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=30))

    def post(self, body: Any) -> Any:
        return self.http.post(self.url, json=body).json()

    def rpc(self, method: str, *params: Any) -> Any:
        result = _result(self.post(_request(method, params)))
        schema.check(method, result)
        return result

    def chain(self, method: str, *params: Any) -> Any:
        """Call a method of the node itself."""
        return _result(self.http.post(self.node or self.url, json=_request(method, params)).json())

    def balance(self, address: str) -> int:
        return int(self.rpc("eth_getBalance", address, "latest"), 16)

    def token_balance(self, holder: str) -> int:
        return int(self.rpc("eth_call", {"to": TOKEN, "data": call_data("balanceOf(address)", holder)}, "latest"), 16)

    def mint(self, holder: str, amount: int) -> None:
        minter = self.chain("eth_accounts")[0]
        call = {"from": minter, "to": TOKEN, "data": call_data("mint(address,uint256)", holder, amount)}
        self.wait_for_receipt(self.chain("eth_sendTransaction", call))

    def wait_for_receipt(self, transaction: str) -> dict[str, Any]:
        """Return the receipt of a transaction; anvil returns the hash shortly before it mines the transaction."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (receipt := self.chain("eth_getTransactionReceipt", transaction)) is None:
            assert time.monotonic() < deadline, transaction
            time.sleep(0.01)
        found: dict[str, Any] = receipt
        return found

    def nonce(self, account: str, key: int) -> int:
        """Return EntryPoint.getNonce."""
        call = {"to": ENTRY_POINT, "data": call_data("getNonce(address,uint192)", account, key)}
        return int(self.rpc("eth_call", call, "latest"), 16)


def _request(method: str, params: tuple[Any, ...]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise RpcError(answer["error"])
    return answer["result"]


@dataclass
class Grant:
    """Session with its key and the owner's signature."""

    session_id: str
    signature: str
    key: LocalAccount
    created: dict[str, Any]

    @property
    def permissions(self) -> dict[str, str]:
        return {"sessionId": self.session_id, "signature": self.signature}

    @property
    def context(self) -> dict[str, str]:
        return {"context": "0x00" + self.session_id[2:] + self.signature[2:]}


@dataclass
class Wallet:
    """Owner with their account."""

    client: Client
    owner: LocalAccount = field(default_factory=new_key)
    chain_id: str = "0x7a69"

    def __post_init__(self) -> None:
        self.account: str = self.client.rpc("wallet_requestAccount", {"signerAddress": self.owner.address})[
            "accountAddress"
        ]

    def fund(self, *, wei: int = 10**18, tokens: int = 1000) -> Wallet:
        self.client.chain("anvil_setBalance", self.account, hex(wei))
        if tokens:
            self.client.mint(self.account, tokens)
        return self

    def create_session(self, *permissions: dict[str, Any], **more: Any) -> tuple[dict[str, Any], LocalAccount]:
        key = more.pop("key", None) or new_key()
        key_type, address = ("contract", more.pop("contract")) if "contract" in more else ("secp256k1", key.address)
        request = {
            "account": self.account,
            "chainId": self.chain_id,
            "expirySec": int(time.time()) + HOUR,
            "key": {"type": key_type, "publicKey": address},
            "permissions": list(permissions),
            **more,
        }
        return self.client.rpc("wallet_createSession", request), key

    def grant(self, *permissions: dict[str, Any], **more: Any) -> Grant:
        """Create a session and sign its typed data with the owner's key, as a wallet does."""
        created, key = self.create_session(*permissions, **more)
        return Grant(created["sessionId"], sign_request(self.owner, created["signatureRequest"]), key, created)

    def prepare(self, *calls: dict[str, Any], sponsored: bool = True, **capabilities: Any) -> dict[str, Any]:
        if sponsored:
            capabilities.setdefault("paymasterService", {"policyId": POLICY})
        request = {"from": self.account, "chainId": self.chain_id, "calls": list(calls), "capabilities": capabilities}
        prepared: dict[str, Any] = self.client.rpc("wallet_prepareCalls", request)
        return prepared

    def sign(self, prepared: dict[str, Any], by: LocalAccount, permissions: dict[str, str] | None) -> dict[str, Any]:
        """Return the request for wallet_sendPreparedCalls: the prepared call and the signature of its raw message."""
        request = {
            "type": prepared["type"],
            "data": prepared["data"],
            "chainId": prepared["chainId"],
            "signature": {"type": "secp256k1", "data": sign_request(by, prepared["signatureRequest"])},
        }
        return request if permissions is None else {**request, "capabilities": {"permissions": permissions}}

    def send(self, prepared: dict[str, Any], by: LocalAccount, permissions: dict[str, str] | None = None) -> str:
        sent: dict[str, Any] = self.client.rpc("wallet_sendPreparedCalls", self.sign(prepared, by, permissions))
        return str(sent["id"])

    def status(self, call_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.rpc("wallet_getCallsStatus", call_id)
        return found

    def wait_until_final(self, call_id: str) -> dict[str, Any]:
        """Wait until the call is final, and return its status."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := self.status(call_id))["status"] < 200:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status

    def act(self, grant: Grant | None, *calls: dict[str, Any], **capabilities: Any) -> dict[str, Any]:
        """Prepare, sign and send calls with the session key, or the owner's (None); return the final status."""
        permissions = None if grant is None else grant.permissions
        if permissions is not None:
            capabilities["permissions"] = permissions
        prepared = self.prepare(*calls, **capabilities)
        return self.wait_until_final(self.send(prepared, self.owner if grant is None else grant.key, permissions))

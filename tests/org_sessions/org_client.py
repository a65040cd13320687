"""A client of one organisation, with storage in real Redis and embedded chains behind HTTP."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from eth_account.signers.local import LocalAccount

from tests.support.clocks import FixedClock, ShiftedClock
from tests.support.keys import new_key, sign_digest
from wallet_rpc import wire
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import ApiKey, Caller, OrganizationId, derive_key_id, sha256_hex
from wallet_rpc.domain.context import InstalledContext, LocalContext, format_context
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction
from wallet_rpc.domain.signature import SignerKind, prefix_signer_kind
from wallet_rpc.domain.times import format_time
from wallet_rpc.edge import error_formats
from wallet_rpc.errors import WalletError
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.operations.operation import ErrorFormat
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, Data, SessionId

CHAINS = (31337, 421614)
HOUR = 3600
FRIEND = "0x00000000000000000000000000000000f00dcafe"
POLICY = {"policyId": "11111111-2222-4333-8444-555555555555"}
ROOT = ({"type": "root"},)
METHODS = {operation.name: operation for operation in (*OPERATIONS, *REST_OPERATIONS)}
CREATE, LIST, GET, REVOKE = (
    f"{verb}OrganizationSession{s}" for verb, s in (("create", ""), ("list", "s"), ("get", ""), ("revoke", ""))
)


def timestamp_in(seconds: int) -> str:
    """Return the time that many seconds ahead, in the format of REST."""
    return format_time(int(time.time()) + seconds)


@dataclass
class OrgClient:
    """A caller with an API key of one organisation, without HTTP."""

    ports: Ports
    store: RedisStore
    url: str
    http: httpx2.AsyncClient

    @property
    def organization(self) -> OrganizationId:
        return self.ports.caller.organization

    @property
    def clock(self) -> ShiftedClock:
        assert isinstance(self.ports.clock, ShiftedClock)
        return self.ports.clock

    async def ask(self, method: str, **request: Any) -> Any:
        """Authorize, decode, run and encode the method, from JSON to JSON. Raises: WalletError."""
        operation = METHODS[method]
        await operation.authorize(self.ports)
        try:
            read = wire.validate(operation.request, request)
        except wire.InvalidValue as error:
            raise error_formats.merge_field_errors(ErrorFormat.ORGANIZATION, error.errors) from None
        return wire.encode(operation.answer, await operation.run(self.ports, read))

    async def refusal(self, method: str, **request: Any) -> WalletError:
        """Return the error of the call; fail if it succeeds."""
        try:
            answer = await self.ask(method, **request)
        except WalletError as error:
            return error
        raise AssertionError(answer)

    async def reason(self, method: str, **request: Any) -> str | None:
        """Return the reason of the call's error; None if it succeeds."""
        try:
            await self.ask(method, **request)
        except WalletError as error:
            return error.reason
        return None

    def at(self, second: int) -> OrgClient:
        """Return a client of the same server with its clock fixed at the given second."""
        return replace(self, ports=replace(self.ports, clock=FixedClock(second)))

    def of(self, organization: OrganizationId) -> OrgClient:
        """Return a client of the same server with a key of another organisation."""
        caller = a_caller(organization)
        return replace(self, ports=replace(self.ports, caller=caller, store=self.store.for_organization(organization)))

    def without_key(self) -> OrgClient:
        """Return a client of the same server without a key, which has its own store."""
        return replace(self, ports=replace(self.ports, caller=Caller(name="somebody"), store=self.store))

    async def node(self, chain: int, method: str, *params: Any) -> None:
        """Call a method of the chain's node; fail if it returns an error."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        assert "result" in (await self.http.post(f"{self.url}/chain/{chain}", json=request)).json()

    async def balance(self, chain: int, holder: str) -> int:
        return await self.ports.chains[chain].node.balance(Address.parse(holder))


def a_caller(organization: OrganizationId) -> Caller:
    key = secrets.token_hex(16)
    record = ApiKey(
        id=derive_key_id(key),
        organization=organization,
        digest=sha256_hex(key),
        requests_per_minute=1000,
        created_at=int(time.time()),
    )
    return Caller(name=record.id, organization=organization, key=record)


@dataclass
class Grant:
    """A session of one chain, signed by its owner."""

    chain: int
    created: dict[str, Any]
    signature: str

    @property
    def id(self) -> str:
        return str(self.created["sessionId"])

    @property
    def serialized_grant(self) -> str:
        return f"0x00{self.id[2:]}{self.signature[2:]}"

    @property
    def permissions(self) -> dict[str, str]:
        return {"sessionId": self.id, "signature": self.signature}

    @property
    def context(self) -> dict[str, str]:
        return {"context": self.serialized_grant}

    @property
    def message(self) -> dict[str, Any]:
        """The message of the typed data that the owner signed."""
        message: dict[str, Any] = self.created["signatureRequest"]["data"]["message"]
        return message

    @property
    def grant_context(self) -> dict[str, str]:
        """The permissions context 01: the whole grant, for a client that stores it itself."""
        action = DeferredAction(
            nonce=int(self.message["nonce"], 16),
            deadline=self.message["deadline"],
            call=Data.parse(self.message["call"]),
        )
        signature = prefix_signer_kind(SignerKind.KEY, Data.parse(self.signature))
        grant = SignedDeferredAction(action=action, has_execution_hooks=False, authorization=signature)
        return {"context": format_context(LocalContext(blob=grant.blob)).hex0x()}

    @property
    def installed_context(self) -> dict[str, str]:
        """The permissions context 02: the session once it is installed on chain."""
        is_global = bool(int(self.message["nonce"], 16) >> 64 & 1)
        return {"context": format_context(InstalledContext(is_global=is_global, entity_id=self.entity_id)).hex0x()}

    @property
    def entity_id(self) -> int:
        return int(self.message["nonce"], 16) >> 72 & 0xFFFFFFFF

    @property
    def session_id(self) -> SessionId:
        return SessionId.parse(self.id)


@dataclass
class Wallet:
    """An owner, their account, and one session key on some chains."""

    client: OrgClient
    owner: LocalAccount = field(default_factory=new_key)
    key: LocalAccount = field(default_factory=new_key)
    account: str = ""
    id: str = ""
    grants: list[Grant] = field(default_factory=list)

    async def open(self, *, chains: tuple[int, ...] = CHAINS, **more: Any) -> Wallet:
        """Request the account, and grant the key a session on each chain."""
        account = await self.client.ask("wallet_requestAccount", signerAddress=self.owner.address)
        self.account = account["accountAddress"]
        self.id = account["id"]
        self.grants = [await self.grant(chain, **more) for chain in chains]
        return self

    async def grant(self, chain: int, **more: Any) -> Grant:
        request: dict[str, Any] = {
            "account": self.account,
            "chainId": hex(chain),
            "expirySec": int(time.time()) + HOUR,
            "key": {"type": "secp256k1", "publicKey": self.key.address},
            "permissions": list(ROOT),
            **more,
        }
        created = await self.client.ask("wallet_createSession", **request)
        return Grant(chain, created, sign_digest(self.owner, created["signatureRequest"]["rawPayload"]))

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return the body of the request that registers all grants."""
        return {
            "walletId": self.id,
            "sessionAddress": self.key.address,
            "expiresAt": timestamp_in(HOUR // 2),
            "policies": {"note": "of the tests"},
            "installs": [{"chainId": each.chain, "serialized": each.serialized_grant} for each in self.grants],
            **changes,
        }

    async def register(self, **changes: Any) -> dict[str, Any]:
        group: dict[str, Any] = await self.client.ask(CREATE, **self.body(**changes))
        return group

    def calls(self, chain: int, permissions: dict[str, str], **call: str) -> dict[str, Any]:
        """Return a request of `wallet_prepareCalls` with one call."""
        return {
            "from": self.account,
            "chainId": hex(chain),
            "calls": [{"to": FRIEND, **call}],
            "capabilities": {"paymasterService": POLICY, "permissions": permissions},
        }

    def sign(self, digest: str) -> str:
        """Return the session key's bare signature of the digest."""
        return sign_digest(self.key, digest)

    def signed_request(
        self, prepared: dict[str, Any], permissions: dict[str, str] | None = None, *, by: LocalAccount | None = None
    ) -> dict[str, Any]:
        """Return the request that sends prepared calls, signed by the session key or by the given key."""
        signer = self.key if by is None else by
        return {
            "type": prepared["type"],
            "data": prepared["data"],
            "chainId": prepared["chainId"],
            "signature": {"type": "secp256k1", "data": sign_digest(signer, prepared["signatureRequest"]["rawPayload"])},
            "capabilities": {} if permissions is None else {"permissions": permissions},
        }

    async def act(self, chain: int, permissions: dict[str, str], **call: str) -> str:
        """Prepare and send a call, and return its id."""
        prepared = await self.client.ask("wallet_prepareCalls", **self.calls(chain, permissions, **call))
        sent = await self.client.ask("wallet_sendPreparedCalls", **self.signed_request(prepared, permissions))
        return str(sent["id"])


async def open_funded_wallet(client: OrgClient, chain: int, **more: Any) -> Wallet:
    """Return a wallet with funds and one session key for that chain; reset the server's clock."""
    client.clock.ahead_seconds = 0
    wallet = await Wallet(client).open(chains=(chain,), **more)
    await client.node(chain, "anvil_setBalance", wallet.account, hex(10**18))
    return wallet

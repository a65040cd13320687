"""A client of one organisation, with storage in real Redis and embedded chains behind HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from eth_account.signers.local import LocalAccount

from tests.support.api_keys import caller_of, issue_api_key
from tests.support.clocks import FixedClock, ShiftedClock
from tests.support.constants import CHAINS, FRIEND, ROOT
from tests.support.in_process import InProcessClient
from tests.support.keys import new_key
from tests.support.registration import build_registration
from tests.support.wallet import AsyncWallet, Grant
from wallet_rpc import wire
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Caller, OrganizationId
from wallet_rpc.domain.context import InstalledContext, LocalContext, format_context
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction
from wallet_rpc.domain.signature import SignerKind, prefix_signer_kind
from wallet_rpc.edge import error_formats
from wallet_rpc.errors import WalletError
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS
from wallet_rpc.operations.operation import ErrorFormat, Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, Data, SessionId

METHODS = {operation.name: operation for operation in (*OPERATIONS, *REST_OPERATIONS)}
CREATE, LIST, GET, REVOKE = (
    f"{verb}OrganizationSession{s}" for verb, s in (("create", ""), ("list", "s"), ("get", ""), ("revoke", ""))
)


@dataclass
class OrgClient(InProcessClient):
    """A caller with an API key of one organisation, without HTTP."""

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
        """Call a method or a REST operation. Raises: WalletError."""
        return await self.run(METHODS[method], request)

    def decode(self, operation: Operation[Ports, Any, Any], request: Any) -> Any:
        """Decode a request; report invalid fields as the REST API of organisations does."""
        try:
            return wire.validate(operation.request, request)
        except wire.InvalidValue as error:
            raise error_formats.merge_field_errors(ErrorFormat.ORGANIZATION, error.errors) from None

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
    return caller_of(issue_api_key(organization=organization)[1])


@dataclass
class OrgGrant(Grant):
    """A grant, and the further forms that name its session."""

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
    def record_id(self) -> SessionId:
        return SessionId.parse(self.session_id)


@dataclass
class OrgWallet(AsyncWallet):
    """An owner, their account, and one session key on some chains."""

    client: OrgClient
    key: LocalAccount = field(default_factory=new_key)
    grants: list[OrgGrant] = field(default_factory=list)

    async def open(self, *, chains: tuple[int, ...] = CHAINS, **fields: Any) -> OrgWallet:
        """Request the account, and grant the key a session on each chain."""
        await self.request_account()
        self.grants = [await self.grant_on(chain, **fields) for chain in chains]
        return self

    async def grant_on(self, chain: int, permissions: Sequence[dict[str, Any]] = (ROOT,), **fields: Any) -> OrgGrant:
        """Grant the key a session on a chain."""
        grant = await self.grant(*permissions, key=self.key, chainId=hex(chain), **fields)
        return OrgGrant(grant.created, grant.signature, grant.key)

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return the body of the request that registers all grants."""
        return build_registration(self.account_id, self.key, self.grants, **changes)

    async def register(self, **changes: Any) -> dict[str, Any]:
        group: dict[str, Any] = await self.client.ask(CREATE, **self.body(**changes))
        return group

    def calls(self, chain: int, permissions: dict[str, str], **call: str) -> dict[str, Any]:
        """Return a request of `wallet_prepareCalls` with one call."""
        return {**self.build_calls({"to": FRIEND, **call}, permissions=permissions), "chainId": hex(chain)}

    async def act(self, chain: int, permissions: dict[str, str], **call: str) -> str:
        """Prepare and send a call, and return its id."""
        prepared = await self.client.rpc("wallet_prepareCalls", self.calls(chain, permissions, **call))
        return await self.send(prepared, self.key, permissions)


async def open_funded_wallet(client: OrgClient, chain: int, **fields: Any) -> OrgWallet:
    """Return a wallet with funds and one session key for that chain; reset the server's clock."""
    client.clock.ahead_seconds = 0
    wallet = await OrgWallet(client).open(chains=(chain,), **fields)
    await client.node(chain, "anvil_setBalance", wallet.account, hex(10**18))
    return wallet

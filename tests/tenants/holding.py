"""A page that holds a session token, and the wallets it acts for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tests.e2e.client import Client, RpcError, Wallet, new_key
from tests.e2e.delegating import External
from tests.e2e.standards import ask
from tests.tenants.acceptance import create_token, entry
from tests.tenants.conftest import SECRET
from tests.tenants.granting import CHAINS
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.domain.access import Scope

TOKEN_SIGNER = JwtTokenSigner((SECRET,))
"""The server's own."""


W = TypeVar("W", bound=Wallet)


@dataclass
class TokenClient(Client):
    """A client with a token. Its answers may have a ticket, which the hosted service's schema does not know."""

    headers: dict[str, str] = field(default_factory=dict)

    def post(self, body: Any) -> Any:
        return self.http.post(self.url, json=body, headers=self.headers).json()

    def rpc(self, method: str, *params: Any) -> Any:
        return ask(self, method, *params)

    def refusal(self, method: str, *params: Any) -> tuple[int, str | None]:
        """The HTTP status and the reason of an error."""
        answer = self.http.post(self.url, json=entry(method, *params), headers=self.headers)
        error = RpcError(answer.json()["error"])
        assert error.data.get("statusCode", 200) == answer.status_code
        return answer.status_code, error.reason


def token_client(tenant: Tenant, wallet: str, *scopes: Scope) -> TokenClient:
    """A page with a token for `wallet`; with all scopes, unless some are named."""
    token = create_token(tenant, wallet, *(scopes or Scope))
    return TokenClient(tenant.url, http=tenant.http, headers={"authorization": f"Bearer {token}"})


def by_key(tenant: Tenant) -> Client:
    """The back end itself."""
    return Client(f"{tenant.url}/v2/{tenant.key}", f"{tenant.url}/chain/{CHAINS[0]}", http=tenant.http)


def a_wallet(tenant: Tenant) -> Wallet:
    """A new wallet with money, used by the back end."""
    return Wallet(by_key(tenant)).fund(tokens=0)


def an_external(tenant: Tenant) -> External:
    """A new externally owned account with money, used by the back end."""
    made = External(by_key(tenant), owner=new_key())
    made.fund(tokens=0)
    return made


def with_token(wallet: W, tenant: Tenant, *scopes: Scope) -> tuple[W, TokenClient]:
    """The same wallet, used by a page with a token of its owner; and the page."""
    page = token_client(tenant, wallet.owner.address, *scopes)
    return replace(wallet, client=page), page


def expire(ticket: str) -> str:
    """The same ticket, as if it had been issued long ago."""
    return TOKEN_SIGNER.sign_ticket(replace(TOKEN_SIGNER.read_ticket(ticket), expires_at=int(time.time())))

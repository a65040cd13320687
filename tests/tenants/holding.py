"""Clients with a session token, and the wallets that they act for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tests.e2e.delegating import External
from tests.e2e.standards import ask
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from tests.tenants.acceptance import create_token, entry
from tests.tenants.conftest import SECRET
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.domain.access import Scope

TOKEN_SIGNER = JwtTokenSigner((SECRET,))
"""A token signer with the server's secret."""


W = TypeVar("W", bound=Wallet)


@dataclass
class TokenClient(Client):
    """A client with a session token. Its responses may have a ticket, which the hosted service's schema lacks."""

    headers: dict[str, str] = field(default_factory=dict)

    def post(self, body: Any) -> Any:
        return self.http.post(self.url, json=body, headers=self.headers).json()

    def rpc(self, method: str, *params: Any) -> Any:
        return ask(self, method, *params)

    def refusal(self, method: str, *params: Any) -> tuple[int, str | None]:
        """Return the HTTP status and the reason of the method's error."""
        answer = self.http.post(self.url, json=entry(method, *params), headers=self.headers)
        error = RpcError(answer.json()["error"])
        assert error.data.get("statusCode", 200) == answer.status_code
        return answer.status_code, error.reason


def token_client(tenant: Tenant, wallet: str, *scopes: Scope) -> TokenClient:
    """Return a client with a token for `wallet`, with the given scopes or all."""
    token = create_token(tenant, wallet, *(scopes or Scope))
    return TokenClient(tenant.url, http=tenant.http, headers={"authorization": f"Bearer {token}"})


def a_wallet(tenant: Tenant) -> Wallet:
    """Create a funded wallet that uses the tenant's API key."""
    return Wallet(tenant.client()).fund(tokens=0)


def an_external(tenant: Tenant) -> External:
    """Create a funded externally owned account that uses the tenant's API key."""
    return External(tenant.client()).fund(tokens=0)


def with_token(wallet: W, tenant: Tenant, *scopes: Scope) -> tuple[W, TokenClient]:
    """Return the wallet with a token client of its owner, and that client."""
    page = token_client(tenant, wallet.owner.address, *scopes)
    return replace(wallet, client=page), page


def expire(ticket: str) -> str:
    """Return the same ticket, signed with an expiry of now."""
    return TOKEN_SIGNER.sign_ticket(replace(TOKEN_SIGNER.read_ticket(ticket), expires_at=int(time.time())))

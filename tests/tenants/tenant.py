"""An organisation's back end: an API key, and JSON-RPC and REST over real HTTP."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.support.api_keys import issue_api_key
from tests.support.constants import CHAINS
from tests.support.rpc_client import Client
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Organization, OrganizationId


@dataclass
class Tenant:
    """One organisation with one read-write key."""

    url: str
    organization: OrganizationId
    key: str
    http: httpx2.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    def client(self) -> Client:
        """Return a JSON-RPC client with the organisation's key, whose node is that of the first chain."""
        return Client(f"{self.url}/v2/{self.key}", f"{self.url}/chain/{CHAINS[0]}", http=self.http)

    def rpc(self, method: str, *params: Any) -> Any:
        """Call a method and return the response without its envelope: `{"result": …}` or `{"error": …}`."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self.http.post(self.url, json=body, headers=self.headers).json()
        return {name: answer[name] for name in ("result", "error") if name in answer}

    def result(self, method: str, *params: Any) -> Any:
        answer = self.rpc(method, *params)
        assert "result" in answer, answer
        return answer["result"]

    def rest(self, verb: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = self.http.request(verb, self.url + path, json=body, headers=self.headers)
        return answer.status_code, answer.json()

    @property
    def sessions(self) -> str:
        return f"/v1/organizations/{self.organization}/sessions"


async def new_tenant(store: RedisStore, url: str, http: httpx2.Client, **key: Any) -> Tenant:
    """Create a new organisation with one key in the store."""
    organization = OrganizationId(f"org_{secrets.token_hex(10)}")
    secret, record = issue_api_key(organization=organization, **key)
    now = int(time.time())
    await store.directory.add_organization(Organization(id=organization, name="tests", created_at=now))
    await store.directory.add_key(record)
    return Tenant(url, organization, secret, http)

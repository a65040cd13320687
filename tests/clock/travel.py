"""A wallet on a server whose chains' clocks a test moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support.constants import CHAINS, ROOT
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Grant, Wallet

BY_SERVER, BY_CHAIN = (-32602, "session_expired"), (-32503, "session_expired")
"""Code and reason of the error of an ended session, by the server and by the contracts."""
DAY = 86_400
YEAR = 365 * DAY
Json = dict[str, Any]


@dataclass
class Traveller(Wallet):
    """Owner with their account on a chain; `chain_time` is the time that the chain's next block would have."""

    client: Client
    chain_id: str = field(default=hex(CHAINS[0]))

    @property
    def chain_time(self) -> int:
        return int(self.node("eth_getBlockByNumber", "pending", False)["timestamp"], 16)

    def node(self, method: str, *params: Any) -> Any:
        """Call a method of the wallet's chain at its own path."""
        return self.client_of_chain.rpc(method, *params)

    @property
    def client_of_chain(self) -> Client:
        path = f"/chain/{int(self.chain_id, 16)}"
        return Client(self.client.url.removesuffix("/") + path, http=self.client.http)

    def move(self, seconds: int) -> None:
        self.node("evm_increaseTime", seconds)

    def grant_for(self, seconds: int, *permissions: Json, **fields: Any) -> Grant:
        """Grant a session, by default to root, that ends some seconds from now on the chain."""
        return self.grant(*(permissions or (ROOT,)), expirySec=self.chain_time + seconds, **fields)

    def refusal(self, grant: Grant, *calls: Json, **capabilities: Any) -> tuple[int, str | None] | None:
        """Return code and reason of the error with which calls of a session cannot be prepared; None if they can."""
        permissions = capabilities.pop("permissions", grant.permissions)
        try:
            self.prepare(*calls, permissions=permissions, **capabilities)
        except RpcError as error:
            return error.code, error.reason
        return None

    def reason(self, grant: Grant, *calls: Json, **capabilities: Any) -> str | None:
        """Return the reason for which calls of a session cannot be prepared; None if they can."""
        found = self.refusal(grant, *calls, **capabilities)
        return None if found is None else found[1]


def reason_of(client: Client, method: str, *params: Any) -> str | None:
    """Return the reason of a method's error; None without an error."""
    try:
        client.rpc(method, *params)
    except RpcError as error:
        return error.reason
    return None

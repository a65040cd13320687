"""A typed client of a wallet server, built from the declarations of the server's own operations.

`types` has the types of requests and results. The client imports no code of the server.
"""

from __future__ import annotations

from wallet_rpc.client.conversations import Grant, Owner, sign_calls, sign_digest
from wallet_rpc.client.errors import ClientError, ConnectionFailed, NotFinal, RpcError, UnexpectedResponse
from wallet_rpc.client.types import Address, Call, Capabilities, Data, Hash32
from wallet_rpc.client.wallet_client import AsyncWalletClient, WalletClient

__all__ = [
    "Address",
    "AsyncWalletClient",
    "Call",
    "Capabilities",
    "ClientError",
    "ConnectionFailed",
    "Data",
    "Grant",
    "Hash32",
    "NotFinal",
    "Owner",
    "RpcError",
    "UnexpectedResponse",
    "WalletClient",
    "sign_calls",
    "sign_digest",
]

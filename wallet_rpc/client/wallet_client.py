"""Clients of a wallet server: `WalletClient`, and `AsyncWalletClient` for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx2

from wallet_rpc.client import conversations
from wallet_rpc.client.async_methods import AsyncMethods
from wallet_rpc.client.async_test_methods import AsyncTestMethods
from wallet_rpc.client.conversations import FINAL_SECONDS, CallSigner, Grant, Owner, StatusListener
from wallet_rpc.client.errors import ConnectionFailed
from wallet_rpc.client.exchange import JsonObject, Pause, RpcRequest, Steps, advance, call_method, call_operation
from wallet_rpc.client.sync_methods import SyncMethods
from wallet_rpc.client.sync_test_methods import SyncTestMethods
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import Capabilities
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.rules.rule import SessionRule
from wallet_rpc.domain.web_url import is_local_url
from wallet_rpc.operations.get_calls_status import CallsStatus
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Data

if TYPE_CHECKING:  # callers import this large library themselves, when they make a key
    from eth_account.signers.local import LocalAccount

_T = TypeVar("_T")
TIMEOUT_SECONDS = 60.0
"""Default time for one response; longer than the server's own deadline."""
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)


def _options(url: str, *, api_key: str | None, token: str | None, timeout_seconds: float) -> dict[str, Any]:
    """Return the options of the HTTP client.

    For plain HTTP it loads no CA certificates, which takes 40 ms. On this machine it uses no proxy of the environment.
    """
    headers = {"content-type": "application/json"}
    if api_key is not None:
        headers["x-api-key"] = api_key
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return {
        "headers": headers,
        "timeout": timeout_seconds,
        "verify": not url.startswith("http://"),
        "trust_env": not is_local_url(url),
    }


def _to_connection_failed(request: RpcRequest, error: httpx2.HTTPError | httpx2.InvalidURL) -> ConnectionFailed:
    was_sent = not isinstance(error, (*_NOT_SENT, httpx2.InvalidURL))
    text = "the server sent no complete response" if was_sent else "no server answers at the URL"
    return ConnectionFailed(request.method, f"{text} ({type(error).__name__})", was_sent=was_sent)


class WalletClient(SyncMethods, SyncTestMethods):
    """A client of a wallet server. Its connections may be used by several threads, and are closed by `close`."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        token: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Create a client; `api_key` or a session `token` authenticates it."""
        self.url = url
        self._http = httpx2.Client(**_options(url, api_key=api_key, token=token, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, method: str, *params: Any, chain_id: int | None = None) -> Any:
        """Call any method, such as `eth_getBalance`, with JSON parameters; return the JSON result. Raises: ClientError.

        Methods of a node go to the chain `chain_id`, by default to the server's first chain.
        """
        return self._run(call_method(method, *params, chain_id=chain_id))

    def open_account(self, key: LocalAccount, *, chain_id: int | None = None) -> Owner:
        """Request the account of an owner's key, by default on the server's first chain. Raises: ClientError."""
        return self._run(conversations.open_account(key, chain_id=chain_id))

    def grant(
        self,
        owner: Owner,
        key: LocalAccount,
        *permissions: Permission | JsonObject,
        rules: Sequence[SessionRule | JsonObject] = (),
        expires_at: int | None = None,
    ) -> Grant:
        """Create a session for `key`, and sign the grant with the owner's key; nothing is sent to the chain.

        `rules` are those that the server keeps in addition to the chain. The session ends after the second
        `expires_at` (Unix time; 0: never), by default an hour from now on the chain's clock. Raises: ClientError.
        """
        return self._run(conversations.grant_to_key(owner, key, *permissions, rules=rules, expires_at=expires_at))

    def send(
        self, signer: CallSigner, *calls: Call | JsonObject, capabilities: Capabilities | JsonObject | None = None
    ) -> Data:
        """Prepare calls, sign them with the signer's key and send them; return the call's id. Raises: ClientError."""
        return self._run(conversations.send(signer, calls, capabilities))

    def wait(
        self, call_id: Data, *, seconds: float = FINAL_SECONDS, progress: StatusListener | None = None
    ) -> CallsStatus:
        """Wait until a call is final and return its status: 200 confirmed, 400 not sent, 500 reverted.

        `progress` gets each status that is read. Raises: NotFinal after `seconds`; ClientError.
        """
        return self._run(conversations.wait(call_id, seconds=seconds, progress=progress))

    def _call(self, operation: Operation[Any, Any, _T], request: Any) -> _T:
        return self._run(call_operation(operation, request))

    def _run(self, steps: Steps[_T]) -> _T:
        outcome: bytes | ConnectionFailed | None = None
        try:
            while True:
                outcome = self._perform(advance(steps, outcome))
        except StopIteration as end:
            result: _T = end.value
            return result

    def _perform(self, step: RpcRequest | Pause) -> bytes | ConnectionFailed | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.post(self.url, params=step.query, content=step.body).content
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return _to_connection_failed(step, error)


class AsyncWalletClient(AsyncMethods, AsyncTestMethods):
    """A client of a wallet server for asyncio. Its connections are closed by `aclose`."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        token: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Create a client; `api_key` or a session `token` authenticates it."""
        self.url = url
        self._http = httpx2.AsyncClient(**_options(url, api_key=api_key, token=token, timeout_seconds=timeout_seconds))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def request(self, method: str, *params: Any, chain_id: int | None = None) -> Any:
        """Call any method with JSON parameters, as `WalletClient.request` does."""
        return await self._run(call_method(method, *params, chain_id=chain_id))

    async def open_account(self, key: LocalAccount, *, chain_id: int | None = None) -> Owner:
        """Request the account of an owner's key, as `WalletClient.open_account` does."""
        return await self._run(conversations.open_account(key, chain_id=chain_id))

    async def grant(
        self,
        owner: Owner,
        key: LocalAccount,
        *permissions: Permission | JsonObject,
        rules: Sequence[SessionRule | JsonObject] = (),
        expires_at: int | None = None,
    ) -> Grant:
        """Create a session and sign its grant, as `WalletClient.grant` does."""
        return await self._run(conversations.grant_to_key(owner, key, *permissions, rules=rules, expires_at=expires_at))

    async def send(
        self, signer: CallSigner, *calls: Call | JsonObject, capabilities: Capabilities | JsonObject | None = None
    ) -> Data:
        """Prepare, sign and send calls, as `WalletClient.send` does."""
        return await self._run(conversations.send(signer, calls, capabilities))

    async def wait(
        self, call_id: Data, *, seconds: float = FINAL_SECONDS, progress: StatusListener | None = None
    ) -> CallsStatus:
        """Wait until a call is final, as `WalletClient.wait` does."""
        return await self._run(conversations.wait(call_id, seconds=seconds, progress=progress))

    async def _call(self, operation: Operation[Any, Any, _T], request: Any) -> _T:
        return await self._run(call_operation(operation, request))

    async def _run(self, steps: Steps[_T]) -> _T:
        outcome: bytes | ConnectionFailed | None = None
        try:
            while True:
                outcome = await self._perform(advance(steps, outcome))
        except StopIteration as end:
            result: _T = end.value
            return result

    async def _perform(self, step: RpcRequest | Pause) -> bytes | ConnectionFailed | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return (await self._http.post(self.url, params=step.query, content=step.body)).content
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return _to_connection_failed(step, error)

"""Failover between several servers of one upstream.

A read goes to the next server when the current one does not respond within its share of the deadline. A write goes to
the next server only when the previous server cannot have received it. An error response is a response. A failed server
is suspended for a while. No server is used before it has returned the right chain id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import httpx2

from wallet_rpc.adapters.client import WRONG_CHAIN, ErrorMapper, JsonRpcClient, decode_result, is_no_response
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.errors import OutcomeUnknown, Unavailable

_T = TypeVar("_T")

SUSPEND_SECONDS = 15.0
"""Time for which a failed server is used only when no other responds."""
_ATTEMPTS = 2
"""Attempts of a read at one of several servers."""


def build_rpc(http: httpx2.AsyncClient, urls: Sequence[str], *, part: str, limits: ClientLimits | None = None) -> Rpc:
    """Build a client of one server, or of several with failover."""
    limits = ClientLimits() if limits is None else limits
    if len(urls) == 1:
        return JsonRpcClient(http, urls[0], part=part, limits=limits)
    shared = replace(limits, servers=len(urls), attempts=_ATTEMPTS)
    clients = [JsonRpcClient(http, url, part=part, limits=shared) for url in urls]
    return Failover(clients, read_seconds=limits.deadline_seconds)


class _Server:
    def __init__(self, client: JsonRpcClient) -> None:
        self.client = client
        self.suspended_until = 0.0
        self.is_checked = False


class Failover:
    """`Rpc` over several `JsonRpcClient`s."""

    def __init__(
        self, clients: Sequence[JsonRpcClient], *, read_seconds: float, suspend_seconds: float = SUSPEND_SECONDS
    ) -> None:
        """Create a client; `read_seconds` is the deadline of a read over all servers."""
        self._read_seconds = read_seconds
        self._servers = [_Server(client) for client in clients]
        self._suspend_seconds = suspend_seconds
        self._chain_id: int | None = None
        self.part = clients[0].part

    async def read(
        self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None, unbatched: bool = False
    ) -> Any:
        """Return the result of a read-only method from the first server that responds.

        Raises: the error that `map_error` returns; LimitExceeded (answer_too_large); Unavailable.
        """
        try:
            async with asyncio.timeout(self._read_seconds):
                return await self._try_servers(
                    lambda client: client.read(method, params, map_error=map_error, unbatched=unbatched)
                )
        except TimeoutError as error:
            raise Unavailable(f"the {self.part} does not answer", part=self.part) from error

    async def write(self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None) -> Any:
        """Return the result of a state-changing method; at most one server receives the request.

        Raises: the error that `map_error` returns; OutcomeUnknown when the call may have taken effect; Unavailable when
        it did not.
        """
        return await self._try_servers(lambda client: client.write(method, params, map_error=map_error))

    async def check_chain(self, chain_id: int) -> None:
        """Check the chain id of every server. A server that does not respond is checked again before its first use.

        Raises: Unavailable (wrong_chain) when a server serves another chain; Unavailable when no server responds.
        """
        self._chain_id = chain_id
        found = await asyncio.gather(*(self._check(server) for server in self._servers), return_exceptions=True)
        failures = [one for one in found if isinstance(one, BaseException)]
        mismatches = [one for one in failures if not _is_no_response(one)]
        if mismatches or len(failures) == len(found):
            raise (mismatches or failures)[0]

    def decode_result(self, kind: type[_T], value: Any) -> _T:
        """Decode a result as a typed value. Raises: Unavailable when it is malformed."""
        return decode_result(kind, value, part=self.part)

    async def _check(self, server: _Server) -> None:
        if self._chain_id is None:
            return
        try:
            await server.client.check_chain(self._chain_id)
        except Unavailable:
            self._suspend(server)
            raise
        server.is_checked = True

    async def _try_servers(self, request: Callable[[JsonRpcClient], Awaitable[Any]]) -> Any:
        """Return the result of the first server that responds, trying suspended servers last."""
        now = asyncio.get_running_loop().time()
        failure: Unavailable | None = None
        for server in sorted(self._servers, key=lambda one: one.suspended_until if one.suspended_until > now else 0.0):
            try:
                if self._chain_id is not None and not server.is_checked:
                    await self._check(server)
                answer = await request(server.client)
            except Unavailable as error:
                if isinstance(error, OutcomeUnknown) or not (_is_no_response(error) or error.reason == WRONG_CHAIN):
                    raise
                self._suspend(server)
                failure = error
            else:
                server.suspended_until = 0.0
                return answer
        raise AssertionError if failure is None else failure

    def _suspend(self, server: _Server) -> None:
        server.suspended_until = asyncio.get_running_loop().time() + self._suspend_seconds


def _is_no_response(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and is_no_response(error)

"""Failover between several servers of one upstream.

A read goes to the next server when the current one does not respond within its share of the deadline. A write goes to
the next server only when the previous server cannot have received it. An error response is a response. A failed server
is suspended for a while. A server whose health mark says that it is down or of another chain gets no request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from wallet_rpc.adapters.client import ErrorMapper, JsonRpcClient, decode_result, is_no_response
from wallet_rpc.adapters.health import WRONG_CHAIN
from wallet_rpc.adapters.http_post import PostClient
from wallet_rpc.adapters.limits import ClientLimits
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.errors import OutcomeUnknown, Unavailable
from wallet_rpc.time_budget import remaining_seconds

_T = TypeVar("_T")

SUSPEND_SECONDS = 15.0
"""Time for which a failed server is used only when no other responds."""
_ATTEMPTS = 2
"""Attempts of a read at one of several servers."""


def build_rpc(http: PostClient, urls: Sequence[str], *, part: str, limits: ClientLimits | None = None) -> Rpc:
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


class Failover:
    """`Rpc` over several `JsonRpcClient`s."""

    def __init__(
        self, clients: Sequence[JsonRpcClient], *, read_seconds: float, suspend_seconds: float = SUSPEND_SECONDS
    ) -> None:
        """Create a client; `read_seconds` is the deadline of a read over all servers."""
        self._read_seconds = read_seconds
        self._servers = [_Server(client) for client in clients]
        self._suspend_seconds = suspend_seconds
        self.part = clients[0].part

    @property
    def servers(self) -> tuple[JsonRpcClient, ...]:
        """The client of each server, for requests to one of them; it shares the server's health mark."""
        return tuple(server.client for server in self._servers)

    async def read(
        self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None, unbatched: bool = False
    ) -> Any:
        """Return the result of a read-only method from the first server that responds.

        Raises: the error that `map_error` returns; LimitExceeded (answer_too_large); Unavailable.
        """
        try:
            async with asyncio.timeout(remaining_seconds(self._read_seconds)):
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
        """Check the chain id of every server. A server that does not respond is not used before a probe succeeds.

        Raises: Unavailable (wrong_chain) when a server serves another chain; Unavailable when no server responds.
        """
        found = await asyncio.gather(*(each.check_chain(chain_id) for each in self.servers), return_exceptions=True)
        failures = [one for one in found if isinstance(one, BaseException)]
        mismatches = [one for one in failures if not _is_no_response(one)]
        if mismatches or len(failures) == len(found):
            raise (mismatches or failures)[0]

    def decode_result(self, kind: type[_T], value: Any) -> _T:
        """Decode a result as a typed value. Raises: Unavailable when it is malformed."""
        return decode_result(kind, value, part=self.part)

    async def _try_servers(self, request: Callable[[JsonRpcClient], Awaitable[Any]]) -> Any:
        """Return the result of the first server that responds, trying suspended ones last. Raises: the first error."""
        now = asyncio.get_running_loop().time()
        failure: Unavailable | None = None
        for server in sorted(self._servers, key=lambda one: one.suspended_until if one.suspended_until > now else 0.0):
            try:
                answer = await request(server.client)
            except Unavailable as error:
                if isinstance(error, OutcomeUnknown) or not is_no_response(error):
                    raise
                if server.client.health.is_usable:
                    server.suspended_until = asyncio.get_running_loop().time() + self._suspend_seconds
                failure = error if failure is None else failure
            else:
                server.suspended_until = 0.0
                return answer
        raise AssertionError if failure is None else failure


def _is_no_response(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and error.reason != WRONG_CHAIN and is_no_response(error)

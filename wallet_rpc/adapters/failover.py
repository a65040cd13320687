"""Several servers for one part: the first that answers is the part.

The rule: a read goes to the next server when one does not answer within its share of the deadline; a write only when
the one before certainly did not receive it; a refusal is an answer. A server that failed rests for a while, and none
is asked anything before it said that it is of the right chain.
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

T = TypeVar("T")

SUSPEND_SECONDS = 15.0
"""How long a server that failed is asked only when no other answers."""
_ATTEMPTS = 2
"""How often a read is sent to one of several servers."""


def build_rpc(http: httpx2.AsyncClient, urls: Sequence[str], *, part: str, limits: ClientLimits | None = None) -> Rpc:
    """A client of one server, or of several."""
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
    """As `JsonRpcClient`, over several of them."""

    def __init__(
        self, clients: Sequence[JsonRpcClient], *, read_seconds: float, suspend_seconds: float = SUSPEND_SECONDS
    ) -> None:
        """`read_seconds` are for all servers together."""
        self._read_seconds = read_seconds
        self._servers = [_Server(client) for client in clients]
        self._suspend_seconds = suspend_seconds
        self._chain_id: int | None = None
        self.part = clients[0].part

    async def read(
        self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None, unbatched: bool = False
    ) -> Any:
        """The result of a method that changes nothing, by the first server that answers.

        Raises: what `refused` makes of an error; Unavailable.
        """
        try:
            async with asyncio.timeout(self._read_seconds):
                return await self._try_servers(
                    lambda client: client.read(method, params, map_error=map_error, unbatched=unbatched)
                )
        except TimeoutError as error:
            raise Unavailable(f"the {self.part} does not answer", part=self.part) from error

    async def write(self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None) -> Any:
        """The result of a method that changes something, received by one server at most.

        Raises: what `refused` makes of an error; OutcomeUnknown when it may have happened; Unavailable when it did not.
        """
        return await self._try_servers(lambda client: client.write(method, params, map_error=map_error))

    async def check_chain(self, chain_id: int) -> None:
        """Ask every server. One that does not answer is asked again before it is used.

        Raises: Unavailable (wrong_chain) when one answers for another chain; Unavailable when none answers.
        """
        self._chain_id = chain_id
        found = await asyncio.gather(*(self._check(server) for server in self._servers), return_exceptions=True)
        wrong = [one for one in found if isinstance(one, BaseException) and not _is_no_response(one)]
        silent = [one for one in found if isinstance(one, BaseException)]
        if wrong or len(silent) == len(found):
            raise (wrong or silent)[0]

    def decode_result(self, kind: type[T], value: Any) -> T:
        """A result as a typed value. Raises: Unavailable when it is not of that form."""
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

    async def _try_servers(self, ask: Callable[[JsonRpcClient], Awaitable[Any]]) -> Any:
        """What the first says that says anything; those at rest come last."""
        now = asyncio.get_running_loop().time()
        failure: Unavailable | None = None
        for server in sorted(self._servers, key=lambda one: one.suspended_until if one.suspended_until > now else 0.0):
            try:
                if self._chain_id is not None and not server.is_checked:
                    await self._check(server)
                answer = await ask(server.client)
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

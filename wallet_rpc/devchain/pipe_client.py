"""Requests of the server's own adapters to an embedded chain, which go over the pipe of its process."""

from __future__ import annotations

from wallet_rpc.adapters.http_post import PostFailed, PostResponse
from wallet_rpc.devchain.supervisor import ChainSupervisor
from wallet_rpc.errors import Unavailable


class PipeClient:
    """`PostClient` of the chain's process, so that the adapters use the client code of a real node."""

    def __init__(self, chain: ChainSupervisor) -> None:
        self._chain = chain

    async def post(self, url: str, content: bytes, *, connect_seconds: float, max_bytes: int) -> PostResponse:
        """Send one request; there is no connection, and all URLs are the process. Raises: PostFailed when it dies."""
        try:
            answer = await self._chain.answer(content) or b""
        except Unavailable:
            raise PostFailed(sent=True) from None
        return PostResponse(200, None if len(answer) > max_bytes else answer)

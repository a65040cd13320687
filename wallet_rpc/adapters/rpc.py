"""Interface of upstream JSON-RPC clients, for one server or for several with failover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from wallet_rpc.adapters.client import ErrorMapper, JsonRpcClient

_T = TypeVar("_T")


class Rpc(Protocol):
    """JSON-RPC client; `JsonRpcClient` documents its methods."""

    part: str

    @property
    def servers(self) -> tuple[JsonRpcClient, ...]:
        """The client of each server, which shares its health mark with this client."""

    async def read(
        self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None, unbatched: bool = False
    ) -> Any:
        """Return the result of a read-only method."""

    async def write(self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None) -> Any:
        """Return the result of a state-changing method."""

    async def check_chain(self, chain_id: int) -> None:
        """Check that the server serves the chain. Raises: Unavailable (wrong_chain) when it serves another."""

    def decode_result(self, kind: type[_T], value: Any) -> _T:
        """Decode a result as a typed value. Raises: Unavailable when it is malformed."""

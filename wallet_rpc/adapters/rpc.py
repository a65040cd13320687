"""What the adapters of node, bundler and paymaster need of a client, be it of one server or of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from wallet_rpc.adapters.client import ErrorMapper

T = TypeVar("T")


class Rpc(Protocol):
    """A client; `JsonRpcClient` says more."""

    part: str

    async def read(
        self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None, unbatched: bool = False
    ) -> Any:
        """The result of a method that changes nothing."""

    async def write(self, method: str, params: Sequence[Any], *, map_error: ErrorMapper | None = None) -> Any:
        """The result of a method that changes something."""

    async def check_chain(self, chain_id: int) -> None:
        """Raises: Unavailable (wrong_chain) when the server answers for another chain."""

    def decode_result(self, kind: type[T], value: Any) -> T:
        """A result as a typed value. Raises: Unavailable when it is not of that form."""

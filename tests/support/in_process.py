"""JSON-RPC client of operations in this process, from JSON to JSON, without HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support import documented_errors
from wallet_rpc import wire
from wallet_rpc.edge.parameters import build_binding
from wallet_rpc.errors import WalletError
from wallet_rpc.operations.catalogue import OPERATIONS
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports

METHODS = {operation.name: operation for operation in OPERATIONS}


@dataclass
class InProcessClient:
    """Client of operations over ports, which a test may replace between calls."""

    ports: Ports

    async def rpc(self, method: str, *params: Any) -> Any:
        """Authorize, decode, run and encode the method, as the endpoint does. Raises: WalletError."""
        operation = METHODS[method]
        try:
            return await self.run(operation, build_binding(operation)(list(params)))
        except WalletError as error:
            documented_errors.check(method, error.code, error.data)
            raise

    async def run(self, operation: Operation[Ports, Any, Any], request: Any) -> Any:
        await operation.authorize(self.ports)
        decoded = self.decode(operation, request)
        return wire.encode(operation.answer, await operation.run(self.ports, decoded))

    def decode(self, operation: Operation[Ports, Any, Any], request: Any) -> Any:
        return wire.decode(operation.request, request)

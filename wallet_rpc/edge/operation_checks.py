"""Check of `eth_sendUserOperation` before a chain gets it: operations of sessions go through this server instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wallet_rpc.edge.envelope import ResponseObject
from wallet_rpc.edge.interception import Interceptor
from wallet_rpc.ports import Ports
from wallet_rpc.services.raw_operations import send_raw_operation

SEND_OPERATION = "eth_sendUserOperation"
"""The method that sends a user operation."""


def build_operation_check(context: Callable[[], Ports]) -> Interceptor:
    """Build the interceptor that sends the user operations of known sessions, by the ports of the current request."""

    async def send(chain_id: int, request: Mapping[str, Any]) -> ResponseObject | None:
        params = request.get("params") or []
        operation_hash = await send_raw_operation(context(), chain_id, params if isinstance(params, list) else [params])
        if operation_hash is None:
            return None
        return {"jsonrpc": "2.0", "result": operation_hash.hex0x(), "id": request.get("id")}

    return send

"""All methods of a development chain: of its node, controls, bundler and paymaster."""

from __future__ import annotations

from typing import Any

from wallet_rpc.devchain import blocks, bundler_methods, calls, controls, logs, state_reads, transactions
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.operations.operation import Operation

OPERATIONS: tuple[Operation[DevChain, Any, Any], ...] = (
    *state_reads.OPERATIONS,
    *blocks.OPERATIONS,
    *logs.OPERATIONS,
    *calls.OPERATIONS,
    *transactions.OPERATIONS,
    *controls.OPERATIONS,
    *bundler_methods.OPERATIONS,
)
"""All methods, by module."""
READ_METHODS = frozenset(
    operation.name
    for group in (state_reads.OPERATIONS, blocks.OPERATIONS, logs.OPERATIONS, bundler_methods.READ_OPERATIONS)
    for operation in group
)
"""The methods that neither run code nor change anything; they are answered during other requests' runs."""

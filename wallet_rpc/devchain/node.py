"""All methods of a development chain: of its node, controls, bundler and paymaster."""

from __future__ import annotations

from typing import Any

from wallet_rpc.devchain import (
    access_lists,
    blocks,
    bundler_methods,
    calls,
    controls,
    fault_methods,
    filters,
    impersonation,
    logs,
    mining_controls,
    simulate,
    state_dump,
    state_reads,
    subscriptions,
    tracing,
    transactions,
    txpool,
)
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.operations.operation import Operation

OPERATIONS: tuple[Operation[DevChain, Any, Any], ...] = (
    *state_reads.OPERATIONS,
    *blocks.OPERATIONS,
    *logs.OPERATIONS,
    *filters.OPERATIONS,
    *subscriptions.OPERATIONS,
    *txpool.OPERATIONS,
    *calls.OPERATIONS,
    *access_lists.OPERATIONS,
    *simulate.OPERATIONS,
    *tracing.OPERATIONS,
    *transactions.OPERATIONS,
    *controls.OPERATIONS,
    *mining_controls.OPERATIONS,
    *impersonation.OPERATIONS,
    *state_dump.OPERATIONS,
    *bundler_methods.OPERATIONS,
    *fault_methods.OPERATIONS,
)
"""All methods, by module."""
READ_METHODS = frozenset(
    operation.name
    for group in (
        state_reads.OPERATIONS,
        blocks.OPERATIONS,
        logs.OPERATIONS,
        filters.OPERATIONS,
        txpool.POOL_READS,
        bundler_methods.READ_OPERATIONS,
    )
    for operation in group
)
"""The methods that neither run code nor change anything; they are answered during other requests' runs."""

"""The list of the operations with which a test asks for faults, in the order of the OpenRPC document."""

from __future__ import annotations

from typing import Any

from wallet_rpc.operations.access_control import add_access_control
from wallet_rpc.operations.faults import (
    clear_faults,
    cut_next,
    delay_next,
    delay_operations,
    drop_operations,
    expire_session,
    fail_next,
    list_faults,
    pause_redis,
    raise_gas_price,
    refuse_sponsorship,
    reorder_operations,
    reorg,
    repeat_next,
    revoke_session,
    time_out_next,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports

FAULT_OPERATIONS: tuple[Operation[Ports, Any, Any], ...] = tuple(
    add_access_control(operation)
    for operation in (
        fail_next.OPERATION,
        time_out_next.OPERATION,
        delay_next.OPERATION,
        repeat_next.OPERATION,
        cut_next.OPERATION,
        drop_operations.OPERATION,
        delay_operations.OPERATION,
        reorder_operations.OPERATION,
        refuse_sponsorship.OPERATION,
        raise_gas_price.OPERATION,
        reorg.OPERATION,
        pause_redis.OPERATION,
        expire_session.OPERATION,
        revoke_session.OPERATION,
        list_faults.OPERATION,
        clear_faults.OPERATION,
    )
)
"""The operations of `wallet_test_…`; only a development server has them."""

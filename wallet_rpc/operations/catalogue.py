"""Every operation of the wallet, in the order of the document."""

from __future__ import annotations

from typing import Any

from wallet_rpc.operations import (
    create_session,
    get_calls_status,
    prepare_calls,
    request_account,
    send_prepared_calls,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports

OPERATIONS: tuple[Operation[Ports, Any, Any], ...] = (
    request_account.OPERATION,
    create_session.OPERATION,
    prepare_calls.OPERATION,
    send_prepared_calls.OPERATION,
    get_calls_status.OPERATION,
)

"""Every operation of the wallet, in the order of the document."""

from __future__ import annotations

from typing import Any

from wallet_rpc.operations import (
    create_session,
    either_form,
    format_sign,
    get_calls_status,
    get_capabilities,
    get_cross_chain_status,
    grant_permissions,
    list_accounts,
    prepare_sign,
    request_account,
    request_execution_permissions,
    request_quote,
    send_calls,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports

OPERATIONS: tuple[Operation[Ports, Any, Any], ...] = (
    request_account.OPERATION,
    list_accounts.OPERATION,
    create_session.OPERATION,
    either_form.PREPARE,
    either_form.SEND,
    get_calls_status.OPERATION,
    prepare_sign.OPERATION,
    format_sign.OPERATION,
    get_capabilities.OPERATION,
    request_quote.OPERATION,
    get_cross_chain_status.OPERATION,
    grant_permissions.OPERATION,
    request_execution_permissions.OPERATION,
    send_calls.OPERATION,
)

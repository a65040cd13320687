"""The list of all operations of the wallet, in the order of the OpenRPC document."""

from __future__ import annotations

from typing import Any

from wallet_rpc.operations import (
    create_org_session,
    create_session,
    create_token,
    describe_token,
    either_form,
    format_sign,
    get_calls_status,
    get_capabilities,
    get_cross_chain_status,
    get_org_session,
    grant_permissions,
    list_accounts,
    list_org_sessions,
    prepare_sign,
    request_account,
    request_execution_permissions,
    request_quote,
    revoke_org_session,
    revoke_token,
    send_calls,
)
from wallet_rpc.operations.access_control import add_access_control
from wallet_rpc.operations.operation import ErrorFormat, Operation
from wallet_rpc.ports import Ports

OPERATIONS: tuple[Operation[Ports, Any, Any], ...] = tuple(
    add_access_control(operation)
    for operation in (
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
)
REST_OPERATIONS: tuple[Operation[Ports, Any, Any], ...] = tuple(
    add_access_control(operation)
    for operation in (
        create_org_session.OPERATION,
        list_org_sessions.OPERATION,
        get_org_session.OPERATION,
        revoke_org_session.OPERATION,
        create_token.OPERATION,
        describe_token.OPERATION,
        revoke_token.OPERATION,
    )
)
"""Operations of the REST API; none of them is a JSON-RPC method."""


def rest_operations(*, has_tokens: bool) -> tuple[Operation[Ports, Any, Any], ...]:
    """Return `REST_OPERATIONS`, without those on session tokens when the server has no secret to sign tokens with."""
    return tuple(
        one for one in REST_OPERATIONS if has_tokens or one.rest is None or one.rest.error_format != ErrorFormat.TOKEN
    )

"""The list of all operations of the wallet, in the order of the OpenRPC document."""

from __future__ import annotations

from typing import Any

from wallet_rpc.operations import (
    approve_calls,
    create_org_session,
    create_session,
    create_token,
    create_webhook,
    delete_webhook,
    describe_token,
    either_form,
    explain_calls,
    explain_org_calls,
    format_sign,
    get_calls_status,
    get_capabilities,
    get_created_session,
    get_cross_chain_status,
    get_granted_execution_permissions,
    get_org_session,
    get_session,
    get_supported_execution_permissions,
    grant_permissions,
    list_accounts,
    list_approvals,
    list_created_sessions,
    list_org_sessions,
    list_sessions,
    list_stops,
    list_webhooks,
    org_approvals,
    org_session_rules,
    org_stops,
    pause_session,
    prepare_session_change,
    prepare_sign,
    reject_calls,
    request_account,
    request_execution_permissions,
    request_quote,
    resume_session,
    resume_sessions,
    revoke_execution_permission,
    revoke_org_session,
    revoke_session,
    revoke_token,
    rotate_session_key,
    send_calls,
    set_session_rules,
    set_session_tags,
    stop_org_sessions,
    stop_sessions,
    subscribe,
    unsubscribe,
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
        list_sessions.OPERATION,
        get_session.OPERATION,
        set_session_tags.OPERATION,
        either_form.PREPARE,
        either_form.SEND,
        explain_calls.OPERATION,
        get_calls_status.OPERATION,
        prepare_sign.OPERATION,
        format_sign.OPERATION,
        get_capabilities.OPERATION,
        request_quote.OPERATION,
        get_cross_chain_status.OPERATION,
        grant_permissions.OPERATION,
        request_execution_permissions.OPERATION,
        get_supported_execution_permissions.OPERATION,
        get_granted_execution_permissions.OPERATION,
        revoke_execution_permission.OPERATION,
        send_calls.OPERATION,
        set_session_rules.OPERATION,
        list_approvals.OPERATION,
        approve_calls.OPERATION,
        reject_calls.OPERATION,
        prepare_session_change.OPERATION,
        pause_session.OPERATION,
        resume_session.OPERATION,
        revoke_session.OPERATION,
        rotate_session_key.OPERATION,
        stop_sessions.OPERATION,
        resume_sessions.OPERATION,
        list_stops.OPERATION,
        subscribe.OPERATION,
        unsubscribe.OPERATION,
    )
)
REST_OPERATIONS: tuple[Operation[Ports, Any, Any], ...] = tuple(
    add_access_control(operation)
    for operation in (
        create_org_session.OPERATION,
        list_org_sessions.OPERATION,
        get_org_session.OPERATION,
        revoke_org_session.OPERATION,
        *stop_org_sessions.OPERATIONS,
        *org_session_rules.OPERATIONS,
        explain_org_calls.OPERATION,
        *org_approvals.OPERATIONS,
        *org_stops.OPERATIONS,
        list_created_sessions.OPERATION,
        get_created_session.OPERATION,
        create_webhook.OPERATION,
        list_webhooks.OPERATION,
        delete_webhook.OPERATION,
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

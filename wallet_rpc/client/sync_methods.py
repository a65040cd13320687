"""The synchronous methods of the client, one for each operation; `make openrpc` writes this module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

from wallet_rpc.domain.prepared import PreparedArray, PreparedAuthorization, PreparedPermit, PreparedUserOperation
from wallet_rpc.domain.quote import CrossChainSwap, SameChainSwap
from wallet_rpc.operations import (
    approve_calls,
    create_session,
    explain_calls,
    format_sign,
    get_calls_status,
    get_capabilities,
    get_cross_chain_status,
    get_granted_execution_permissions,
    get_session,
    get_supported_execution_permissions,
    grant_permissions,
    list_accounts,
    list_approvals,
    list_sessions,
    list_stops,
    pause_session,
    prepare_calls,
    prepare_session_change,
    prepare_sign,
    reject_calls,
    request_account,
    request_execution_permissions,
    request_quote,
    resume_session,
    resume_sessions,
    revoke_execution_permission,
    revoke_session,
    rotate_session_key,
    send_calls,
    send_prepared_calls,
    set_session_rules,
    set_session_tags,
    stop_sessions,
    subscribe,
    unsubscribe,
)
from wallet_rpc.operations.approve_calls import DecideCalls, DecidedCalls
from wallet_rpc.operations.create_session import CreatedSession, CreateSession
from wallet_rpc.operations.explain_calls import ExplainCalls, ExplainedCalls
from wallet_rpc.operations.format_sign import FormatSign, FormattedSign
from wallet_rpc.operations.get_calls_status import CallsStatus, GetCallsStatus
from wallet_rpc.operations.get_capabilities import ChainCapabilities, GetCapabilities
from wallet_rpc.operations.get_cross_chain_status import GetCrossChainStatus
from wallet_rpc.operations.get_granted_execution_permissions import GetGrantedExecutionPermissions, GrantedPermission
from wallet_rpc.operations.get_session import GetSession, SessionReport
from wallet_rpc.operations.get_supported_execution_permissions import (
    GetSupportedExecutionPermissions,
    SupportedPermission,
)
from wallet_rpc.operations.grant_permissions import GrantPermissions, PermissionsToSign
from wallet_rpc.operations.list_accounts import AccountPage, ListAccounts
from wallet_rpc.operations.list_approvals import ApprovalsPage, ListApprovals
from wallet_rpc.operations.list_sessions import ListSessions, SessionOverviews
from wallet_rpc.operations.list_stops import ListStops, StopsPage
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.prepare_calls import PrepareCalls
from wallet_rpc.operations.prepare_session_change import PreparedChange, PrepareSessionChange
from wallet_rpc.operations.prepare_sign import PreparedSign, PrepareSign
from wallet_rpc.operations.request_account import RequestAccount, RequestedAccount
from wallet_rpc.operations.request_execution_permissions import PermissionRequest, PermissionToSign
from wallet_rpc.operations.request_quote import QuotedArray, QuotedPermit, QuotedUserOperation, RawQuote, RequestQuote
from wallet_rpc.operations.resume_sessions import ResumedSessions, ResumeSessions
from wallet_rpc.operations.revoke_execution_permission import PermissionRevoked, RevokeExecutionPermission
from wallet_rpc.operations.revoke_session import RevokeSession, SessionRevocation
from wallet_rpc.operations.rotate_session_key import KeyRotation, RotateSessionKey
from wallet_rpc.operations.send_calls import SendCalls
from wallet_rpc.operations.send_prepared_calls import SentCalls
from wallet_rpc.operations.session_stopping import ChangeSession, SessionStopState
from wallet_rpc.operations.set_session_rules import SessionRulesState, SetSessionRules
from wallet_rpc.operations.set_session_tags import SessionTags, SetSessionTags
from wallet_rpc.operations.stop_sessions import StoppedSessions, StopSessions
from wallet_rpc.operations.subscribe import Subscribe
from wallet_rpc.operations.unsubscribe import Unsubscribe
from wallet_rpc.services.signed_calls import SendArray, SendDelegation, SendOperation

_A = TypeVar("_A")


class SyncMethods(ABC):
    """The server's methods, with typed requests and results. Every method raises ClientError."""

    @abstractmethod
    def _call(self, operation: Operation[Any, Any, _A], request: Any) -> _A:
        """Call an operation."""

    def request_account(self, request: RequestAccount) -> RequestedAccount:
        """Get the smart account of a signer, creating it on first use; the same signer gets the same account."""
        return self._call(request_account.OPERATION, request)

    def list_accounts(self, request: ListAccounts) -> AccountPage:
        """List the accounts of a signer, oldest first."""
        return self._call(list_accounts.OPERATION, request)

    def create_session(self, request: CreateSession) -> CreatedSession:
        """Create a session that lets a key act for an account within permissions."""
        return self._call(create_session.OPERATION, request)

    def list_sessions(self, request: ListSessions) -> SessionOverviews:
        """List sessions with their state and what remains of each limit, newest first."""
        return self._call(list_sessions.OPERATION, request)

    def get_session(self, request: GetSession) -> SessionReport:
        """Get one session: its rights, its state, the rest of each limit by the chain, and its calls."""
        return self._call(get_session.OPERATION, request)

    def set_session_tags(self, request: SetSessionTags) -> SessionTags:
        """Replace the tags of a session, by which sessions are listed and stopped."""
        return self._call(set_session_tags.OPERATION, request)

    def prepare_calls(
        self, request: PrepareCalls
    ) -> PreparedUserOperation | PreparedArray | PreparedAuthorization | PreparedPermit:
        """Build the user operation that makes the given calls, and the payload for its signer."""
        return self._call(prepare_calls.OPERATION, request)

    def send_prepared_calls(self, request: SendOperation | SendDelegation | SendArray) -> SentCalls:
        """Send signed calls; sending the same calls again returns the same id and has no further effect."""
        return self._call(send_prepared_calls.OPERATION, request)

    def explain_calls(self, request: ExplainCalls) -> ExplainedCalls:
        """Explain calls of a session before they are sent: allowed or denied, why."""
        return self._call(explain_calls.OPERATION, request)

    def get_calls_status(self, request: GetCallsStatus) -> CallsStatus:
        """Get the status of sent calls by the id that wallet_sendPreparedCalls returned."""
        return self._call(get_calls_status.OPERATION, request)

    def prepare_sign(self, request: PrepareSign) -> PreparedSign:
        """Get the payload that the owner's key signs for a message of the account."""
        return self._call(prepare_sign.OPERATION, request)

    def format_sign(self, request: FormatSign) -> FormattedSign:
        """Convert the owner's signature to the account's signature (ERC-1271, ERC-6492)."""
        return self._call(format_sign.OPERATION, request)

    def get_capabilities(self, request: GetCapabilities) -> dict[str, ChainCapabilities]:
        """Get the capabilities of the server, on every chain or on the given chains."""
        return self._call(get_capabilities.OPERATION, request)

    def request_quote(self, request: RequestQuote) -> RawQuote | QuotedUserOperation | QuotedArray | QuotedPermit:
        """Price a swap and prepare its calls; rejected when no quote provider is configured."""
        return self._call(request_quote.OPERATION, request)

    def get_cross_chain_status(self, request: GetCrossChainStatus) -> SameChainSwap | CrossChainSwap:
        """Get the status of a swap; rejected when no quote provider is configured."""
        return self._call(get_cross_chain_status.OPERATION, request)

    def grant_permissions(self, request: GrantPermissions) -> PermissionsToSign:
        """Create a session from ERC-7715 permissions; it is granted once the account's owner signs it."""
        return self._call(grant_permissions.OPERATION, request)

    def request_execution_permissions(self, request: tuple[PermissionRequest, ...]) -> tuple[PermissionToSign, ...]:
        """Create a session for each ERC-7715 permission; it is granted once the account's owner signs it."""
        return self._call(request_execution_permissions.OPERATION, request)

    def get_supported_execution_permissions(
        self, request: GetSupportedExecutionPermissions
    ) -> dict[str, SupportedPermission]:
        """List the kinds of ERC-7715 permission that can be granted, with their chains and rules."""
        return self._call(get_supported_execution_permissions.OPERATION, request)

    def get_granted_execution_permissions(
        self, request: GetGrantedExecutionPermissions
    ) -> tuple[GrantedPermission, ...]:
        """List the permissions that owners have granted and that still hold, in the form of ERC-7715."""
        return self._call(get_granted_execution_permissions.OPERATION, request)

    def revoke_execution_permission(self, request: RevokeExecutionPermission) -> PermissionRevoked:
        """Revoke the session that an ERC-7715 context names, with all its permissions, on this server."""
        return self._call(revoke_execution_permission.OPERATION, request)

    def send_calls(self, request: SendCalls) -> dict[str, Any]:
        """Always rejected, because the server holds no keys; use wallet_prepareCalls and wallet_sendPreparedCalls."""
        return self._call(send_calls.OPERATION, request)

    def set_session_rules(self, request: SetSessionRules) -> SessionRulesState:
        """Replace the rules that this server keeps for a session, in addition to what the chain enforces."""
        return self._call(set_session_rules.OPERATION, request)

    def list_approvals(self, request: ListApprovals) -> ApprovalsPage:
        """List the calls that wait for an approval, oldest first."""
        return self._call(list_approvals.OPERATION, request)

    def approve_calls(self, request: DecideCalls) -> DecidedCalls:
        """Approve calls that wait for an approval, and deliver them."""
        return self._call(approve_calls.OPERATION, request)

    def reject_calls(self, request: DecideCalls) -> DecidedCalls:
        """Reject calls that wait for an approval; they are never delivered."""
        return self._call(reject_calls.OPERATION, request)

    def prepare_session_change(self, request: PrepareSessionChange) -> PreparedChange:
        """Return the typed data (EIP-712) with which an account's owner signs a change of a session."""
        return self._call(prepare_session_change.OPERATION, request)

    def pause_session(self, request: ChangeSession) -> SessionStopState:
        """Pause a session: this server refuses it at once, in every form and on every replica, until it is resumed."""
        return self._call(pause_session.OPERATION, request)

    def resume_session(self, request: ChangeSession) -> SessionStopState:
        """Resume a paused session; an organisation removes its own pause, the account's owner those of all."""
        return self._call(resume_session.OPERATION, request)

    def revoke_session(self, request: RevokeSession) -> SessionRevocation:
        """Revoke a session for ever on this server, at once."""
        return self._call(revoke_session.OPERATION, request)

    def rotate_session_key(self, request: RotateSessionKey) -> KeyRotation:
        """Prepare the owner's operation with which another key takes over a session."""
        return self._call(rotate_session_key.OPERATION, request)

    def stop_sessions(self, request: StopSessions) -> StoppedSessions:
        """Stop all sessions of the organisation, an account, a key or a tag with one call."""
        return self._call(stop_sessions.OPERATION, request)

    def resume_sessions(self, request: ResumeSessions) -> ResumedSessions:
        """Remove a kill switch that pauses; one that revokes is final."""
        return self._call(resume_sessions.OPERATION, request)

    def list_stops(self, request: ListStops) -> StopsPage:
        """List the kill switches of the caller's organisation, and those that an account's owner signed."""
        return self._call(list_stops.OPERATION, request)

    def subscribe(self, request: Subscribe) -> str:
        """Begin a subscription to changes of calls or sessions, over a WebSocket, and return its id."""
        return self._call(subscribe.OPERATION, request)

    def unsubscribe(self, request: Unsubscribe) -> bool:
        """End a subscription of this WebSocket; false if it has none with this id."""
        return self._call(unsubscribe.OPERATION, request)

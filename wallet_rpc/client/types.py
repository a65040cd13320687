"""The types of requests and results; `make openrpc` writes this module."""

from __future__ import annotations

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.capabilities import (
    Capabilities,
    ContextPermissions,
    DataSuffix,
    Delegation,
    GasParamsOverride,
    Multiplier,
    NonceOverride,
    SendCapabilities,
    SessionPermissions,
    StateOverride,
)
from wallet_rpc.domain.decision.engine import Factor
from wallet_rpc.domain.decoding.given import GivenAbi
from wallet_rpc.domain.erc7715_permission import Erc7715Permission, Erc7715Policy
from wallet_rpc.domain.fault import Fault, FaultError, FaultKind
from wallet_rpc.domain.grant_warnings import GrantWarning, WarningCode
from wallet_rpc.domain.paymaster_service import PaymasterService
from wallet_rpc.domain.permission import (
    AccountFunctions,
    ContractAccess,
    Erc20Allowance,
    Erc20TokenTransfer,
    FunctionsOnAllContracts,
    FunctionsOnContract,
    GasAllowance,
    GasLimit,
    NativeAllowance,
    NativeTokenTransfer,
    Root,
    SelectedFunctions,
    Target,
    TargetFunctions,
)
from wallet_rpc.domain.prepared import (
    AuthorizationData,
    DelegationDetails,
    FeePayment,
    OperationData,
    OperationDetails,
    PersonalSign,
    PreparedArray,
    PreparedAuthorization,
    PreparedPermit,
    PreparedUserOperation,
    RawMessage,
    Signature,
    SignatureParts,
    SignAuthorization,
    SignTyped,
)
from wallet_rpc.domain.quote import CrossChainSwap, Quote, SameChainSwap, SwapTransaction
from wallet_rpc.domain.receipt import CallLog, CallReceipt
from wallet_rpc.domain.records import KeyType, SessionKey
from wallet_rpc.domain.requested_call import RequestedCall
from wallet_rpc.domain.rules.hours import HoursRule, Weekday
from wallet_rpc.domain.rules.periods import Period
from wallet_rpc.domain.rules.rule import (
    AmountRule,
    ApprovalRule,
    ArgumentRule,
    CallsRule,
    NotBeforeRule,
    RateRule,
    RecipientsRule,
)
from wallet_rpc.domain.session_change import ChangeAction
from wallet_rpc.domain.session_state import Difference, SessionStatus
from wallet_rpc.domain.session_stop import StopMode
from wallet_rpc.domain.token_gas import AutoApprove, AutoPermit, Erc20Gas, PermitDetails, PostOpSettings, PreOpSettings
from wallet_rpc.domain.user_operation_json import AuthorizationJson, UserOperationJson
from wallet_rpc.operations.approve_calls import DecideCalls, DecidedCalls
from wallet_rpc.operations.create_session import CreatedSession, CreateSession
from wallet_rpc.operations.explain_calls import ExplainCalls, ExplainedCalls
from wallet_rpc.operations.faults.clear_faults import ClearedFaults, ClearFaults
from wallet_rpc.operations.faults.cut_next import CutNext
from wallet_rpc.operations.faults.delay_next import DelayNext
from wallet_rpc.operations.faults.delay_operations import DelayOperations
from wallet_rpc.operations.faults.drop_operations import DropOperations
from wallet_rpc.operations.faults.expire_session import ExpiredSession, ExpireSession
from wallet_rpc.operations.faults.fail_next import FailNext
from wallet_rpc.operations.faults.list_faults import FaultsPage, ListFaults
from wallet_rpc.operations.faults.pause_redis import PauseRedis
from wallet_rpc.operations.faults.raise_gas_price import RaiseGasPrice
from wallet_rpc.operations.faults.refuse_sponsorship import RefuseSponsorship
from wallet_rpc.operations.faults.reorder_operations import ReorderOperations
from wallet_rpc.operations.faults.reorg import Reorg, ReorgResult, ReplacedTransactions
from wallet_rpc.operations.faults.repeat_next import RepeatNext
from wallet_rpc.operations.faults.revoke_session import RemovedSession, RemoveSession
from wallet_rpc.operations.faults.time_out_next import TimeOutNext
from wallet_rpc.operations.format_sign import FormatSign, FormattedSign
from wallet_rpc.operations.get_calls_status import (
    CallsStatus,
    DelegationStatus,
    GetCallsStatus,
    PendingApproval,
    PendingBundle,
    StatusData,
    StatusDetails,
)
from wallet_rpc.operations.get_capabilities import (
    Atomic,
    ChainCapabilities,
    GetCapabilities,
    PermissionKinds,
    Supported,
)
from wallet_rpc.operations.get_cross_chain_status import GetCrossChainStatus
from wallet_rpc.operations.get_granted_execution_permissions import (
    GetGrantedExecutionPermissions,
    GrantedPermission,
    PermissionFilter,
)
from wallet_rpc.operations.get_session import GetSession, Registration, SessionCall, SessionReport
from wallet_rpc.operations.get_supported_execution_permissions import (
    GetSupportedExecutionPermissions,
    SupportedPermission,
)
from wallet_rpc.operations.grant_permissions import GrantPermissions, PermissionsToSign
from wallet_rpc.operations.list_accounts import AccountItem, AccountPage, ListAccounts, PageMeta
from wallet_rpc.operations.list_approvals import ApprovalsPage, ListApprovals, WaitingCalls
from wallet_rpc.operations.list_sessions import ListSessions, SessionOverviews
from wallet_rpc.operations.list_stops import ListStops, StopsPage
from wallet_rpc.operations.prepare_calls import PrepareCalls
from wallet_rpc.operations.prepare_session_change import (
    ChangeDomain,
    ChangeMessage,
    ChangeSignatureRequest,
    ChangeTypedData,
    PreparedChange,
    PrepareSessionChange,
)
from wallet_rpc.operations.prepare_sign import PreparedSign, PrepareSign
from wallet_rpc.operations.request_account import CounterfactualInfo, CreationHint, RequestAccount, RequestedAccount
from wallet_rpc.operations.request_execution_permissions import Dependency, PermissionRequest, PermissionToSign
from wallet_rpc.operations.request_quote import QuotedArray, QuotedPermit, QuotedUserOperation, RawQuote, RequestQuote
from wallet_rpc.operations.resume_sessions import ResumedSessions, ResumeSessions
from wallet_rpc.operations.revoke_execution_permission import PermissionRevoked, RevokeExecutionPermission
from wallet_rpc.operations.revoke_session import RevokeSession, SessionRevocation
from wallet_rpc.operations.rotate_session_key import KeyRotation, RotateSessionKey, RotationState
from wallet_rpc.operations.send_calls import SendCalls
from wallet_rpc.operations.send_prepared_calls import SentCalls
from wallet_rpc.operations.session_stopping import ChangeSession, SessionStopState
from wallet_rpc.operations.set_session_rules import SessionRulesState, SetSessionRules
from wallet_rpc.operations.set_session_tags import SessionTags, SetSessionTags
from wallet_rpc.operations.stop_sessions import StoppedSessions, StopSessions
from wallet_rpc.operations.subscribe import Subscribe, SubscriptionFilter, SubscriptionKind
from wallet_rpc.operations.unsubscribe import Unsubscribe
from wallet_rpc.primitives import Address, Data, Hash32, Selector, SessionId, Word
from wallet_rpc.services.call_explanation import (
    AmountArgument,
    CallDetails,
    CallExplanation,
    NamedPermission,
    RemainingLimits,
    RemainingToken,
    Verdict,
)
from wallet_rpc.services.call_failures import CallError
from wallet_rpc.services.decoded_operations import OperationCall
from wallet_rpc.services.kill_switches import ListedStop, ScopeSelector
from wallet_rpc.services.owner_consent import OwnerSignature
from wallet_rpc.services.pending_calls import PendingReason
from wallet_rpc.services.permission_requests import Rule, Signer
from wallet_rpc.services.rule_descriptions import AmountUsage, CountUsage, RulePreview, RulesDescription, RuleState
from wallet_rpc.services.session_creation import GrantTypedData, SignTypedData, TypedDataDomain, TypedDataField
from wallet_rpc.services.session_removal import RemovalProof
from wallet_rpc.services.session_view import AllowedContract, SessionLimit, SessionOverview
from wallet_rpc.services.signable_messages import PersonalMessage, RawBytes, SigningCapabilities, TypedMessage
from wallet_rpc.services.signed_calls import SendArray, SendDelegation, SendOperation, SignedDelegation, SignedOperation
from wallet_rpc.services.stopped_calls import CallInFlight

# One name a line would make the file too long.
# fmt: off
__all__ = [
    "AccountFunctions", "AccountItem", "AccountPage", "Address", "AllowedContract", "AmountArgument", "AmountRule",
    "AmountUsage", "ApprovalRule", "ApprovalsPage", "ArgumentRule", "Atomic", "AuthorizationData", "AuthorizationJson",
    "AutoApprove", "AutoPermit", "Call", "CallDetails", "CallError", "CallExplanation", "CallInFlight", "CallLog",
    "CallReceipt", "CallState", "CallsRule", "CallsStatus", "Capabilities", "ChainCapabilities", "ChangeAction",
    "ChangeDomain", "ChangeMessage", "ChangeSession", "ChangeSignatureRequest", "ChangeTypedData", "ClearFaults",
    "ClearedFaults", "ContextPermissions", "ContractAccess", "CountUsage", "CounterfactualInfo", "CreateSession",
    "CreatedSession", "CreationHint", "CrossChainSwap", "CutNext", "Data", "DataSuffix", "DecideCalls", "DecidedCalls",
    "DelayNext", "DelayOperations", "Delegation", "DelegationDetails", "DelegationStatus", "Dependency", "Difference",
    "DropOperations", "Erc20Allowance", "Erc20Gas", "Erc20TokenTransfer", "Erc7715Permission", "Erc7715Policy",
    "ExpireSession", "ExpiredSession", "ExplainCalls", "ExplainedCalls", "Factor", "FailNext", "Fault", "FaultError",
    "FaultKind", "FaultsPage", "FeePayment", "FormatSign", "FormattedSign", "FunctionsOnAllContracts",
    "FunctionsOnContract", "GasAllowance", "GasLimit", "GasParamsOverride", "GetCallsStatus", "GetCapabilities",
    "GetCrossChainStatus", "GetGrantedExecutionPermissions", "GetSession", "GetSupportedExecutionPermissions",
    "GivenAbi", "GrantPermissions", "GrantTypedData", "GrantWarning", "GrantedPermission", "Hash32", "HoursRule",
    "KeyRotation", "KeyType", "ListAccounts", "ListApprovals", "ListFaults", "ListSessions", "ListStops", "ListedStop",
    "Multiplier", "NamedPermission", "NativeAllowance", "NativeTokenTransfer", "NonceOverride", "NotBeforeRule",
    "OperationCall", "OperationData", "OperationDetails", "OwnerSignature", "PageMeta", "PauseRedis",
    "PaymasterService", "PendingApproval", "PendingBundle", "PendingReason", "Period", "PermissionFilter",
    "PermissionKinds", "PermissionRequest", "PermissionRevoked", "PermissionToSign", "PermissionsToSign",
    "PermitDetails", "PersonalMessage", "PersonalSign", "PostOpSettings", "PreOpSettings", "PrepareCalls",
    "PrepareSessionChange", "PrepareSign", "PreparedArray", "PreparedAuthorization", "PreparedChange", "PreparedPermit",
    "PreparedSign", "PreparedUserOperation", "Quote", "QuotedArray", "QuotedPermit", "QuotedUserOperation",
    "RaiseGasPrice", "RateRule", "RawBytes", "RawMessage", "RawQuote", "RecipientsRule", "RefuseSponsorship",
    "Registration", "RemainingLimits", "RemainingToken", "RemovalProof", "RemoveSession", "RemovedSession",
    "ReorderOperations", "Reorg", "ReorgResult", "RepeatNext", "ReplacedTransactions", "RequestAccount", "RequestQuote",
    "RequestedAccount", "RequestedCall", "ResumeSessions", "ResumedSessions", "RevokeExecutionPermission",
    "RevokeSession", "Root", "RotateSessionKey", "RotationState", "Rule", "RulePreview", "RuleState",
    "RulesDescription", "SameChainSwap", "ScopeSelector", "SelectedFunctions", "Selector", "SendArray", "SendCalls",
    "SendCapabilities", "SendDelegation", "SendOperation", "SentCalls", "SessionCall", "SessionId", "SessionKey",
    "SessionLimit", "SessionOverview", "SessionOverviews", "SessionPermissions", "SessionReport", "SessionRevocation",
    "SessionRulesState", "SessionStatus", "SessionStopState", "SessionTags", "SetSessionRules", "SetSessionTags",
    "SignAuthorization", "SignTyped", "SignTypedData", "Signature", "SignatureParts", "SignedDelegation",
    "SignedOperation", "Signer", "SigningCapabilities", "StateOverride", "StatusData", "StatusDetails", "StopMode",
    "StopSessions", "StoppedSessions", "StopsPage", "Subscribe", "SubscriptionFilter", "SubscriptionKind", "Supported",
    "SupportedPermission", "SwapTransaction", "Target", "TargetFunctions", "TimeOutNext", "TypedDataDomain",
    "TypedDataField", "TypedMessage", "Unsubscribe", "UserOperationJson", "Verdict", "WaitingCalls", "WarningCode",
    "Weekday", "Word",
]

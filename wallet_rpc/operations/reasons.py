"""The reasons that groups of operations share, for the errors whose reasons differ between operations.

Source of their meanings: `errors/reasons.py`. An operation lists its own under `reasons`.
"""

from __future__ import annotations

EVERY_METHOD = frozenset(
    {
        "invalid_params",
        "namespace_not_supported",
        "too_many_values",
        "unknown_member",
        "zero_address",
        "forwarded_request",
        "host_not_allowed",
        "insufficient_scope",
        "key_scope",
        "origin_not_allowed",
    }
)
"""Reasons that every operation can have."""
ACCOUNT = ("not_an_account", "answer_too_large")
"""Reasons of operations that read an account on chain."""
GRANT = (
    *ACCOUNT,
    "account_as_key",
    "account_as_target",
    "account_not_delegated",
    "address_malformed",
    "amount_malformed",
    "amount_too_large",
    "deadline_too_late",
    "duplicate_limit",
    "duplicate_selector",
    "duplicate_target",
    "empty_selector",
    "entity_id_out_of_range",
    "expired",
    "grant_not_installable",
    "grants_nothing",
    "no_functions",
    "privileged_selector",
    "protected_target",
    "root_not_alone",
    "selector_malformed",
    "too_many",
    "unknown_permission",
    "warning_is_error",
    "entity_ids_used_up",
    "unsigned_sessions_of_account",
    "unsigned_sessions_of_caller",
)
"""Reasons of operations that create sessions."""
DRAFT_GRANT = (
    *GRANT,
    "allowance_missing",
    "expiry_missing",
    "function_malformed",
    "functions_malformed",
    "public_key_malformed",
    "key_type_not_supported",
    "permission_not_supported",
    "policy_not_supported",
    "rule_not_supported",
    "signer_not_supported",
    "start_time_not_supported",
)
"""Reasons of operations that create sessions from requests of ERC-7715."""
SESSION = (
    *ACCOUNT,
    "account_not_delegated",
    "authorizer_not_owner",
    "context_malformed",
    "deferred_action_malformed",
    "grant_nonce_ahead",
    "session_expired",
    "session_forgotten",
    "session_not_found",
    "session_not_on_chain",
    "signature_malformed",
)
"""Reasons of operations that act with the authority of an owner or a session."""
KEY = ("key_mismatch", "public_key_malformed", "key_type_not_supported", "prehash_not_supported")
"""Reasons of operations in the form of ERC-7836."""
DENIAL = (
    "account_function_not_allowed",
    "call_data_malformed",
    "contract_not_allowed",
    "erc20_call_malformed",
    "erc20_limit_blocks_function",
    "erc20_limit_exceeded",
    "function_not_allowed",
    "gas_limit_exceeded",
    "native_limit_exceeded",
    "self_call_nested",
    "session_expired",
    "session_not_started",
)
"""Reasons of denials by the rules of a session."""
USED_BUNDLER = (
    *DENIAL,
    "bundler_rate_limited",
    "bundler_refused",
    "replacement_underpriced",
    "throttled",
    "unsupported_aggregator",
    "authorization_invalid",
    "authorization_pending",
    "insufficient_funds",
    "too_high",
    "too_low",
)
"""Reasons of operations that pass a user operation to a bundler."""
PREPARE_CALLS = (
    *SESSION,
    *KEY,
    *USED_BUNDLER,
    "two_signatures",
    "call_on_another_chain",
    "delegation_not_enabled",
    "delegation_not_supported",
    "delegation_of_another",
    "erc20_settings",
    "fee_given_twice",
    "gas_too_large",
    "max_token_amount_exceeded",
    "nonce_key_not_applicable",
    "not_a_token",
    "not_externally_owned",
    "nothing_to_remove",
    "paymaster_service_unclear",
    "permit_signature_missing",
    "removal_is_alone",
    "self_call_without_function",
    "session_cannot_permit",
    "sponsorship",
    "token_amount_too_large",
    "token_not_taken",
    "too_many_policies",
    "unknown_policy",
    "insufficient_token_allowance",
    "insufficient_token_balance",
    "permit_expired",
    "token_price_changed",
)
"""Reasons of operations that prepare calls."""
SEND_CALLS = (
    *SESSION,
    *KEY,
    *USED_BUNDLER,
    "array_not_supported",
    "delegation_alone",
    "delegation_not_enabled",
    "delegation_not_supported",
    "gas_too_large",
    "nonce_mismatch",
    "not_externally_owned",
    "nothing_to_remove",
    "part_without_address",
    "authorization_missing",
    "call_refused",
    "relayer_budget_used_up",
    "relayer_without_funds",
    "submission_ticket_expired",
    "submission_ticket_invalid",
    "submission_ticket_required",
)
"""Reasons of operations that send signed calls."""
MESSAGE = (
    *ACCOUNT,
    "session_cannot_sign",
    "signature_malformed",
)
"""Reasons of operations on messages that an account signs."""

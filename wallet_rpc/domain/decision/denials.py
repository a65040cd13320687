"""Reasons of denials: stable codes, and the errors of the contracts that they stand for.

The same codes are in `wallet_explainCalls` and in the errors of prepare, send and status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from wallet_rpc.domain.decision.contract_rules import SessionHook


class Reason(StrEnum):
    """Codes of the denials of a session's call by the account's contracts."""

    CONTRACT = "contract_not_allowed"
    """No permission covers the contract, or the contract with that function."""
    FUNCTION = "function_not_allowed"
    """The permission that names the contract does not have the function."""
    ACCOUNT_FUNCTION = "account_function_not_allowed"
    """The session may not call that function of the account."""
    SELF_CALL = "self_call_nested"
    """The account is to run execute or executeBatch on itself, inside another one."""
    MALFORMED = "call_data_malformed"
    """The arguments of the account's function do not decode."""
    NATIVE = "native_limit_exceeded"
    """The calls carry more value than remains of the limit."""
    TOKEN = "erc20_limit_exceeded"  # noqa: S105  # a code
    """The calls transfer or approve more of a token than remains of its limit."""
    TOKEN_CALL = "erc20_call_malformed"  # noqa: S105  # a code
    """The call to a token with a limit has fewer than 68 bytes, so it has no amount."""
    TOKEN_BLOCKS = "erc20_limit_blocks_function"  # noqa: S105  # a code
    """A session with a limit of a token can call no function of the account."""
    GAS = "gas_limit_exceeded"
    """The maximum cost of the gas is more than remains of the limit."""
    EXPIRED = "session_expired"
    """The session has expired."""
    NOT_STARTED = "session_not_started"
    """The session is not valid yet."""


@dataclass(frozen=True, slots=True)
class ContractError:
    """An error of the account (hook None) or of one of the session's hooks; an empty name is a revert without data."""

    hook: SessionHook | None
    name: str


CONTRACT_ERRORS: Mapping[Reason, frozenset[ContractError]] = {
    Reason.CONTRACT: frozenset(
        {ContractError(SessionHook.ALLOWLIST, "AddressNotAllowed"), ContractError(None, "ValidationFunctionMissing")}
    ),
    Reason.FUNCTION: frozenset(
        {
            ContractError(SessionHook.ALLOWLIST, "SelectorNotAllowed"),
            ContractError(SessionHook.ALLOWLIST, "NoSelectorSpecified"),
            ContractError(SessionHook.TOKENS, "SelectorNotAllowed"),
        }
    ),
    Reason.ACCOUNT_FUNCTION: frozenset({ContractError(None, "ValidationFunctionMissing")}),
    Reason.SELF_CALL: frozenset({ContractError(None, "SelfCallRecursionDepthExceeded")}),
    Reason.NATIVE: frozenset(
        {ContractError(SessionHook.NATIVE, "ExceededNativeTokenLimit"), ContractError(SessionHook.NATIVE, "Panic")}
    ),
    Reason.TOKEN: frozenset({ContractError(SessionHook.TOKENS, "ExceededTokenLimit")}),
    Reason.TOKEN_CALL: frozenset({ContractError(SessionHook.TOKENS, "InvalidCalldataLength")}),
    Reason.TOKEN_BLOCKS: frozenset({ContractError(SessionHook.TOKENS, "SpendingRequestNotAllowed")}),
    Reason.GAS: frozenset(
        {ContractError(SessionHook.GAS, "ExceededNativeTokenLimit"), ContractError(SessionHook.GAS, "Panic")}
    ),
    Reason.EXPIRED: frozenset({ContractError(SessionHook.EXPIRY, "AA22")}),
    Reason.NOT_STARTED: frozenset({ContractError(SessionHook.EXPIRY, "AA22")}),
    Reason.MALFORMED: frozenset(
        {
            ContractError(None, ""),
            ContractError(None, "UnrecognizedFunction"),
            ContractError(SessionHook.ALLOWLIST, ""),
            ContractError(SessionHook.ALLOWLIST, "Panic"),
            ContractError(SessionHook.NATIVE, ""),
            ContractError(SessionHook.NATIVE, "Panic"),
            ContractError(SessionHook.TOKENS, ""),
            ContractError(SessionHook.TOKENS, "Panic"),
        }
    ),
}
"""The errors by which the contracts reject a call for each reason. The entry point checks the times, by AA22.
Source: AllowlistModule, NativeTokenLimitModule and ModularAccountBase of Modular Account v2; EntryPoint v0.7."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A denial by the contracts: its reason, a sentence, the permission and the call that it is about, if any."""

    reason: Reason
    text: str
    hook: SessionHook | None = None
    """The hook that rejects; None for the account itself."""
    permission: str | None = None
    """The kind of the permission that denies; None when no permission covers the call."""
    call: int | None = None
    """The position of the call; None for a denial of the whole operation."""

    @property
    def is_late(self) -> bool:
        """True for a denial around the execution: the operation is included, fails, and its gas is spent."""
        return self.hook in (SessionHook.NATIVE, SessionHook.TOKENS)


def explain_permission(permission: str, because: str = "") -> str:
    """Return the sentence about a permission that denies."""
    text = f"denied by the session's permission {permission}"
    return f"{text}: {because}" if because else text

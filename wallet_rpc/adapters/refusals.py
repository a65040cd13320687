"""Mapping of the errors of nodes, bundlers and paymasters to the errors that callers get.

An upstream's message text reaches the caller only if it is one of the known standard texts, rebuilt from its parts. All
other text is dropped, since it may contain hosts and keys.

Source: ERC-7769 and EIP-1474 (codes), ERC-4337 EntryPoint v0.7 (AA texts), rundler and alto (precheck texts).
"""

from __future__ import annotations

import re
from typing import Any

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.domain.entry_point_errors import ENTRY_POINT_TEXTS, build_entry_point_error
from wallet_rpc.errors import (
    AccountDeployed,
    AlreadyKnown,
    ExecutionReverted,
    InvalidParams,
    LimitExceeded,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    SignatureInvalid,
    StaleNonce,
    Unavailable,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.primitives import Address, Data

_BY_CODE: dict[int, tuple[type[WalletError], str, str | None]] = {
    -32500: (ValidationReverted, "validation reverted", None),
    -32501: (PaymasterRejected, "the paymaster rejected the user operation", None),
    -32502: (ValidationReverted, "validation uses a forbidden opcode or storage slot", "forbidden_opcode"),
    -32503: (OutOfTimeRange, "the user operation is expired or not due", None),
    -32005: (LimitExceeded, "the bundler's rate limit is exceeded", "bundler_rate_limited"),
    -32504: (LimitExceeded, "the bundler throttles this account, factory or paymaster", "throttled"),
    -32505: (ValidationReverted, "the stake or unstake delay of an entity is too low", "stake_too_low"),
    -32506: (InvalidParams, "the bundler does not support the signature aggregator", "unsupported_aggregator"),
    -32507: (SignatureInvalid, "invalid account signature", None),
    -32508: (PaymasterRejected, "the paymaster's deposit is too low", "paymaster_deposit_too_low"),
    -32521: (ExecutionReverted, "execution reverted", None),
    -32602: (InvalidParams, "the bundler rejected the user operation's parameters", "bundler_refused"),
}
_SIMULATION_CODES = frozenset({-32500, -32501, -32503, -32507, -32000, -32603})
"""Codes whose text may contain the entry point's message, which is more specific."""

_REVERT = re.compile(
    r"execution reverted|vm execution error|vm exception while processing transaction: revert|(error: )?revert"
    r"|out of gas|gas required exceeds|invalid opcode|invalid jump|stack (under|over)flow|bad instruction",
    re.IGNORECASE,
)
_MAX_TOKENS = 100
"""Maximum number of a paymaster's tokens in an error."""
_NUMBER = r"(0x[0-9a-fA-F]{1,64}|[0-9]{1,78})"
_GAS = r"(maxFeePerGas|maxPriorityFeePerGas|preVerificationGas|callGasLimit|verificationGasLimit|total gas limit)"
_INVALID = "Invalid EIP-7702 authorization: "
_NO_MATCH = " does not match the userOperation sender address"
_PRECHECKS = {
    re.compile(pattern): reason
    for pattern, reason in {
        rf"(precheck failed: )?sender balance and deposit together is {_NUMBER} but must be at least {_NUMBER}"
        r" to pay for this operation": "insufficient_funds",
        rf"(precheck failed: )?{_GAS} (is |was )?{_NUMBER},? (but )?must be at least {_NUMBER}": "too_low",
        rf"(precheck failed: )?{_GAS} (is |was )?{_NUMBER},? (but )?must be at most {_NUMBER}": "too_high",
        rf"{_GAS} must be at least {_NUMBER}( \(current {_GAS}: {_NUMBER}\))?": "too_low",
        rf"preVerificationGas is not enough, required: {_NUMBER}, got: {_NUMBER}": "too_low",
        rf"User operation gas limits exceed the max gas per userOp: {_NUMBER} > {_NUMBER}": "too_high",
        r"EIP-7702 authorization signature is invalid": "authorization_invalid",
        rf"{_INVALID}(The chainId|The recovered signer address){_NO_MATCH}": "authorization_invalid",
        rf"{_INVALID}(The yParity value must be either 0 or 1|Delegate 0x[0-9a-fA-F]{{40}} has no code)": (
            "authorization_invalid"
        ),
        rf"{_INVALID}The nonce{_NO_MATCH}": "authorization_nonce",
        rf"EIP-7702 nonce mismatch\. Expected: {_NUMBER}, Actual: {_NUMBER}": "authorization_nonce",
        r"EIP-7702 auth sender has too many pending transactions: "
        rf"{_NUMBER}\. Max allowed: {_NUMBER}": "authorization_pending",
    }.items()
}
"""Texts of the bundlers' prechecks, and the stable reason for each."""
_RETRYABLE_PRECHECKS = frozenset({"authorization_nonce", "authorization_pending"})
"""Prechecks that fail because of a pending operation and pass after its inclusion and a new preparation."""
_ALTO_REVERT = re.compile(
    r"UserOperation (reverted|failed) (during simulation )?with reason: (AA[1-9][0-9] [a-z ]{1,40}? )?"
    r"(?P<data>0x(?:[0-9a-fA-F]{2})*)",
)
"""Alto's text for a reverted operation: it ends with the revert data, after the entry point's message, if any."""
_ALTO_PENDING = re.compile(
    r"AA25 invalid account (?P<what>nonce|deployment): Another (UserOperation|deployment operation) .{0,40}"
    r"is already being processed|(?P<deploys>AA10 sender already constructed): "
)
"""Alto's text for a conflict with another pending operation."""
_DEPLOYING = "another operation deploys the account; prepare the calls again once it is included"


def is_revert(error: ErrorObject) -> bool:
    """Return True when a node's error means that the contract reverted (geth's code 3, or other nodes' texts)."""
    return error.code == 3 or _REVERT.match(error.message) is not None


def revert_data(error: ErrorObject) -> Data:
    """Return an error's revert data, empty when there is none."""
    return _find_bytes(error.data) or Data()


def map_bundler_error(error: ErrorObject) -> WalletError:
    """Map the error of a bundler that does not estimate or accept a user operation."""
    special = (
        _map_pending_conflict(error) or _map_replacement(error) or _map_precheck(error) or _map_entry_point_error(error)
    )
    if special is not None:
        return special
    if error.code in _BY_CODE:
        kind, text, reason = _BY_CODE[error.code]
        if issubclass(kind, ExecutionReverted | ValidationReverted):
            return kind(text, reason=reason, revert=_find_revert_data(error))
        return kind(text, reason=reason)
    if error.code in {-32000, -32603} and is_revert(error):
        return ExecutionReverted("execution reverted", revert=_find_bytes(error.data))
    return Unavailable("the bundler returned an error", part="bundler", upstreamCode=error.code)


def map_paymaster_error(error: ErrorObject) -> WalletError:
    """Map a paymaster service's error; ERC-7677 defines no codes, so all but the general ones reject the operation."""
    match error.code:
        case -32602:
            return _map_context_error(error)
        case -32700 | -32601 | -32603 | -32005:
            return Unavailable("the paymaster returned an error", part="paymaster", upstreamCode=error.code)
        case _:
            return PaymasterRejected("the paymaster refused to sponsor the user operation", upstreamCode=error.code)


def _map_context_error(error: ErrorObject) -> InvalidParams:
    """Map a paymaster's error -32602: it rejects the operation or its context.

    A reason that wallet-rpc's own paymaster returns determines the new reason. Any other error gets `sponsorship`.
    """
    match error.data:
        case {"reason": "token", "tokens": list(tokens)} if len(tokens) <= _MAX_TOKENS:
            accepted = [token for token in map(_parse_address, tokens) if token is not None]
            text = f"only {', '.join(accepted)}" if accepted else "no token"
            return InvalidParams(
                f"the paymaster accepts {text} as payment for gas", reason="token_not_taken", tokens=accepted
            )
        case {"reason": "unknown_policy"}:
            return InvalidParams("the paymaster has no policy with this policyId", reason="unknown_policy")
        case {"reason": "max_token_amount_exceeded"}:
            text = "the operation may cost more of the token than maxTokenAmount; raise maxTokenAmount"
            return InvalidParams(text, reason="max_token_amount_exceeded")
        case _:
            text = "the paymaster rejected the user operation or its context"
            return InvalidParams(text, reason="sponsorship")


def _parse_address(value: Any) -> str | None:
    try:
        return Address.parse(value).hex0x()
    except ValueError:
        return None


def _map_pending_conflict(error: ErrorObject) -> WalletError | None:
    found = _ALTO_PENDING.search(error.message)
    if found is None:
        return None
    if found["deploys"] or found["what"] == "deployment":
        return AccountDeployed(_DEPLOYING)
    return StaleNonce("another operation with the same nonce is pending; prepare the calls again and sign them")


def _map_replacement(error: ErrorObject) -> WalletError | None:
    text = error.message.lower()
    if "already known" in text:
        return AlreadyKnown("the bundler already has this user operation")
    if any(words in text for words in ("underpriced", "replacement fee too low", "bump the gas price")):
        return InvalidParams("replacement underpriced", reason="replacement_underpriced")
    return None


def _map_precheck(error: ErrorObject) -> WalletError | None:
    for pattern, reason in _PRECHECKS.items():
        found = pattern.search(error.message)
        if found is not None:
            missing = _missing_amount(found) if reason == "insufficient_funds" else None
            return Rejected(
                found.group(0), reason=reason, retryable=reason in _RETRYABLE_PRECHECKS or None, missing=missing
            )
    return None


def _missing_amount(found: re.Match[str]) -> str:
    """Return the missing amount in hex, from the last two numbers of a precheck's text: balance and required amount."""
    balance, required = (int(number, 16 if "x" in number else 10) for number in found.groups()[-2:])
    return hex(max(required - balance, 0))


def _map_entry_point_error(error: ErrorObject) -> WalletError | None:
    found = re.search(r"\bAA[1-9][0-9]\b", error.message)
    if error.code not in _SIMULATION_CODES or found is None or found.group(0) not in ENTRY_POINT_TEXTS:
        return None
    number = found.group(0)
    mapped = build_entry_point_error(f"{number} {ENTRY_POINT_TEXTS[number]}", revert=_find_revert_data(error))
    if number == "AA10":
        return AccountDeployed(_DEPLOYING, entryPoint=number)
    if number == "AA21":
        return Rejected(mapped.message, reason="insufficient_funds", entryPoint=number)
    return mapped


def _find_revert_data(error: ErrorObject) -> Data | None:
    """Return the revert data of a bundler's error, from its data or from its text."""
    found = _find_bytes(error.data)
    match = _ALTO_REVERT.match(error.message) if found is None else None
    return found if match is None else _find_bytes(match["data"])


def _find_bytes(data: Any) -> Data | None:
    """Return the first hex bytes in any of the fields in which servers put revert data."""
    match data:
        case str():
            text = data.removeprefix("Reverted ")
            try:
                return Data.parse(text)
            except ValueError:
                return None
        case {"revert": inner} | {"revertData": inner} | {"data": inner} | {"result": inner} | {"reason": inner}:
            return _find_bytes(inner)
        case _:
            return None

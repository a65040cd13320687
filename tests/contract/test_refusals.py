"""The mapping of upstreams' errors, whose message texts do not reach the caller."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.refusals import map_bundler_error, map_paymaster_error
from wallet_rpc.domain.entry_point_errors import ENTRY_POINT_TEXTS
from wallet_rpc.errors import (
    AlreadyKnown,
    ExecutionReverted,
    InvalidParams,
    LimitExceeded,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    SignatureInvalid,
    Unavailable,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.primitives import Data

PREPAID = "sender balance and deposit together is 0 but must be at least 21000 to pay for this operation"
UNDERPRICED = "replacement underpriced"
AA = "validation reverted: [reason]: "


@pytest.mark.parametrize(
    ("code", "message", "kind", "text"),
    [
        (-32500, "AA23 reverted", ValidationReverted, f"{AA}AA23 reverted"),
        (-32500, "FailedOp(0, 'AA25 invalid account nonce')", ValidationReverted, f"{AA}AA25 invalid account nonce"),
        (-32500, "account said no to https://host", ValidationReverted, "validation reverted"),
        (-32500, "AA24 signature error", SignatureInvalid, "invalid account signature"),
        (-32500, "AA22 expired or not due", OutOfTimeRange, f"{AA}AA22 expired or not due"),
        (-32501, "AA33 reverted", PaymasterRejected, f"{AA}AA33 reverted"),
        (-32501, "no", PaymasterRejected, "the paymaster rejected the user operation"),
        (-32502, "opcode", ValidationReverted, "validation uses a forbidden opcode or storage slot"),
        (-32503, "expired", OutOfTimeRange, "the user operation is expired or not due"),
        (-32504, "banned", LimitExceeded, "the bundler throttles this account, factory or paymaster"),
        (-32505, "stake", ValidationReverted, "the stake or unstake delay of an entity is too low"),
        (-32506, "aggregator", InvalidParams, "the bundler does not support the signature aggregator"),
        (-32507, "bad", SignatureInvalid, "invalid account signature"),
        (-32507, "AA34 signature error", SignatureInvalid, f"{AA}AA34 signature error"),
        (-32508, "deposit", PaymasterRejected, "the paymaster's deposit is too low"),
        (-32521, "ERC20: no https://host", ExecutionReverted, "execution reverted"),
        (-32602, "what?", InvalidParams, "the bundler rejected the user operation's parameters"),
        (-32602, UNDERPRICED, InvalidParams, UNDERPRICED),
        (-32000, "replacement transaction underpriced", InvalidParams, UNDERPRICED),
        (-32000, "Already known", AlreadyKnown, "the bundler already has this user operation"),
        (-32000, f"precheck failed: {PREPAID}", Rejected, f"precheck failed: {PREPAID}"),
        (-32000, "precheck failed: maxFeePerGas is 1 but must be at least 2", Rejected, None),
        (-32000, "precheck failed: total gas limit 9 must be at most 8", Rejected, None),
        (-32000, "EIP-7702 nonce mismatch. Expected: 1, Actual: 0", Rejected, None),
        (-32000, "execution reverted: no", ExecutionReverted, "execution reverted"),
        (-32000, "AA21 didn't pay prefund", Rejected, f"{AA}AA21 didn't pay prefund"),
        (-32603, "AA31 paymaster deposit too low", PaymasterRejected, f"{AA}AA31 paymaster deposit too low"),
        (-32000, "AA99 nonsense", Unavailable, "the bundler returned an error"),
        (-32000, "database at 10.0.0.1 is down", Unavailable, "the bundler returned an error"),
        (-32601, "no such method", Unavailable, "the bundler returned an error"),
        (-32603, "oops", Unavailable, "the bundler returned an error"),
        (12345, "oops", Unavailable, "the bundler returned an error"),
    ],
)
def test_a_bundlers_error_is_mapped(code: int, message: str, kind: type[WalletError], text: str | None) -> None:
    error = map_bundler_error(ErrorObject(code, message))

    assert type(error) is kind
    assert error.message == (message if text is None else text)


DATA = "0x08c379a0"


@pytest.mark.parametrize(
    "data", [DATA, {"revertData": DATA}, {"reason": DATA}, {"reason": "validation_reverted", "revert": DATA}]
)
def test_a_bundlers_revert_data_is_a_fact(data: object) -> None:
    for code, message in ((-32521, "execution reverted"), (-32500, "AA23 reverted"), (-32500, "")):
        error = map_bundler_error(ErrorObject(code, message, data))
        assert isinstance(error, ValidationReverted | ExecutionReverted)
        assert (error.data["revert"], error.revert) == (DATA, Data.parse(DATA))


def test_the_entry_points_code_is_a_fact() -> None:
    assert map_bundler_error(ErrorObject(-32500, "AA25 invalid account nonce")).data["entryPoint"] == "AA25"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PREPAID, "insufficient_funds"),
        ("precheck failed: maxFeePerGas is 0x1 but must be at least 0x2", "too_low"),
        ("verificationGasLimit is 9 but must be at most 8", "too_high"),
        ("EIP-7702 authorization signature is invalid", "authorization_invalid"),
        ("EIP-7702 nonce mismatch. Expected: 1, Actual: 0", "authorization_nonce"),
        ("EIP-7702 auth sender has too many pending transactions: 2. Max allowed: 1", "authorization_pending"),
    ],
)
def test_a_failed_precheck_has_a_stable_reason(text: str, reason: str) -> None:
    error = map_bundler_error(ErrorObject(-32000, text))

    assert (error.message, error.reason) == (text, reason)
    assert error.data.get("retryable", False) is (reason in {"authorization_nonce", "authorization_pending"})


def test_the_missing_amount_is_a_fact() -> None:
    for text in (
        PREPAID,
        f"precheck failed: {PREPAID}",
        PREPAID.replace("21000", "0x5208"),
        PREPAID.replace("21000", "021000"),
    ):
        assert map_bundler_error(ErrorObject(-32000, text)).data["missing"] == "0x5208"


SECRET = "sk-271828"
TOKEN = "0x75faf114eafb1BDbe2F0316DF893fd58CE46AA4d"


@given(
    code=st.sampled_from([-32500, -32501, -32502, -32503, -32507, -32521, -32602, -32601, -32603, -32000, 3, 0]),
    before=st.sampled_from(
        ["", "AA23 reverted ", "execution reverted: ", "precheck failed: ", f"precheck failed: {PREPAID} "]
    ),
    data=st.sampled_from(
        [
            None,
            SECRET,
            {"data": SECRET},
            {"revertData": [SECRET]},
            {"reason": {"data": SECRET}},
            {"reason": SECRET},
            {"reason": "token", "tokens": [SECRET, {"tokens": [SECRET]}]},
            {"reason": "token", "tokens": SECRET},
            {"reason": "unknown_policy", "policyId": SECRET},
        ]
    ),
    between=st.text(),
)
def test_no_text_of_an_upstream_reaches_the_caller(code: int, before: str, data: object, between: str) -> None:
    upstream_error = ErrorObject(code, f"{before}{between}{SECRET}{between}", data)

    for error in (map_bundler_error(upstream_error), map_paymaster_error(upstream_error)):
        assert SECRET not in f"{error} {error.data}"


@pytest.mark.parametrize(
    ("data", "text", "reason"),
    [
        (
            {"reason": "token", "tokens": [TOKEN.lower(), TOKEN]},
            f"accepts only {TOKEN}, {TOKEN} as payment for gas",
            "token_not_taken",
        ),
        ({"reason": "token", "tokens": []}, "accepts no token as payment for gas", "token_not_taken"),
        ({"reason": "token", "tokens": [TOKEN] * 101}, "rejected the user operation or its context", "sponsorship"),
        ({"reason": "token"}, "rejected the user operation or its context", "sponsorship"),
        ({"reason": "unknown_policy"}, "no policy with this policyId", "unknown_policy"),
        ({"reason": "max_token_amount_exceeded"}, "maxTokenAmount", "max_token_amount_exceeded"),
        ({"reason": "too_low"}, "rejected the user operation or its context", "sponsorship"),
        (None, "rejected the user operation or its context", "sponsorship"),
    ],
)
def test_a_paymasters_known_reasons_are_kept(data: object, text: str, reason: str) -> None:
    error = map_paymaster_error(ErrorObject(-32602, "no", data))

    assert type(error) is InvalidParams
    assert error.reason == reason
    assert text in error.message


def test_every_code_of_the_entry_point_is_mapped() -> None:
    for number, text in ENTRY_POINT_TEXTS.items():
        error = map_bundler_error(ErrorObject(-32500, f"{number} {text}"))
        assert isinstance(error, Rejected if number in {"AA10", "AA21"} else ValidationReverted)
        assert error.data["entryPoint"] == number
        assert not isinstance(error, ValidationReverted) or error.entry_point == number

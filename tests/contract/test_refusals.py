"""The table of what other servers' errors mean, and that their words stay with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.refusals import ENTRY_POINT_TEXTS, map_bundler_error, map_paymaster_error
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
        (-32501, "no", PaymasterRejected, "the paymaster refused the user operation"),
        (-32502, "opcode", ValidationReverted, "validation uses an opcode or storage it may not use"),
        (-32503, "expired", OutOfTimeRange, "the user operation is expired or not due"),
        (-32504, "banned", LimitExceeded, "the bundler throttles this account, factory or paymaster"),
        (-32505, "stake", ValidationReverted, "the stake or unstake delay of an entity is too low"),
        (-32506, "aggregator", InvalidParams, "the bundler does not support the signature aggregator"),
        (-32507, "bad", SignatureInvalid, "invalid account signature"),
        (-32507, "AA34 signature error", SignatureInvalid, f"{AA}AA34 signature error"),
        (-32508, "deposit", PaymasterRejected, "the paymaster's deposit is too low"),
        (-32521, "ERC20: no https://host", ExecutionReverted, "execution reverted"),
        (-32602, "what?", InvalidParams, "the bundler does not accept the user operation as it stands"),
        (-32602, UNDERPRICED, InvalidParams, UNDERPRICED),
        (-32000, "replacement transaction underpriced", InvalidParams, UNDERPRICED),
        (-32000, "Already known", AlreadyKnown, "the bundler knows this user operation already"),
        (-32000, f"precheck failed: {PREPAID}", Rejected, f"precheck failed: {PREPAID}"),
        (-32000, "precheck failed: maxFeePerGas is 1 but must be at least 2", Rejected, None),
        (-32000, "precheck failed: total gas limit 9 must be at most 8", Rejected, None),
        (-32000, "EIP-7702 nonce mismatch. Expected: 1, Actual: 0", Rejected, None),
        (-32000, "execution reverted: no", ExecutionReverted, "execution reverted"),
        (-32000, "AA21 didn't pay prefund", Rejected, f"{AA}AA21 didn't pay prefund"),
        (-32603, "AA31 paymaster deposit too low", PaymasterRejected, f"{AA}AA31 paymaster deposit too low"),
        (-32000, "AA99 nonsense", Unavailable, "the bundler refused to answer"),
        (-32000, "database at 10.0.0.1 is down", Unavailable, "the bundler refused to answer"),
        (-32601, "no such method", Unavailable, "the bundler refused to answer"),
        (-32603, "oops", Unavailable, "the bundler refused to answer"),
        (12345, "oops", Unavailable, "the bundler refused to answer"),
    ],
)
def test_a_bundlers_error_means_one_of_ours(code: int, message: str, kind: type[WalletError], text: str | None) -> None:
    error = map_bundler_error(ErrorObject(code, message))

    assert type(error) is kind
    assert error.message == (message if text is None else text)


DATA = "0x08c379a0"


@pytest.mark.parametrize(
    "data", [DATA, {"revertData": DATA}, {"reason": DATA}, {"reason": "validation_reverted", "revert": DATA}]
)
def test_revert_data_of_a_bundler_is_kept(data: object) -> None:
    for code, message in ((-32521, "execution reverted"), (-32500, "AA23 reverted"), (-32500, "")):
        assert map_bundler_error(ErrorObject(code, message, data)).facts["revert"] == "0x08c379a0"


def test_the_entry_points_number_is_a_fact_for_programs() -> None:
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
def test_a_failed_precheck_has_a_word_for_programs(text: str, reason: str) -> None:
    error = map_bundler_error(ErrorObject(-32000, text))

    assert (error.message, error.reason) == (text, reason)
    assert error.data.get("retryable", False) is (reason in {"authorization_nonce", "authorization_pending"})


def test_what_an_account_lacks_is_a_number_for_programs() -> None:
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
def test_no_text_of_another_server_comes_through(code: int, before: str, data: object, between: str) -> None:
    fault = ErrorObject(code, f"{before}{between}{SECRET}{between}", data)

    for error in (map_bundler_error(fault), map_paymaster_error(fault)):
        assert SECRET not in f"{error} {error.data}"


@pytest.mark.parametrize(
    ("data", "text", "reason"),
    [
        ({"reason": "token", "tokens": [TOKEN.lower(), TOKEN]}, f"takes gas in {TOKEN}, {TOKEN}", "token_not_taken"),
        ({"reason": "token", "tokens": []}, "takes gas in no token", "token_not_taken"),
        ({"reason": "token", "tokens": [TOKEN] * 101}, "does not accept the user operation", "sponsorship"),
        ({"reason": "token"}, "does not accept the user operation", "sponsorship"),
        ({"reason": "unknown_policy"}, "no policy of this policyId", "unknown_policy"),
        ({"reason": "max_token_amount_exceeded"}, "maxTokenAmount", "max_token_amount_exceeded"),
        ({"reason": "too_low"}, "does not accept the user operation", "sponsorship"),
        (None, "does not accept the user operation", "sponsorship"),
    ],
)
def test_a_paymaster_may_say_in_our_words_what_it_does_not_accept(data: object, text: str, reason: str) -> None:
    error = map_paymaster_error(ErrorObject(-32602, "no", data))

    assert type(error) is InvalidParams
    assert error.reason == reason
    assert text in error.message


def test_every_text_of_the_entry_point_is_known_by_its_number() -> None:
    for number, text in ENTRY_POINT_TEXTS.items():
        error = map_bundler_error(ErrorObject(-32500, f"{number} {text}"))
        assert isinstance(error, Rejected if number in {"AA10", "AA21"} else ValidationReverted)
        assert error.facts["entryPoint"] == number

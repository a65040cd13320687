"""The mapping of Alto's errors, with the codes and texts of version 0.0.20."""

from __future__ import annotations

import pytest

from tests.contract.sample import ACCOUNT, SIGNER, an_operation
from tests.contract.upstream import Upstream, UpstreamError, answer_in_turn
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.refusals import map_bundler_error
from wallet_rpc.domain.user_operation import PaymasterPart
from wallet_rpc.errors import (
    AccountDeployed,
    AlreadyKnown,
    ExecutionReverted,
    InvalidParams,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    SignatureInvalid,
    StaleNonce,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.primitives import Data

SIMULATED = "UserOperation reverted during simulation with reason: "
REVERTED = "UserOperation reverted with reason: "
DATA = "0xcf7b49f6b0d691fe00000000000000000000000000000000000000000000000000000000"
GAS_PRICE_HINT = " - use pimlico_getUserOperationGasPrice to get the current gas price"
BUMP = ", bump the gas price by minimum 10%"
AUTHORIZATION = "Invalid EIP-7702 authorization: "
NO_MATCH = "does not match the userOperation sender address"
PROCESSED = "is already being processed"


@pytest.mark.parametrize(
    ("code", "message", "kind", "reason"),
    [
        (-32500, f"{SIMULATED}AA23 reverted {DATA}", ValidationReverted, "validation_reverted"),
        (-32500, f"{REVERTED}AA10 sender already constructed", AccountDeployed, "account_deployed"),
        (-32500, f"{REVERTED}AA21 didn't pay prefund", Rejected, "insufficient_funds"),
        (
            -32500,
            "UserOperation failed validation with reason: AA25 invalid account nonce",
            ValidationReverted,
            "validation_reverted",
        ),
        (-32501, f"{REVERTED}AA33 reverted {DATA}", PaymasterRejected, "paymaster_refused"),
        (-32508, f"{SIMULATED}AA31 paymaster deposit too low", PaymasterRejected, "paymaster_deposit_too_low"),
        (-32503, "User operation is not valid yet, validAfter=9, now=8", OutOfTimeRange, "out_of_time_range"),
        (-32503, "UserOperation expires too soon, validUntil=9, now=8", OutOfTimeRange, "out_of_time_range"),
        (-32507, "Invalid UserOp signature", SignatureInvalid, "signature_invalid"),
        (-32521, f"{SIMULATED}{DATA}", ExecutionReverted, "execution_reverted"),
        (-32500, "preVerificationGas is not enough, required: 2, got: 1", Rejected, "too_low"),
        (-32602, f"maxFeePerGas must be at least 2 (current maxFeePerGas: 1){GAS_PRICE_HINT}", Rejected, "too_low"),
        (-32602, "verificationGasLimit must be at least 10000", Rejected, "too_low"),
        (-32602, f"{AUTHORIZATION}The nonce {NO_MATCH}", Rejected, "authorization_nonce"),
        (-32602, f"{AUTHORIZATION}The chainId {NO_MATCH}", Rejected, "authorization_invalid"),
        (-32602, f"{AUTHORIZATION}The recovered signer address {NO_MATCH}", Rejected, "authorization_invalid"),
        (-32602, f"{AUTHORIZATION}The yParity value must be either 0 or 1", Rejected, "authorization_invalid"),
        (-32602, f"{AUTHORIZATION}Delegate {ACCOUNT.hex0x()} has no code.", Rejected, "authorization_invalid"),
        (-32602, "User operation gas limits exceed the max gas per userOp: 3 > 2", Rejected, "too_high"),
        (-32602, "Already known", AlreadyKnown, "already_known"),
        (
            -32602,
            f"AA25 invalid account nonce: User operation already present in mempool{BUMP}",
            InvalidParams,
            "replacement_underpriced",
        ),
        (
            -32602,
            f"AA25 invalid account nonce: Another UserOperation with same sender and nonce {PROCESSED}",
            StaleNonce,
            "stale_nonce",
        ),
        (
            -32602,
            f"AA25 invalid account deployment: Another deployment operation for this sender {PROCESSED}",
            AccountDeployed,
            "account_deployed",
        ),
        (
            -32602,
            "AA10 sender already constructed: A conflicting userOperation with initCode for this sender is already in "
            f"the mempool{BUMP}",
            AccountDeployed,
            "account_deployed",
        ),
    ],
)
def test_an_error_of_alto_is_mapped(code: int, message: str, kind: type[WalletError], reason: str) -> None:
    error = map_bundler_error(ErrorObject(code, message))

    assert type(error) is kind
    assert error.reason == reason


def test_revert_data_in_the_text_is_a_fact() -> None:
    for code, message in (
        (-32500, f"{SIMULATED}AA23 reverted {DATA}"),
        (-32500, f"{REVERTED}AA23 reverted {DATA}"),
        (-32521, f"{SIMULATED}{DATA}"),
    ):
        error = map_bundler_error(ErrorObject(code, message))
        assert isinstance(error, ValidationReverted | ExecutionReverted)
        assert (error.data["revert"], error.revert) == (DATA, Data.parse(DATA))


def test_a_text_without_revert_data_does_not_reach_the_caller() -> None:
    error = map_bundler_error(ErrorObject(-32521, f"{SIMULATED}ERC20: key sk-123 at https://host"))

    assert "sk-123" not in f"{error} {error.data}"
    assert isinstance(error, ExecutionReverted)
    assert error.revert is None
    assert "revert" not in error.data


async def test_an_account_without_funds_gets_an_estimate() -> None:
    gas = {"preVerificationGas": "0x1", "verificationGasLimit": "0x2", "callGasLimit": "0x3"}
    insufficient_funds = UpstreamError(-32500, f"{SIMULATED}AA21 didn't pay prefund")
    upstream = Upstream(
        {"eth_estimateUserOperationGas": answer_in_turn(insufficient_funds, gas, insufficient_funds, gas)}
    )
    bundler = HttpBundler(upstream.client(part="bundler"))

    assert (await bundler.estimate(an_operation())).call_gas_limit == 3
    await bundler.estimate(an_operation(), {ACCOUNT: {"nonce": "0x1"}, SIGNER: {"code": "0x01"}})

    given = upstream.params[1][2][ACCOUNT.hex0x()]
    assert int(given["balance"], 16) > 0
    assert upstream.params[3][2] == {ACCOUNT.hex0x(): {**given, "nonce": "0x1"}, SIGNER.hex0x(): {"code": "0x01"}}


async def test_an_estimate_for_a_paymaster_without_funds_fails() -> None:
    part = PaymasterPart(SIGNER, 1, 1, Data())
    upstream = Upstream(
        {"eth_estimateUserOperationGas": answer_in_turn(UpstreamError(-32500, f"{SIMULATED}AA21 didn't pay prefund"))}
    )

    with pytest.raises(Rejected):
        await HttpBundler(upstream.client(part="bundler")).estimate(an_operation(paymaster=part))
    assert len(upstream.posts) == 1

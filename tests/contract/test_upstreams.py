"""Node, bundler and paymaster clients: their requests, and the decoding of responses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.parts import HASH, ON_WIRE, UNSIGNED, bundler, node, paymaster
from tests.contract.sample import ACCOUNT, CHAIN, SIGNER, an_operation
from tests.contract.upstream import BrokenResponse, Upstream, UpstreamError, answer_in_turn
from wallet_rpc.adapters.bundler import HttpBundler
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.user_operation import Factory, PaymasterPart, UserOperation
from wallet_rpc.errors import (
    ExecutionReverted,
    InvalidParams,
    OutcomeUnknown,
    PaymasterRejected,
    Unavailable,
    ValidationReverted,
)
from wallet_rpc.ports import Fees
from wallet_rpc.primitives import Address, Data


async def test_node_reads_are_of_the_latest_block() -> None:
    answers = {"eth_getCode": "0x6001", "eth_getBalance": "0xde0b6b3a7640000", "eth_getTransactionCount": "0x5"}
    upstream, chain = node(answers)

    assert await chain.code(ACCOUNT) == b"\x60\x01"
    assert await chain.balance(ACCOUNT) == 10**18
    assert await chain.transaction_count(ACCOUNT) == 5
    assert upstream.params == [[ACCOUNT.hex0x(), "latest"]] * 3


async def test_a_call_returns_the_contracts_return_data() -> None:
    upstream, chain = node({"eth_call": "0x2a"})

    assert await chain.call(ACCOUNT, b"\x01\x02") == b"\x2a"
    assert upstream.params == [[{"to": ACCOUNT.hex0x(), "data": "0x0102"}, "latest"]]


async def test_a_user_operations_nonce_comes_from_the_entry_point() -> None:
    upstream, chain = node({"eth_call": "0x" + (7 << 64 | 3).to_bytes(32, "big").hex()})

    assert await chain.user_operation_nonce(ACCOUNT, 7) == 7 << 64 | 3
    call = upstream.params[0][0]
    assert call["to"] == ENTRY_POINT.hex0x()
    assert call["data"] == "0x35567e1a" + bytes(12).hex() + ACCOUNT.hex() + (7).to_bytes(32, "big").hex()


async def test_a_missing_entry_point_is_an_error_and_not_nonce_zero() -> None:
    _, chain = node({"eth_call": "0x"})

    with pytest.raises(Unavailable, match="no entry point") as error_info:
        await chain.user_operation_nonce(ACCOUNT, 0)
    assert error_info.value.reason == "no_entry_point"


@pytest.mark.parametrize(("block", "base"), [({"number": "0x1", "baseFeePerGas": "0x7"}, 7), ({"number": "0x1"}, 0)])
async def test_fees_come_from_the_latest_block_in_one_post(block: dict[str, Any], base: int) -> None:
    upstream, chain = node({"eth_getBlockByNumber": block, "eth_maxPriorityFeePerGas": "0x3"})

    assert await chain.fees() == Fees(base_fee_per_gas=base, max_priority_fee_per_gas=3)
    assert len(upstream.posts) == 1
    assert upstream.params[0] == ["latest", False]


REVERT = "0x08c379a0" + "00" * 31 + "20"


@pytest.mark.parametrize(
    ("code", "message", "data", "revert"),
    [
        (3, "execution reverted: ERC20: transfer amount exceeds balance", REVERT, REVERT),
        (-32000, "execution reverted", None, "0x"),
        (-32015, "VM execution error.", f"Reverted {REVERT}", REVERT),
        (-32603, "VM Exception while processing transaction: revert", {"data": REVERT}, REVERT),
        (-32000, "out of gas", None, "0x"),
        (3, "execution reverted", {"surprise": 1}, "0x"),
    ],
)
async def test_a_reverted_call_keeps_its_revert_data(code: int, message: str, data: Any, revert: str) -> None:
    upstream, chain = node({"eth_call": answer_in_turn(UpstreamError(code, message, data))})

    with pytest.raises(ExecutionReverted, match=r"^execution reverted$") as error_info:
        await chain.call(ACCOUNT, b"")

    assert error_info.value.data == {"reason": "execution_reverted", "revert": revert}
    assert error_info.value.revert == Data.parse(revert)
    assert len(upstream.posts) == 1


async def test_a_nodes_other_errors_are_unavailable() -> None:
    _, chain = node({"eth_call": answer_in_turn(UpstreamError(-32000, "missing trie node"))})

    with pytest.raises(Unavailable, match="the node returned an error") as error_info:
        await chain.call(ACCOUNT, b"")
    assert error_info.value.facts["upstreamCode"] == -32000


@pytest.mark.parametrize("answer", [None, 5, "0x1", "text", {}, "0x" + "00" * 33])
async def test_a_malformed_response_to_a_send_leaves_its_outcome_unknown(answer: Any) -> None:
    _, client = bundler({"eth_sendUserOperation": answer})

    with pytest.raises(OutcomeUnknown, match="the bundler returned a malformed response"):
        await client.send(an_operation())


async def test_the_chain_is_checked_at_the_start() -> None:
    await NodeChain(Upstream({"eth_chainId": "0x66eee"}).client()).verify(CHAIN)
    with pytest.raises(Unavailable):
        await NodeChain(Upstream({"eth_chainId": "0x1"}).client()).verify(CHAIN)


async def test_a_bundler_of_another_entry_point_is_an_error() -> None:
    answers = {"eth_chainId": "0x66eee", "eth_supportedEntryPoints": [SIGNER.hex0x(), ENTRY_POINT.hex0x()]}
    await HttpBundler(Upstream(answers).client(part="bundler")).verify(CHAIN)

    answers["eth_supportedEntryPoints"] = [SIGNER.hex0x()]
    with pytest.raises(Unavailable, match=r"does not support entry point v0\.7"):
        await HttpBundler(Upstream(answers).client(part="bundler")).verify(CHAIN)


async def test_an_estimate_has_state_overrides_if_there_are_any() -> None:
    gas = {"preVerificationGas": "0x1", "verificationGasLimit": "0x2", "callGasLimit": "0x3"}
    with_paymaster = gas | {"paymasterVerificationGasLimit": "0x4", "paymasterPostOpGasLimit": "0x5"}
    upstream, client = bundler({"eth_estimateUserOperationGas": answer_in_turn(gas, with_paymaster)})

    bare = await client.estimate(an_operation())
    full = await client.estimate(an_operation(), {SIGNER: {"code": "0x01"}})

    assert bare == GasEstimate(pre_verification_gas=1, verification_gas_limit=2, call_gas_limit=3)
    assert full == replace(bare, paymaster_verification_gas_limit=4, paymaster_post_op_gas_limit=5)
    assert upstream.params == [
        [ON_WIRE, ENTRY_POINT.hex0x()],
        [ON_WIRE, ENTRY_POINT.hex0x(), {SIGNER.hex0x(): {"code": "0x01"}}],
    ]


async def test_every_field_of_an_operation_is_submitted() -> None:
    upstream, client = bundler({"eth_sendUserOperation": HASH.hex0x()})
    operation = an_operation(factory=Factory(SIGNER, Data(b"\x01")), paymaster=PaymasterPart(SIGNER, 1, 2, Data()))

    assert await client.send(operation) == HASH
    assert upstream.params[0][0] == ON_WIRE | {
        "factory": SIGNER.hex0x(),
        "factoryData": "0x01",
        "paymaster": SIGNER.hex0x(),
        "paymasterVerificationGasLimit": "0x1",
        "paymasterPostOpGasLimit": "0x2",
        "paymasterData": "0x",
    }


async def test_an_operation_is_submitted_once_after_any_error() -> None:
    for trouble in (BrokenResponse(502), BrokenResponse(200, b"<html>"), BrokenResponse(429)):
        upstream, client = bundler({"eth_sendUserOperation": answer_in_turn(trouble)})
        with pytest.raises(Unavailable) as error_info:
            await client.send(an_operation())
        assert error_info.value.reason == OutcomeUnknown.default_reason
        assert len(upstream.posts) == 1

    upstream, client = bundler(
        {"eth_sendUserOperation": answer_in_turn(UpstreamError(-32500, "AA25 invalid account nonce"))}
    )
    with pytest.raises(ValidationReverted):
        await client.send(an_operation())
    assert len(upstream.posts) == 1


async def test_a_paymaster_gets_the_unsigned_operation_and_the_context() -> None:
    stub = {"paymaster": SIGNER.hex0x(), "paymasterData": "0x00", "paymasterPostOpGasLimit": "0x1", "isFinal": True}
    sponsored = {"paymaster": SIGNER.hex0x(), "paymasterData": "0xab", "sponsor": {"name": "us"}}
    upstream, client = paymaster({"pm_getPaymasterStubData": stub, "pm_getPaymasterData": sponsored})

    first = await client.stub(an_operation(), {"policyId": "p1"})
    second = await client.sponsor(an_operation(), {})

    assert (first.paymaster, first.data, first.post_op_gas_limit, first.is_final) == (SIGNER, b"\x00", 1, True)
    assert (second.data, second.verification_gas_limit, second.is_final) == (b"\xab", None, False)
    assert upstream.params == [
        [UNSIGNED, ENTRY_POINT.hex0x(), "0x66eee", {"policyId": "p1"}],
        [UNSIGNED, ENTRY_POINT.hex0x(), "0x66eee", {}],
    ]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-32602, InvalidParams),
        (-32600, PaymasterRejected),
        (-32000, PaymasterRejected),
        (-32603, Unavailable),
        (-32005, Unavailable),
    ],
)
async def test_a_paymasters_error_is_mapped_without_its_text(code: int, kind: type[Exception]) -> None:
    _, client = paymaster(
        {"pm_getPaymasterData": answer_in_turn(UpstreamError(code, "policy sk-123 of https://x is over"))}
    )

    with pytest.raises(kind) as error_info:
        await client.sponsor(an_operation(), {})
    assert type(error_info.value) is kind
    assert "sk-123" not in str(error_info.value)


def test_the_samples_are_consistent() -> None:
    assert isinstance(an_operation(), UserOperation)
    assert Address.parse(ON_WIRE["sender"]) == ACCOUNT

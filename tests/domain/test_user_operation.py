"""Tests of the packed form, the hash and the wire form of a user operation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, addresses, blobs, uint32, uint64, uint128, uint256
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.user_operation import (
    Factory,
    PaymasterPart,
    UserOperation,
    handle_ops_call_data,
    pack,
    user_operation_hash,
)
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data

factories = st.none() | st.builds(Factory, addresses, blobs)
paymasters = st.none() | st.builds(PaymasterPart, addresses, uint128, uint128, blobs)
authorizations = st.none() | st.builds(
    SignedAuthorization, uint32, addresses, uint64, uint256, uint256, st.integers(0, 1)
)
operations = st.builds(
    UserOperation,
    sender=addresses,
    nonce=uint256,
    factory=factories,
    call_data=blobs,
    call_gas_limit=uint128,
    verification_gas_limit=uint128,
    pre_verification_gas=uint128,
    max_fee_per_gas=uint128,
    max_priority_fee_per_gas=uint128,
    paymaster=paymasters,
    signature=blobs,
    authorization=authorizations,
)
PLAIN = UserOperation(
    sender=ACCOUNT,
    nonce=0,
    call_data=Data(),
    call_gas_limit=0,
    verification_gas_limit=0,
    pre_verification_gas=0,
    max_fee_per_gas=0,
    max_priority_fee_per_gas=0,
)
WRITTEN: dict[str, Any] = wire.encode(UserOperationJson, UserOperationJson.from_domain(PLAIN, include_signature=False))


def hash_operation(op: UserOperation) -> bytes:
    return user_operation_hash(op, 1, ENTRY_POINT)


@given(operations)
def test_an_operation_comes_back_from_the_wire(op: UserOperation) -> None:
    written = wire.encode(UserOperationJson, UserOperationJson.from_domain(op))
    assert None not in written.values()
    assert wire.decode(UserOperationJson, written).to_domain() == op


@given(operations)
def test_packed_fields_have_fixed_widths(op: UserOperation) -> None:
    packed = pack(op)
    assert len(packed.account_gas_limits) == len(packed.gas_fees) == 32
    assert packed.account_gas_limits == op.verification_gas_limit.to_bytes(16, "big") + op.call_gas_limit.to_bytes(
        16, "big"
    )
    assert len(packed.paymaster_and_data) == (0 if op.paymaster is None else 52 + len(op.paymaster.data))
    assert len(packed.init_code) == (0 if op.factory is None else 20 + len(op.factory.data))


@given(operations, operations)
def test_different_operations_have_different_hashes(one: UserOperation, other: UserOperation) -> None:
    def strip_signature(op: UserOperation) -> UserOperation:
        return replace(op, signature=Data(), authorization=None)

    assert (strip_signature(one) == strip_signature(other)) == (hash_operation(one) == hash_operation(other))


@given(operations)
def test_the_hash_names_the_chain_and_the_entry_point_and_not_the_signature(op: UserOperation) -> None:
    assert hash_operation(op) != user_operation_hash(op, 2, ENTRY_POINT)
    assert hash_operation(op) != user_operation_hash(op, 1, ACCOUNT)
    assert hash_operation(op) == hash_operation(replace(op, signature=Data(b"\x01"), authorization=None))


@given(st.lists(operations, max_size=3), addresses)
def test_the_bundlers_call_holds_every_operation(ops: list[UserOperation], beneficiary: Address) -> None:
    data = handle_ops_call_data(ops, beneficiary)
    assert data[:4] == abi.HANDLE_OPS
    struct = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)[]"
    found, to = decode((struct, "address"), data[4:])
    assert to == "0x" + beneficiary.hex()
    assert [(bytes.fromhex(item[0][2:]), *item[1:]) for item in found] == [tuple(pack(op)) for op in ops]


@pytest.mark.parametrize(
    "change",
    [
        {"call_gas_limit": 1 << 128},
        {"verification_gas_limit": -1},
        {"max_fee_per_gas": 1 << 128},
        {"max_priority_fee_per_gas": 1 << 128},
        {"paymaster": PaymasterPart(ACCOUNT, 1 << 128, 0, Data())},
        {"paymaster": PaymasterPart(ACCOUNT, 0, 1 << 128, Data())},
    ],
)
def test_a_limit_of_more_than_128_bits_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidParams) as error_info:
        pack(replace(PLAIN, **change))
    assert error_info.value.reason == "gas_too_large"


def test_a_part_without_its_address_is_refused() -> None:
    for key, value in {
        "factoryData": "0x",
        "paymasterData": "0x",
        "paymasterVerificationGasLimit": "0x0",
        "paymasterPostOpGasLimit": "0x0",
    }.items():
        with pytest.raises(InvalidParams) as error_info:
            wire.decode(UserOperationJson, {**WRITTEN, key: value}).to_domain("params.data.")
        assert error_info.value.data == {"reason": "part_without_address", "field": f"params.data.{key}"}
        assert error_info.value.message.startswith(f"params.data.{key}: ")


def test_optional_members_of_a_part_may_be_left_out() -> None:
    to = ACCOUNT.hex0x()
    op = wire.decode(UserOperationJson, {**WRITTEN, "factory": to, "paymaster": to}).to_domain()
    assert op.factory == Factory(ACCOUNT, Data())
    assert op.paymaster == PaymasterPart(ACCOUNT, 0, 0, Data())


def test_a_parity_other_than_0_or_1_is_refused() -> None:
    signed = SignedAuthorization(1, ACCOUNT, 0, 1, 1, 1)
    written = wire.encode(UserOperationJson, UserOperationJson.from_domain(replace(PLAIN, authorization=signed)))
    written["eip7702Auth"]["yParity"] = "0x1b"
    with pytest.raises(InvalidParams, match="yParity: expected 0x0 or 0x1, got 0x1b") as error_info:
        wire.decode(UserOperationJson, written).to_domain("params.data.")
    assert error_info.value.data["field"] == "params.data.eip7702Auth.yParity"
